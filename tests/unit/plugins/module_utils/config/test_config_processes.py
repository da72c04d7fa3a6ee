# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site whose services are processes of the machines."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config import schema_process
from ansible_collections.slipway.deploy.plugins.module_utils.process import factory
from ansible_collections.slipway.deploy.plugins.module_utils.process.options import SERVICE_KEYS, parse_services
from ansible_collections.slipway.deploy.plugins.module_utils.process.source import Place
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import PROCESS_DEPLOY
from ansible_collections.slipway.deploy.plugins.module_utils.system import System
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.config import sites

GIT = {"kind": "git", "repository": "git@git.example.com:shop.git", "tag": "v1.4.2", "key": "DEPLOY_KEY"}
STEP = {"name": "packages", "command": ["pip", "install", "."]}
SITE = {
    "model": "process",
    "services": {
        "backend": {
            "source": GIT,
            "build": [STEP],
            "user": "shop",
            "command": [".venv/bin/run", "--port", "${PORT}"],
            "port": 8080,
            "replicas": 2,
            "shared": {"directories": "uploads"},
            "secrets": ["DATABASE_URL"],
            "unit": {"MemoryMax": "512M"},
        },
        "worker": {"code": "backend", "user": "shop", "command": "python3 -m shop.worker"},
    },
    "secrets": {"DATABASE_URL": sites.SECRET, "DEPLOY_KEY": "what-opens-the-repository-1"},
    "traffic": None,
}


def site(**changes):
    return sites.site(**{**copy.deepcopy(SITE), **changes})


def test_what_is_written_is_what_the_module_takes_and_no_more():
    found = sites.config(site())
    assert found["process"] == {"manager": "systemd", "code_root": "/srv/slipway"}
    assert set(found["process"]) <= set(PROCESS_DEPLOY.options)
    for service in found["services"].values():
        assert set(service) <= set(SERVICE_KEYS)
    backend, worker = parse_services(found["services"], "green")
    assert (backend.source, backend.build[0].timeout, backend.start_limit) == (GIT, 600.0, 60.0)
    assert (backend.shared_directories, backend.notify) == (["uploads"], False)
    assert (worker.code, worker.traffic, worker.command) == ("backend", False, ["python3", "-m", "shop.worker"])


def test_each_machine_is_told_what_its_services_need_there():
    found = sites.config(site())["machines"]
    assert (found["app1"]["programs"], found["app1"]["users"]) == (["git"], ["shop"])
    assert (found["lb1"]["programs"], found["lb1"]["users"]) == ([], [])
    package = {"kind": "wheel", "package": "shop==1.2", "installer": "uv"}
    assert sites.config(site(services__backend__source=package))["machines"]["app1"]["programs"] == ["uv"]


def test_a_key_is_no_secret_of_the_program_and_a_new_one_no_release():
    one, other = sites.config(site()), sites.config(site(secrets__DEPLOY_KEY="another-that-opens-it-2"))
    assert one["secrets"] == ["DATABASE_URL"]
    assert one["identity"] == other["identity"]


@pytest.mark.parametrize(
    "changes",
    [
        {"services__backend__source__tag": "v1.4.3"},
        {"services__backend__build": [STEP, STEP]},
        {"services__backend__unit__MemoryMax": "1G"},
        {"services__backend__user": "other"},
        {"process": {"code_root": "/opt/slipway"}},
    ],
)
def test_what_changes_the_code_or_the_process_is_a_release(changes):
    assert sites.config(site())["identity"] != sites.config(site(**changes))["identity"]


@pytest.mark.parametrize(
    "changes",
    [
        {"services__backend__source__known_hosts": "git.example.com ssh-ed25519 AAAA"},
        {"services__backend__build": [{**STEP, "timeout": "1h", "name": "all"}]},
        {"services__backend__start_limit": "5m"},
    ],
)
def test_what_changes_neither_is_none(changes):
    assert sites.config(site())["identity"] == sites.config(site(**changes))["identity"]


def test_containers_are_identified_as_before_there_were_processes():
    view = sites.config(sites.site())
    assert view["process"] is None
    assert view["configuration_hash"] == "a282e7758236682ea0e07d6fb09382d2d105efe5aaf51575c01967d029412f19"


APP = {"kind": "directory", "path": "app"}


def test_what_the_controller_s_files_are_is_a_part_of_the_identity_and_goes_to_the_machines():
    def add(content):
        return lambda services: services["backend"]["source"].update(content=content, **{"from": "controller"})

    given = site(services__backend__source=APP)
    one, same, other = (sites.config(given, add_contents=add(content)) for content in ("1", "1", "2"))
    assert one["services"]["backend"]["source"] == {**APP, "content": "1", "from": "controller"}
    assert one["identity"] == same["identity"] != other["identity"]


