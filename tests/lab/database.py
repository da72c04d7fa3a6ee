# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL on a lab machine."""

from __future__ import annotations

import re
import secrets
import typing as t

from .engine import LabError, Progress, write_private

if t.TYPE_CHECKING:
    from .machines import Lab

# Containers on the machine itself come from its engine's own networks, everybody else from the lab's.
_SETUP = r"""
set -eu
conf=$(echo /etc/postgresql/*/main)
mkdir -p "$conf/conf.d"
printf "listen_addresses = '*'\n" >"$conf/conf.d/slipway-lab.conf"
for net in "$1" 172.16.0.0/12; do
  grep -q "^host all all $net " "$conf/pg_hba.conf" || echo "host all all $net scram-sha-256" >>"$conf/pg_hba.conf"
done
unit=postgresql@$(basename "$(dirname "$conf")")-main
systemctl enable --quiet postgresql.service
systemctl is-active --quiet "$unit" || systemctl start postgresql.service "$unit"
exec runuser -u postgres -- psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1
"""


def setup(lab: Lab, name: str, database: str, role: str) -> str:
    """See :meth:`Lab.setup_database`. The password is kept in the lab's state, readable by its owner only.

    :raises LabError: the machine has no PostgreSQL (the image ``bare``), or refuses.
    """
    for word in (database, role):
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", word):
            raise LabError(f"{word!r} cannot name a database or role here: a-z, 0-9 and _")
    password = _password(lab, name, role)
    # Over standard input: a password among the arguments could be read by everybody on the machine.
    sql = f"""
SELECT 'CREATE ROLE {role} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec
ALTER ROLE {role} LOGIN PASSWORD '{password}';
SELECT 'CREATE DATABASE {database} OWNER {role}'
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec
"""
    with Progress(f"turning PostgreSQL on at {name}"):
        done = lab.exec(name, ["sh", "-c", _SETUP, "sh", lab.network.subnet], stdin=sql, check=False)
    if done.returncode:
        raise LabError(f"PostgreSQL at {name}: {done.stderr.strip()[-500:]} (it is installed in the image ready only)")
    return f"postgresql://{role}:{password}@{lab.address(name)}:5432/{database}"


def _password(lab: Lab, name: str, role: str) -> str:
    path = lab.state / f"database-{name}-{role}"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(18))
    return path.read_text(encoding="ascii")
