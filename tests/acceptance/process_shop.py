# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""examples/shop as processes of lab machines: its site ``plain``, whose code comes as an archive that machines have already."""

from __future__ import annotations

import contextlib
import copy
import gzip
import io
import json
import subprocess
import tarfile
import typing as t
from pathlib import Path

import yaml

from tests.integration_local.process.process_site import SHARED_MOUNTS
from tests.lab import Lab, base_image
from tests.lab.engine import docker
from tests.shop.images import SHOP

from . import settings
from .fleet import Fleet
from .machines import each, shell

PACKAGES = "/opt/shop-python"  # what pip would bring, where there is no network for it
CODE = "/srv/code"
VARIANTS = {"1.2.0": "unhealthy", "1.2.1": "errors", "1.2.2": "crash"}

# Docker's mounts are private, so that what systemd mounts for a unit's credentials is not seen by that unit.
_SHARE = "cat > /etc/systemd/system/shared-mounts.service && systemctl --quiet enable --now shared-mounts.service"

_CLEAR = """
systemctl list-units --all --plain --no-legend 'slipway-shop.*' | cut -d' ' -f1 | xargs -r systemctl stop
rm -rf /etc/systemd/system/slipway-shop.* /etc/systemd/system/multi-user.target.wants/slipway-shop.* /srv/slipway
systemctl daemon-reload
"""
_USER = "id shop >/dev/null 2>&1 || useradd --system --home-dir /nonexistent shop"

# Whatever asks systemd waits for as long as a file is there.
HELD = "/run/systemctl-held"
_MAY_BE_HELD = f"""
[ -e /usr/bin/systemctl.real ] || mv /usr/bin/systemctl /usr/bin/systemctl.real
cat > /usr/bin/systemctl <<'END'
#!/bin/sh
while [ -e {HELD} ]; do sleep 0.05; done
exec /usr/bin/systemctl.real "$@"
END
chmod 755 /usr/bin/systemctl
"""

_UNITS = """
for file in /etc/systemd/system/slipway-shop.*@.service; do
  [ -e "$file" ] || continue
  name=$(basename "$file" @.service)
  for environment in /srv/slipway/*/*/environment/"$name"/*; do
    unit=$name@$(basename "$environment").service
    boot=no; [ ! -L /etc/systemd/system/multi-user.target.wants/"$unit" ] || boot=always
    echo "$unit $(systemctl is-active "$unit") $boot $(sed -n 2p "$file")"
  done
done
"""
_SNAPSHOT = """
find /srv/slipway /etc/systemd/system -printf '%p %m %U %s %T@ %l\\n' | sort
systemctl show --property=Id,InvocationID,ActiveState,NRestarts 'slipway-shop.*'
"""


class Process(t.NamedTuple):
    """One process of Slipway's, with the names that a container has, too."""

    name: str
    service: str
    side: str
    version: str
    running: bool
    restart: str  # whether it comes back after a reboot: always, or no


@contextlib.contextmanager
def held(lab: Lab, machine: str) -> t.Iterator[None]:
    """Whatever asks systemd on a machine waits; what runs there goes on."""
    shell(lab, machine, f"touch {HELD}")
    try:
        yield
    finally:
        shell(lab, machine, f"rm -f {HELD}", check=False)  # it may have been rebooted meanwhile


class ProcessShop(Fleet):
    """The shop on plain machines."""

    blockers: t.ClassVar = dict.fromkeys(("build", "prepare", "decision", "settle", "revert", "workers"), held)

    def __init__(
        self,
        lab: Lab,
        directory: Path,
        *,
        apps: t.Sequence[str] = ("app1", "app2"),
        proxies: t.Sequence[str] = ("lb1",),
        facts: t.Mapping[str, t.Any],
        variables: t.Mapping[str, t.Any] | None = None,
    ) -> None:
        given = {"slipway_services": services(), "slipway_secrets": {"DATABASE_URL": "{{ vault_database_url }}"}}
        super().__init__(
            lab,
            directory,
            apps=apps,
            proxies=proxies,
            facts=facts,
            # Named as the shop of containers is: then all that looks at machines looks at the right place.
            variables={"slipway_environment": "production", **given, **(variables or {})},
            environment="plain",
        )

    def containers(self, machine: str) -> list[t.Any]:
        """The processes of Slipway's on a machine, running or not."""
        return sorted(read_process(line) for line in shell(self.lab, machine, _UNITS).splitlines())

    def snapshot(self) -> dict[str, list[str]]:
        """With the code, and with the units and what runs of them."""
        more = each(self.apps, lambda machine: shell(self.lab, machine, _SNAPSHOT).splitlines())
        return {machine: [*lines, *more.get(machine, ())] for machine, lines in super().snapshot().items()}

    def runs(self, side: str) -> dict[str, str]:
        """What runs of a side on each machine, with what changes at every start."""
        script = f"systemctl show --property=Id,InvocationID,NRestarts --state=active 'slipway-shop.*.{side}@*'"
        return each(self.apps, lambda machine: shell(self.lab, machine, script))