ARCHIVE = {"kind": "archive", "url": "https://example.com/shop.tar.gz", "checksum": f"sha256:{'0' * 64}"}
S = "services__backend"
MISTAKES = [
    (
        {f"{S}__image": "shop:1"},
        "slipway_services.backend.image: is for slipway_model: container; found slipway_model: process. Take it out, or set",
    ),
    ({f"{S}__assets": {"path": "/x"}}, "slipway_services.backend.assets: is for slipway_model: container"),
    ({f"{S}__container": {}}, "slipway_services.backend.container: is for slipway_model: container"),
    ({f"{S}__pull": "always"}, "slipway_services.backend.pull: is for slipway_model: container"),
    ({f"{S}__notfy": True}, "slipway_services.backend.notfy: unknown, did you mean notify?"),
    ({f"{S}__source__repo": "x"}, "slipway_services.backend.source.repo: unknown"),
    ({f"{S}__source__tga": "x"}, "slipway_services.backend.source.tga: unknown, did you mean tag?"),
    ({"process": {"manger": "systemd"}}, "slipway_process.manger: unknown, did you mean manager?"),
    ({"process": {"manager": "upstart"}}, "slipway_process.manager: cannot be used"),
    ({"process": {"code_root": "srv"}}, "slipway_process.code_root: cannot be used"),
    ({f"{S}__source": None}, "slipway_services.backend.source: missing. Say where the code comes from"),
    ({f"{S}__command": None}, "slipway_services.backend.command: missing. Say which program to run"),
    ({f"{S}__code": "worker"}, "slipway_services.backend.code: cannot be together with source"),
    ({"services__worker__code": "bakend"}, "code: there is no service bakend with a source, did you mean backend?"),
    ({"services__worker__build": [STEP]}, "slipway_services.worker.code: it runs the code of backend as it is"),
    ({f"{S}__source": {"kind": "svn"}}, "slipway_services.backend.source.kind: cannot be used"),
    ({f"{S}__source": {"kind": "directory"}}, "slipway_services.backend.source.path: missing"),
    (
        {f"{S}__source": {"kind": "directory", "path": "a", "from": "machine"}},
        "slipway_services.backend.source.path: not absolute. Begin it with a slash",
    ),
    ({f"{S}__source": {**APP, "from": "host"}}, "slipway_services.backend.source.from: cannot be used"),
    ({f"{S}__source": {**APP, "exclude": ["/"]}}, "slipway_services.backend.source.exclude"),
    ({f"{S}__source": {**APP, "strip": 1}}, "source.strip: is for kind: archive. Take it out"),
    ({f"{S}__source": {"kind": "wheel"}}, "slipway_services.backend.source.path: one of path and package"),
    ({f"{S}__source": {"kind": "npm", "path": "a.tgz", "package": "a@1.2.0"}}, "one of path and package"),
    (
        {f"{S}__source": {"kind": "wheel", "package": "a==1"}, f"{S}__user": None, f"{S}__build": None},
        "slipway_services.backend.user: missing. Name the user who installs the code and owns it",
    ),
    ({f"{S}__source__path": "/srv/x"}, "source.path: is for kind: archive or directory or npm or wheel. Take it out"),
    ({f"{S}__source": {**ARCHIVE, "path": "/x"}}, "slipway_services.backend.source.path: one of path and url"),
    ({f"{S}__source": {"kind": "archive", "url": ARCHIVE["url"]}}, "source.checksum: missing"),
    (
        {f"{S}__source": {**ARCHIVE, "url": "https://me:pass@example.com/x"}},
        "source.url: has a password in it. Journals hold it",
    ),
    ({f"{S}__source__repository": None}, "slipway_services.backend.source.repository: missing"),
    ({f"{S}__source__repository": "https://me:pass@x/y"}, "source.repository: has a password in it"),
    ({f"{S}__source__tag": None}, "slipway_services.backend.source.tag: one of tag, branch and commit"),
    ({f"{S}__source__branch": "main"}, "slipway_services.backend.source.tag: one of tag, branch and commit"),
    ({f"{S}__source__commit": "2b66fd2"}, "slipway_services.backend.source.commit: cannot be used"),
    ({f"{S}__source__key": "DEPLOY_KEZ"}, "source.key: there is no secret DEPLOY_KEZ, did you mean DEPLOY_KEY?"),
    ({f"{S}__user": None}, "slipway_services.backend.user: value refused; found nothing, wanted a user, because build"),
    ({f"{S}__unit": {"Restart": "no"}}, "slipway_services.backend.unit.Restart: this directive cannot be set"),
    ({f"{S}__unit": {"memory_max": 1}}, "slipway_services.backend.unit.memory_max: value refused; found 1"),
    ({f"{S}__unit": {"a b": 1}}, "slipway_services.backend.unit.a b: the name cannot be used"),
    ({"process": {"manager": "supervisor"}}, "slipway_services.backend.unit.MemoryMax: this directive cannot be set"),
    ({"process": {"manager": "pm2"}}, "slipway_services.backend.unit.MemoryMax: this directive cannot be set"),
    (
        {"process": {"manager": "pm2"}, f"{S}__unit": {"exec_mode": "cluster"}},
        "slipway_services.backend.command: only a program",
    ),
    (
        {"process": {"manager": "supervisor"}, f"{S}__unit": None, f"{S}__notify": True},
        "slipway_services.backend.notify: Supervisor hears of no readiness",
    ),
    ({f"{S}__env": {"PORT": "1"}}, "slipway_services.backend.env.PORT: set twice"),
    ({f"{S}__command": ["x", "${HOST}"]}, "slipway_services.backend.command: value refused"),
    ({f"{S}__shared": {"directories": ["/var/x"]}}, "shared.directories[0]: cannot be used"),
    ({f"{S}__shared": {"files": ["a/../../x"]}}, "shared.files[0]: cannot be used"),
    ({f"{S}__build": [{"name": "x"}]}, "slipway_services.backend.build[0].command: missing"),
    ({f"{S}__start_limit": 0}, "slipway_services.backend.start_limit: cannot be used"),
    (
        {"migrations": {"tool": "sql", "run_in": "container", "service": "backend"}},
        "slipway_migrations.run_in: needs the image",
    ),
]


