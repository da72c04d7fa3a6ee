# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The old version, on an engine in memory: what is started, asked and told."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.backup.scratch_place import PREFIX
from ansible_collections.slipway.deploy.plugins.module_utils.container.records import (
    SHELF,
    ServiceRecord,
)
from ansible_collections.slipway.deploy.plugins.module_utils.container.spec import Scope
from ansible_collections.slipway.deploy.plugins.module_utils.database.copied import Copy
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal import old_version, stand
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.old_version import OldVersion, witness
from ansible_collections.slipway.deploy.plugins.module_utils.rehearsal.witness import BROKEN, UNABLE
from ansible_collections.slipway.deploy.plugins.module_utils.side.checks import Verdict
from ansible_collections.slipway.deploy.plugins.module_utils.side.records import Record
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.container.fakes import (
    FakeEngine,
    FakeSystem,
    Fuse,
)

URL = "postgres://shop:pr0duct10n@db.example.com/shop"
COPY = Copy("postgresql", "shop", "shop", "admin", "/tmp/s")
HEALTHY = Verdict(True, "", "", {}, 0.1)
BAD = Verdict(False, "status", "answered 500 instead.", {"body": "no column of pr0duct10n"}, 0.1)


class Engine(FakeEngine):
    """Notes what containers are made with; one that runs has a process."""

    def __init__(self) -> None:
        super().__init__(Fuse())
        self.made: dict[str, dict[str, t.Any]] = {}
        self.asleep: set[str] = set()

    def create(self, name: str, image: str, **options: t.Any) -> t.Any:
        self.made[name] = {"image": image, **options}
        return super().create(name, image, **options)

    def start(self, container: t.Any) -> None:
        super().start(container)
        self._set(container, pid=4711)