def services(**changes: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The services of the example's site ``plain``, healthy at the first answer, without pip.

    :param changes: of each service that is to differ: options that replace its own.
    """
    text = (SHOP / "plain/group_vars/all/slipway.yml").read_text(encoding="utf-8")
    found: dict[str, t.Any] = copy.deepcopy(yaml.safe_load(text)["slipway_services"])
    backend, worker = found["backend"], found["worker"]
    backend["source"] = {"kind": "archive", "from": "machine", "path": f"{CODE}/shop-{{{{ slipway_version }}}}.tar.gz"}
    backend["build"] = [step for step in backend["build"] if step["name"] in ("site", "assets")]
    variant = f"{{{{ {json.dumps(VARIANTS)}[slipway_version] | default('ok') }}}}"
    for service in (backend, worker):
        service["command"][0] = "/usr/bin/python3"
        service["env"].update(PYTHONPATH=f"backend:{PACKAGES}", SHOP_VARIANT=variant)
    for name, service in found.items():
        if "health" in service:
            service["health"].update(
                settings.QUICK_HEALTH, deadline="20s"
            )  # its modules are compiled at every first start
        service.update(changes.get(name, {}))
    return found


def prepare(lab: Lab, machines: t.Sequence[str], versions: t.Sequence[str]) -> None:
    """Bring machines to where nothing was ever released as processes, with what the shop needs, and its code."""
    clear(lab, machines)
    each(machines, lambda machine: lab.exec(machine, ["sh", "-c", _SHARE], stdin=SHARED_MOUNTS))
    each(machines, lambda machine: shell(lab, machine, f"{_USER}; mkdir -p {CODE}"))
    may_be_held(lab, machines)
    python = packages()
    unpack = "mkdir -p $1 && tar -x --strip-components=1 -C $1"
    each(machines, lambda machine: into(lab, machine, python, unpack, PACKAGES))
    for version in versions:
        code = archive(version)
        each(machines, lambda machine, code=code, version=version: place(lab, machine, code, version))


def may_be_held(lab: Lab, machines: t.Sequence[str]) -> None:
    """Make machines on which systemd can be held."""
    each(machines, lambda machine: shell(lab, machine, _MAY_BE_HELD))


def clear(lab: Lab, machines: t.Sequence[str]) -> None:
    """Stop and remove every process of the shop, and its code."""
    each(machines, lambda machine: shell(lab, machine, _CLEAR))


def packages() -> bytes:
    """The Python packages of the lab's base image, as a tar; its Python is that of the machines."""
    holder = docker("create", base_image()).strip()
    try:
        copied = ["docker", "cp", f"{holder}:/usr/lib/python3/dist-packages", "-"]
        return subprocess.run(copied, check=True, stdout=subprocess.PIPE).stdout
    finally:
        docker("rm", "--force", holder)


def place(lab: Lab, machine: str, code: bytes, version: str) -> None:
    """Put an archive where the services look for that version."""
    into(lab, machine, code, "cat > $1", f"{CODE}/shop-{version}.tar.gz")


def into(lab: Lab, machine: str, data: bytes, script: str, *args: str) -> None:
    """Run a script on a machine with bytes on its standard input."""
    command = ["docker", "exec", "--interactive", lab.container(machine), "sh", "-c", script, "sh", *args]
    subprocess.run(command, input=data, check=True, stdout=subprocess.DEVNULL)


def archive(version: str) -> bytes:
    """The shop's sources, as an archive that is the same every time, and another one for each version."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in ("backend", "frontend"):
            tar.add(SHOP / "src" / name, name, filter=_plain)
        about = tarfile.TarInfo("VERSION")
        about.size = len(version)
        tar.addfile(about, io.BytesIO(version.encode()))
    return gzip.compress(stream.getvalue(), mtime=0)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    entry.mtime = 0
    return None if "__pycache__" in entry.name else entry


def read_process(line: str) -> Process:
    """Name, state, whether it comes back after a reboot, and what its definition says of it."""
    name, active, boot, about = line.split(" ", 3)
    labels = json.loads(about.partition("{")[1] + about.partition("{")[2])
    return Process(
        name=name,
        **{key: str(labels[key]) for key in ("service", "side", "version")},
        running=active in ("active", "activating", "deactivating"),
        restart=boot,
    )
