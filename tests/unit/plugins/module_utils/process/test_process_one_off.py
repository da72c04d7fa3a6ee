# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command that is run as a replica's process is, and the lines of a unit's journal."""

from __future__ import annotations

import json
import os
import pathlib

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container.log import read
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.process import one_off
from ansible_collections.slipway.deploy.plugins.module_utils.process.systemd_log import command, stamped
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

UNIT = """\
# Written by Slipway; the next release writes it anew.
# slipway: {}
[Unit]
Description=Slipway shop production: web %i, blue

[Service]
Type=notify
User=shop
WorkingDirectory=/srv/slipway/shop/production/releases/1.0.0/web
ExecStart="/usr/bin/python3" "app.py"
ExecReload=/bin/true
EnvironmentFile=/srv/slipway/environment/slipway-shop.production.web.blue/%i
LoadCredential=DATABASE_URL:/srv/slipway/secrets/a%%b
Restart=always
ProtectSystem=strict
MemoryMax=256M

[Install]
WantedBy=multi-user.target
"""


def words(*program: str) -> list[str]:
    return one_off.words(UNIT, "2", "slipway-once-x", program, timeout=60.0)


def test_it_gets_all_that_the_unit_says_but_what_is_for_a_program_that_goes_on() -> None:
    argv = words("python3", "-m", "report")
    given = [word.removeprefix("--property=") for word in argv if word.startswith("--property=")]
    assert given == [
        "User=shop",
        "WorkingDirectory=/srv/slipway/shop/production/releases/1.0.0/web",
        "EnvironmentFile=/srv/slipway/environment/slipway-shop.production.web.blue/2",
        "LoadCredential=DATABASE_URL:/srv/slipway/secrets/a%b",
        "ProtectSystem=strict",
        "MemoryMax=256M",
        "RuntimeMaxSec=60",
    ]


def test_it_finds_its_own_copy_of_a_secret_and_not_that_of_the_replica() -> None:
    argv = words("python3", "-m", "report")
    own = "DATABASE_URL_FILE=/run/credentials/slipway-once-x.service/DATABASE_URL"
    assert argv[argv.index("--") :] == ["--", "/usr/bin/env", own, "python3", "-m", "report"]
    assert {"--wait", "--pipe", "--collect", "--unit=slipway-once-x"} <= set(argv)


def test_a_unit_that_slipway_has_not_written_is_none() -> None:
    with pytest.raises(SlipwayError) as caught:
        one_off.unit_client(System(), "no-such-unit-here@1.service", "slipway-once-x", ["true"], timeout=1.0)
    assert caught.value.cause == "nothing_there"


def test_what_the_words_of_a_command_are_is_not_systemd_s_business() -> None:
    assert words("sh", "-c", "echo ${HOME} $1")[-2:] == ["-c", "echo $${HOME} $$1"]


SCRIPT = """\
# Written by Slipway; the next release writes it anew.
umask 027
cd '/srv/slipway/shop/production/releases/1.0.0/web' || exit 125
export TOKEN='s3cret
exec of it'
# From here on it is the program, as its user.
exec /usr/bin/setpriv --reuid=7 --regid=8 --init-groups -- "python3" "app.py" "a -- b
c"
"""


def scripted(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, text: str = SCRIPT) -> one_off.Client:
    place = tmp_path / "environment" / "slipway-shop.production.web.blue"
    place.mkdir(parents=True)
    (place / "2").write_text(text)
    monkeypatch.setattr(os.path, "isdir", lambda path: path == "/run/systemd/system")
    replica, command = "slipway-shop.production.web.blue-2", ["python3", "-m", "report", "$x"]
    return one_off.script_client(System(), str(tmp_path), replica, "slipway-once-x", command, timeout=60.0)


def test_the_script_of_a_replica_becomes_the_other_command_and_its_secrets_are_in_no_argument(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scripted(tmp_path, monkeypatch)
    head = SCRIPT.partition("exec /usr/bin")[0]
    become = 'exec /usr/bin/setpriv --reuid=7 --regid=8 --init-groups -- "$@" </dev/null\n'
    assert found.reads.decode() == head + become
    assert found.argv[-7:] == ["/bin/sh", "-s", "--", "python3", "-m", "report", "$$x"]
    assert {"--wait", "--pipe", "--unit=slipway-once-x", "--property=RuntimeMaxSec=60"} <= set(found.argv)
    assert "s3cret" not in " ".join(found.argv)


def test_a_script_that_slipway_has_not_written_is_none(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SlipwayError) as caught:
        scripted(tmp_path, monkeypatch, "exit 0\n")
    assert caught.value.cause == "nothing_there"
    with pytest.raises(SlipwayError) as caught:
        one_off.script_client(System(), str(tmp_path), "../../etc/passwd", "x", ["true"], timeout=1.0)
    assert caught.value.cause == "nothing_there"


def test_a_journal_is_read_line_by_line_with_its_times() -> None:
    entries = [
        {"__REALTIME_TIMESTAMP": "1795932004000042", "MESSAGE": "starts"},
        {"__REALTIME_TIMESTAMP": "1795932005999999", "MESSAGE": [98, 255, 121]},
        {"__REALTIME_TIMESTAMP": "1795932006000000", "MESSAGE": None},
    ]
    found = read(map(stamped, map(json.dumps, entries)), clean=str)
    assert [tuple(line) for line in found.lines] == [
        ("2026-11-29T06:00:04.000042000Z", "starts"),
        ("2026-11-29T06:00:05.999999000Z", "b\ufffdy"),
        ("2026-11-29T06:00:06.000000000Z", ""),
    ]
    assert "--since=@1795932004" in command("a@1.service", since=1795932004, tail=0)
    assert "--lines=5" in command("a@1.service", since=0, tail=5)