class Machine:
    """One machine with a live release of a service."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.engine, self.system = Engine(), FakeSystem(Fuse())
        self.engine.tags = {"web:1": "sha-1", "web:kept": "sha-kept"}
        self.wrong: dict[tuple[str, str], int] = {}  # (old or new, check) → from which time on it fails
        self.asked: list[tuple[str, str]] = []
        self.files: dict[str, tuple[str, int]] = {}

    def probe(self, checks: t.Sequence[t.Any]) -> list[Verdict]:
        return [self._answer(check) for check in checks]

    def _answer(self, check: t.Any) -> Verdict:
        which = "old" if "-old-" in check.item else "new"
        what = (which, check.target.get("url", "").rpartition("/")[2] if check.once else "start")
        self.asked.append(what)
        for directory, _names, files in os.walk(self.root):
            for name in files:
                path = os.path.join(directory, name)
                with open(path, encoding="utf-8") as stream:
                    self.files[name] = stream.read(), os.stat(path).st_mode & 0o777
        fails = what in self.wrong and self.asked.count(what) >= self.wrong[what]
        return BAD if fails else HEALTHY

    def web(self, **more: t.Any) -> dict[str, t.Any]:
        ports = {"blue": [20000, 20001], "green": [20010, 20011]}
        health = {"path": "/health", "successes": 1, "minimum": 0}
        smoke = [{"path": "/star"}, {"path": "/named"}]
        secrets = ["DATABASE_URL", "KEY"]
        web = {"image": "web:1", "port": 8080, "ports": ports, "replicas": 2, "secrets": secrets}
        return {**web, "health": health, "smoke": smoke, **more}

    def old(self, **more: t.Any) -> dict[str, t.Any]:
        about = {"platform": "shop", "environment": "test", "side": "blue", "root": self.root, "release": "r1"}
        secrets = {"DATABASE_URL": URL, "KEY": "pr0duct10n"}
        return {**about, "services": {"web": self.web()}, "secrets": secrets, **more}

    def witness(self, **more: t.Any) -> OldVersion:
        return OldVersion(COPY, self.old(**more), self.system, t.cast(t.Any, self.engine), lambda *_: self.probe)

    def tried(self, **more: t.Any) -> tuple[list[t.Any], list[t.Any]]:
        with self.witness(**more) as old:
            warmed = old.warm()
            self.asked.clear()
            return warmed, old.judge()


@pytest.fixture
def machine(tmp_path, monkeypatch):
    made = Machine(str(tmp_path))

    @contextlib.contextmanager
    def relayed(_namespace, socket_file, port):
        assert socket_file == "/tmp/s/.s.PGSQL.5432"
        made.engine.calls.append("relay")
        yield port

    monkeypatch.setattr(stand, "relayed", relayed)
    monkeypatch.setattr(stand, "inside", lambda _namespace, work: work())
    monkeypatch.setattr(stand, "_sleep", lambda _system: ({}, {"entrypoint": ["/bin/sleep"]}))
    monkeypatch.setattr(os, "chown", lambda *_words: None)
    return made


def test_a_version_that_lives_with_it_is_asked_on_warm_and_on_new_connections_and_gone_afterwards(machine):
    assert machine.tried() == ([], [])
    assert {which for which, _what in machine.asked} == {"old", "new"}
    assert machine.engine.all == {}
    assert os.listdir(f"{machine.root}/shop/test") == []


def test_the_port_of_the_copy_is_there_before_the_program_starts(machine):
    machine.tried()

    first = [call.rpartition("-")[0] for call in machine.engine.calls[:5]]
    assert [call.partition(" ")[0] for call in machine.engine.calls[:5]] == [
        "create",
        "start",
        "relay",
        "create",
        "start",
    ]
    assert "slipway-rehearsal-shop-test-web-old" in first[4]


@pytest.mark.parametrize(
    ("wrong", "wanted"),
    [
        ({("old", "star"): 1}, [("web.smoke[0] GET /star", "old")]),
        ({("old", "star"): 7}, [("web.smoke[0] GET /star", "old")]),
        (
            {("old", "named"): 1, ("new", "named"): 1},
            [("web.smoke[1] GET /named", "old"), ("web.smoke[1] GET /named", "new")],
        ),
        ({("new", "start"): 1}, [("becomes healthy", "new")]),
        ({("old", "health"): 1}, [("health check", "old")]),
    ],
)
def test_what_breaks_is_told_with_the_connections_on_which_it_does(machine, wrong, wanted):
    with machine.witness() as old:
        assert old.warm() == []
        machine.asked.clear()
        machine.wrong = wrong
        found = old.judge()

    assert [(one.kind, one.check, one.connections) for one in found] == [(BROKEN, *one) for one in wanted]


def test_a_finding_has_the_answer_and_the_last_words_and_no_secret(machine):
    with machine.witness() as old:
        old.warm()
        machine.asked.clear()
        machine.wrong = {("old", "star"): 1}
        answered = old.judge()[0].answered

    assert "answered 500" in answered
    assert "no column of ********" in answered
    assert "log of slipway-rehearsal-shop-test-web-old" in answered


def test_a_check_that_fails_before_the_migrations_says_nothing_about_them(machine):
    machine.wrong = {("old", "named"): 3, ("new", "named"): 1}

    warmed, judged = machine.tried()

    assert [(one.kind, one.check) for one in warmed] == [(UNABLE, "web.smoke[1] GET /named")]
    assert judged == []


def test_a_program_that_does_not_start_on_the_copy_proves_nothing(machine):
    machine.wrong = {("old", "start"): 1}

    warmed, judged = machine.tried()

    assert [(one.kind, one.service, one.check) for one in warmed] == [(UNABLE, "web", "becomes healthy")]
    assert (judged, machine.asked) == ([], [])


def test_an_image_that_is_not_here_is_named_with_what_to_do(machine):
    machine.engine.tags = {}

    warmed, judged = machine.tried()

    assert [one.kind for one in warmed] == [UNABLE]
    assert "web:1: is not on this machine" in warmed[0].answered
    assert "verify_host" in warmed[0].answered
    assert judged == []


def test_it_runs_from_the_image_that_the_live_release_keeps(machine):
    kept = ServiceRecord("web:1", "sha-kept", "web:kept", False, "", [])
    scope = Scope("shop", "test", f"{machine.root}/shop/test")
    SHELF.write(machine.system, scope.directory, Record("r1", 1, "1", "i", "blue", "settled", {"web": kept}))

    machine.tried()

    assert {about["image"] for about in machine.engine.made.values()} == {"sha-kept"}


def test_an_engine_that_is_not_there_is_told(machine):
    def facts():
        raise SlipwayError("cannot reach the Docker Engine", cause="engine_missing", remedy="Install it.")

    machine.engine.facts = facts

    warmed, judged = machine.tried()

    assert [(one.kind, one.service) for one in warmed] == [(UNABLE, "")]
    assert "Install it." in warmed[0].answered
    assert judged == []


def test_an_engine_that_goes_away_meanwhile_is_no_verdict(machine):
    with machine.witness() as old:
        old.warm()
        machine.engine.broken = {"sha-1": "engine_stopped"}
        found = old.judge()

    assert [one.kind for one in found] == [UNABLE]


def test_services_without_the_database_are_left_alone(machine):
    services = {"web": machine.web(), "page": machine.web(secrets=[], image="page:1")}

    assert machine.tried(services=services) == ([], [])
    assert not any("-page-" in name for name in machine.engine.made)

    warmed, _judged = machine.tried(services={"page": services["page"]})
    assert [one.kind for one in warmed] == [UNABLE]
    assert "database_secrets" in warmed[0].answered


def test_a_worker_has_to_stay_up(machine):
    worker = {"image": "web:1", "traffic": False, "command": "work", "secrets": ["DATABASE_URL"]}

    assert machine.tried(services={"worker": worker}) == ([], [])
    assert machine.asked.count(("old", "")) > 1


def test_nothing_of_production_is_in_the_container(machine):
    web = machine.web(env={"SHOP_DATABASE": URL, "MODE": "x"}, env_secrets=["TOKEN"], secrets=["DATABASE_URL", "KEY"])
    secrets = {"DATABASE_URL": URL, "KEY": "pr0duct10n", "TOKEN": "pr0duct10n"}

    machine.tried(services={"web": web}, secrets=secrets)

    assert "pr0duct10n" not in json.dumps(machine.engine.made)
    program = next(about for name, about in machine.engine.made.items() if not name.endswith("-network"))
    leads = "postgres://shop:rehearsal@127.0.0.1:5432/shop"
    assert program["environment"]["SHOP_DATABASE"] == leads
    assert program["environment"]["DATABASE_URL_FILE"] == "/run/secrets/DATABASE_URL"
    assert machine.files["DATABASE_URL"] == (leads, 0o400)
    assert machine.files["KEY"][0] not in ("", "pr0duct10n")


def test_what_somebody_has_chosen_goes_into_environment_and_files(machine):
    machine.tried(env={"MODE": "{host}", "KEY": "chosen"})

    program = next(about for name, about in machine.engine.made.items() if not name.endswith("-network"))
    assert program["environment"]["MODE"] == "127.0.0.1"
    assert "KEY" not in program["environment"]
    assert machine.files["KEY"][0] == "chosen"


def test_a_secret_that_the_site_no_longer_has_is_made_up(machine):
    assert machine.tried(secrets={"DATABASE_URL": URL}) == ([], [])
    assert re.fullmatch("[0-9a-f]{32}", machine.files["KEY"][0])


def test_nothing_of_it_is_taken_for_a_side_and_nothing_of_a_side_for_it(machine):
    machine.tried()
    labels = [about["labels"] for about in machine.engine.made.values()]

    assert all(name.startswith("slipway-rehearsal-shop-test-web-") for name in machine.engine.made)
    assert not any(name in ("slipway.platform", "slipway.side", "slipway.release") for one in labels for name in one)


def test_what_a_killed_run_left_is_removed_and_nothing_else(machine, tmp_path, request):
    left, alive = tmp_path / f"{PREFIX}left", tmp_path / f"{PREFIX}alive"  # of the first nobody has the lock
    left.mkdir()
    alive.mkdir()
    descriptor = os.open(alive, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    request.addfinalizer(lambda: os.close(descriptor))
    dead = {stand.LABEL: "shop/test", stand.DIRECTORY: str(left)}
    live = {stand.LABEL: "shop/test", stand.DIRECTORY: str(alive)}
    others = {stand.LABEL: "shop/other", stand.DIRECTORY: str(tmp_path / "gone")}
    side = {"slipway.platform": "shop", "slipway.environment": "test"}
    for name, labels in (("dead", dead), ("live", live), ("others", others), ("side", side)):
        machine.engine.create(name, "web:1", labels=labels)

    stand.clear(t.cast(t.Any, machine.engine), Scope("shop", "test", ""))

    assert sorted(item.name for item in machine.engine.all.values()) == ["live", "others", "side"]
    assert (left.exists(), alive.exists()) == (False, True)


def test_only_what_says_how_a_program_runs_is_taken_over(tmp_path):
    settings = tmp_path / "settings.ini"
    settings.touch()
    keywords = {
        "mem_limit": "64m",
        "user": "1000",
        "network": "shop",
        "privileged": True,
        "extra_hosts": {"db": "192.0.2.1"},
        "pid_mode": "host",
        "cap_add": ["NET_ADMIN"],
        "log_config": {"Type": "gelf"},
        "volumes": {"uploads": {"bind": "/uploads", "mode": "rw"}, str(settings): {"bind": "/settings.ini"}},
        "mounts": [
            {"type": "bind", "source": str(tmp_path), "target": "/run/postgresql"},
            {"Type": "tmpfs", "Target": "/tmp"},
        ],
    }

    found = stand.contained(keywords)

    assert found == {
        "mem_limit": "64m",
        "user": "1000",
        "log_config": {"Type": "json-file", "Config": {"max-size": "1m"}},
        "mounts": [
            {"Type": "tmpfs", "Target": "/tmp"},
            {"Type": "volume", "Target": "/uploads"},
            {"Type": "bind", "Source": str(settings), "Target": "/settings.ini", "ReadOnly": True},
            {"Type": "volume", "Target": "/run/postgresql"},
        ],
    }
    lists = stand.contained({"volumes": [f"{settings}:/settings.ini:ro", "/data"]})["mounts"]
    assert [(one["Type"], one["Target"]) for one in lists] == [("bind", "/settings.ini"), ("volume", "/data")]


@pytest.mark.parametrize(
    ("copy", "old", "root", "words"),
    [
        (COPY, {}, True, "nothing of the live version"),
        (COPY, {"services": {}}, True, "nothing of the live version"),
        (Copy("sqlite", "/srv/shop.db"), {"services": {"web": {}}}, True, "a file"),
        (COPY, {"services": {"web": {}}}, False, "become"),
    ],
)
def test_where_it_cannot_be_tried_it_says_so(monkeypatch, copy, old, root, words):
    monkeypatch.setattr(old_version.os, "geteuid", lambda: 0 if root else 1000)

    with witness(copy, old, FakeSystem(Fuse()), lambda *_: list) as nobody:
        found = nobody.warm()
        assert [one.kind for one in found] == [UNABLE]
        assert words in found[0].answered
        assert nobody.judge() == []
