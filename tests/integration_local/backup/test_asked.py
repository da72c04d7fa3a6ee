# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module itself, as Ansible runs it: what it refuses to take for an order, and two of them at once."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.modules import database_backup

from .faults import Site

SECRET = "s3cr3t-w0rd"


class Asked:
    """A target with one good backup, and the module for it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.usual: dict[str, t.Any] = {
            "name": "store",
            "engine": "sqlite",
            "url": encoded(site.url),
            "store": {"kind": "local", "path": str(site.directory)},
            "compression": {"method": "none"},
            "scratch_dir": str(site.scratch),
            "root": str(site.directory / "root"),
        }

    def start(self, **changes: t.Any) -> subprocess.Popen[str]:
        params = {**self.usual, **changes}
        process = subprocess.Popen(
            [sys.executable, "-m", database_backup.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": params}))
        process.stdin.close()
        process.stdin = None
        return process

    def run(self, **changes: t.Any) -> dict[str, t.Any]:
        return answer(self.start(**changes))


def answer(process: subprocess.Popen[str]) -> dict[str, t.Any]:
    out, err = process.communicate()
    assert out.strip().startswith("{"), err
    said: dict[str, t.Any] = json.loads(out)
    # What it was asked for stands in the answer of every module, for Ansible, with what is secret taken out.
    assert SECRET not in out + err
    return said


def encoded(url: str) -> str:
    import base64

    return base64.b64encode(url.encode()).decode()


@pytest.fixture
def asked(sqlite: Site) -> Asked:
    return Asked(sqlite)


URL = f"postgresql://shop:{SECRET}@127.0.0.1:1/shop"
REFUSED: dict[str, tuple[dict[str, t.Any], str]] = {
    "an unknown engine": ({"engine": "dbase"}, "value of engine must be one of: .*got: dbase"),
    "an unknown state": ({"state": "perfect"}, "value of state must be one of"),
    "an unknown kind of store": ({"store": {"kind": "tape"}}, "value of kind must be one of"),
    "a store without a place": ({"store": {"kind": "local"}}, "path"),
    "max_age that is no number": ({"max_age": "yesterday"}, "max_age"),
    "a retention that is no number": ({"retention": {"last": "some"}}, "last"),
    "an unknown option": ({"retension": {"last": 1}}, "Unsupported parameters.*retension"),
    "encryption without recipients": ({"encryption": {}}, "encryption: names no recipients.*age-keygen"),
    "no url": ({"url": None}, "url: missing.*Pass it as url"),
    "an unknown strength of proof": ({"verify": "trust"}, "value of verify must be one of"),
    "a restore of nothing": ({"state": "restored"}, "id"),
    "a url with a password, to nowhere": (
        {"engine": "postgresql", "url": encoded(URL)},
        "shop on 127.0.0.1: cannot be",
    ),
    "a url with a password, which is none": (
        {"engine": "postgresql", "url": encoded(f"postgresql://shop:{SECRET}@[x/shop?y")},
        "is not a connection string of PostgreSQL",
    ),
    "keywords with a password, which are none": (
        {"engine": "postgresql", "url": encoded(f"host=x password={SECRET} nonsense={SECRET}")},
        "is not a connection string of PostgreSQL",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(asked: Asked, name: str) -> None:
    changes, words = REFUSED[name]
    before = sorted(asked.site.path.iterdir())
    said = asked.run(**changes)
    assert said["failed"]
    assert re.search(words, said["msg"]), said["msg"]
    assert sorted(asked.site.path.iterdir()) == before
    assert asked.run(max_age=86400)["changed"] is False  # the good one is there, and as good as before


def test_two_at_once_on_one_target(asked: Asked) -> None:
    """The second is told of the first, or waits for it; both are whole then."""
    with asked.site.system.flock(lock(asked), timeout=0):
        refused = asked.run()
        assert refused["error"]["cause"] == "flock_timeout"
        assert "another Slipway module is still at work" in refused["msg"]
        waiting = asked.start(lock_wait=600)
    both = [waiting, asked.start(lock_wait=600)]
    made = {answer(process)["backup"]["id"] for process in both}
    assert len(made) == 2
    listed = asked.run(state="listed")["backups"]
    assert [one["verified_by"] for one in listed] == ["restore"] * 3
    assert made < {one["id"] for one in listed}
    assert sorted(one["id"] for one in listed)[0] == asked.site.good


def lock(asked: Asked) -> str:
    path = pathlib.Path(asked.usual["root"]) / "backups"
    path.mkdir(parents=True)
    return str(path / "store.lock")