@pytest.mark.parametrize("changes, said", MISTAKES, ids=[said[:70] for _changes, said in MISTAKES])
def test_each_mistake_is_one_problem_with_its_path_and_a_remedy(changes, said):
    found = sites.problems(site(**changes))
    assert len(found) == 1, found
    assert said in found[0]


@pytest.mark.parametrize(
    "option, value",
    [("source", GIT), ("code", "backend"), ("user", "x"), ("notify", True), ("start_limit", 5), ("unit", {"A": 1})],
)
def test_what_only_processes_have_is_refused_for_containers(option, value):
    found = sites.problems(sites.site(**{f"{S}__{option}": value}))
    assert found == [
        f"slipway_services.backend.{option}: is for slipway_model: process; found slipway_model: container. Take it out, or"
        " set slipway_model: process."
    ]


def test_the_section_of_processes_is_refused_for_containers():
    (said,) = sites.problems(sites.site(process={"manager": "systemd"}))
    assert said.startswith("slipway_process: is for slipway_model: process")


def test_a_misspelt_model_is_the_only_problem_of_options_that_belong_to_one():
    assert len(sites.problems(site(model="proces"))) == len(sites.problems(sites.site(model="proces"))) == 1


def test_the_code_of_another_service_must_be_on_the_same_machines():
    machines = sites.inventory(apps="app1 app2", jobs="app2", web="app1")
    found = sites.problems(site(services__worker__hosts="jobs", services__backend__hosts="web"), machines)
    assert found == [
        "slipway_services.worker.code: backend and its code are not on app2. Place both in the same group with hosts, or give"
        " worker a source of its own."
    ]


def test_a_branch_is_warned_of_because_a_new_commit_in_it_is_no_release():
    branch = {"kind": "git", "repository": "https://git.example.com/shop", "branch": "main"}
    assert any("source.branch: a branch is wherever" in text for text in warned(branch))
    assert not warned({**branch, "commit": "2b66fd261ee5c6cfc8de7fa466bab600bcfe4f69"})


def warned(source):
    return [text for text in sites.config(site(services__backend__source=source))["warnings"] if "source" in text]


def test_the_schema_knows_every_kind_of_source_with_all_its_keys():
    place = Place(System(), "/nowhere", {}, 1.0)
    made = {kind: factory.make_source({"kind": kind}, "x", place) for kind in factory.SOURCES}
    handed = {kind: {"from"} if source.packed else set() for kind, source in made.items()}
    assert {kind: {*source.keys, *handed[kind]} for kind, source in made.items()} == {
        kind: set(keys) for kind, keys in schema_process.SOURCE_KEYS.items()
    }


def test_who_builds_is_said_where_the_code_is_and_is_no_part_of_what_runs():
    services = copy.deepcopy(SITE["services"])
    services["backend"]["build_on"] = "one"
    found = sites.config(site(services=services))
    assert found["identity"] == sites.config(site())["identity"]
    assert parse_services(found["services"], "green")[0].build_on == "one"
    services["worker"]["build_on"] = "one"
    assert any(
        "worker.code: it runs the code of backend as it is" in one for one in sites.problems(site(services=services))
    )


def test_both_sides_of_a_service_that_is_reloaded_have_one_port():
    found = sites.config(site(services__backend__strategy="reload", services__backend__socket=True))
    ports = found["services"]["backend"]["ports"]
    assert ports["blue"] == ports["green"] and len(ports["blue"]) == 2
    assert found["machines"]["app1"]["ports"] == ports["blue"]
    (backend, _worker) = parse_services(found["services"], "green")
    assert (backend.role, backend.socket, backend.ahead) == ("in_place", True, False)


@pytest.mark.parametrize(("name", "value", "what"), [("socket", True, "port"), ("strategy", "reload", "traffic")])
def test_what_has_no_port_has_nothing_to_hold_or_hand_over(name, value, what):
    (said,) = sites.problems(site(**{f"services__worker__{name}": value}))
    assert f"slipway_services.worker.{name}: it has no {what}. Take it out" in said
