# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.config.findings import ConfigError
from ansible_collections.slipway.deploy.plugins.module_utils.config.option import Unreadable
from ansible_collections.slipway.deploy.plugins.module_utils.config.validate import validate
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.config.sites import (
    SECRET,
    config,
    inventory,
    problems,
    site,
)

WORKER = "services__worker"
BACKEND = "services__backend"


def test_the_site_of_the_design_is_right_and_says_nothing():
    found = config()
    assert (found["warnings"], found["notes"]) == ([], [])


def test_defaults_are_filled_in_and_durations_are_seconds():
    found = config()
    frontend, worker = found["services"]["frontend"], found["services"]["worker"]
    assert frontend["health"] == {
        "kind": "http",
        "path": "/",
        "status": [200],
        "successes": 3,
        "minimum": 2.0,
        "interval": 0.5,
        "timeout": 2.0,
        "deadline": 60.0,
    }
    assert frontend["assets"]["keep"] == 7200.0
    assert (frontend["traffic"], worker["traffic"], worker["replicas"]) == (True, False, 1)
    assert "health" not in worker and "ports" not in worker
    assert found["watch"] == {"bake": 10.0, "interval": 0.5, "max_error_ratio": 0.02, "min_requests": 50}
    assert (found["keep"], found["gate"], found["lock_wait"], found["drain"]) == (3, 30.0, 0.0, {"deadline": 10.0})
    assert found["preflight"] == {"min_free_disk": 2**30, "min_free_memory": 2**26, "max_clock_skew": 30.0}
    assert found["state_root"] == "/var/lib/slipway"


def test_a_service_has_only_the_words_that_the_model_knows():
    known = "assets command container env env_secrets health image port ports pull replicas"
    known += " secrets smoke stop_grace traffic"
    for service in config()["services"].values():
        assert set(service) <= set(known.split())


# (what is changed, what the one problem must say)
MISTAKES = [
    ({"adopt": {"backend": ["10.0.0.1:65536"]}}, 'slipway_adopt.backend[0]: cannot be used; found "10.0.0.1:65536"'),
    # names
    ({"keeep": 5}, "slipway_keeep: unknown, did you mean slipway_keep?"),
    ({"zzzzzz": 5}, "slipway_zzzzzz: unknown. Every name that begins with slipway_"),
    ({f"{BACKEND}__helth": {}}, "slipway_services.backend.helth: unknown, did you mean health?"),
    ({f"{BACKEND}__timeout": 3}, "slipway_services.backend.timeout: unknown, did you mean health.timeout?"),
    ({f"{BACKEND}__mem_limit": "1g"}, "slipway_services.backend.mem_limit: unknown, did you mean container.mem_limit?"),
    ({f"{BACKEND}__health__pth": "/"}, "slipway_services.backend.health.pth: unknown, did you mean path?"),
    ({f"{BACKEND}__container__mem-limit": 1}, "container.mem-limit: unknown, did you mean mem_limit?"),
    (
        {"traffic__routes": [{"servce": "backend", "service": "backend"}]},
        "slipway_traffic.routes[0].servce: unknown, did you",
    ),
    ({"watch": {"xyz": 1}}, "slipway_watch.xyz: unknown. Known here: bake, interval, max_error_ratio, min_requests."),
    ({f"{BACKEND}__smoke": [{"path": "/", "statuses": 1}]}, "backend.smoke[0].statuses: unknown, did you mean status?"),
    # required
    ({"platform": None}, "slipway_platform: missing."),
    ({"environment": None}, "slipway_environment: missing. A second name for the same machines would be a second lock"),
    ({"version": None}, "slipway_version: missing."),
    ({"services": None, "traffic": None}, "slipway_services: missing."),
    (
        {"services": {}, "traffic": None},
        "slipway_services: cannot be used; found a dictionary, wanted at least one entry.",
    ),
    ({f"{BACKEND}__image": None}, "slipway_services.backend.image: missing."),
    # version
    ({"version": 1.1}, "slipway_version: cannot be used; found 1.1 (a number), wanted a text. Put it in quotes"),
    ({"version": 12}, "found 12 (a number), wanted a text. Put it in quotes"),
    (
        {"version": "1.0 beta"},
        'slipway_version: cannot be used; found "1.0 beta", wanted what can be the tag of an image',
    ),
    # names and forms
    ({"platform": "Shop"}, 'slipway_platform: cannot be used; found "Shop", wanted a small letter'),
    ({"environment": "p" * 32}, "slipway_environment: cannot be used"),
    ({"services__Bad_Name": {"image": "a"}}, "slipway_services.Bad_Name: the name cannot be used"),
    ({f"{BACKEND}__image": "Registry/Shop:1"}, "slipway_services.backend.image: cannot be used"),
    ({f"{BACKEND}__image": ""}, "slipway_services.backend.image: cannot be used"),
    ({f"{BACKEND}__env__1BAD": "x"}, "slipway_services.backend.env.1BAD: the name cannot be used"),
    ({f"{BACKEND}__env": {"A": None}}, "slipway_services.backend.env.A: has no value"),
    ({f"{BACKEND}__health__path": "health"}, "health.path: cannot be used"),
    ({f"{BACKEND}__health__headers": {"X": "a\nb"}}, "health.headers.X: cannot be used"),
    # kinds and limits
    (
        {f"{BACKEND}__replicas": 0},
        "found 0 (a number), wanted a whole number from 1 to 9. To run none of a service, take it",
    ),
    ({f"{BACKEND}__replicas": 10}, "wanted a whole number from 1 to 9."),
    ({f"{BACKEND}__port": 70000}, "slipway_services.backend.port: cannot be used"),
    ({f"{BACKEND}__health__deadline": "soon"}, 'found "soon", wanted a duration'),
    (
        {f"{BACKEND}__smoke": {"path": "/"}},
        "slipway_services.backend.smoke: cannot be used; found a dictionary, wanted a list.",
    ),
    (
        {BACKEND: "image:1", "traffic": None},
        'slipway_services.backend: cannot be used; found "image:1", wanted a dictionary.',
    ),
    ({"keep": 0}, "slipway_keep: cannot be used; found 0 (a number), wanted a whole number from 1 to 100."),
    ({"allow_bad": "maybe"}, 'slipway_allow_bad: cannot be used; found "maybe", wanted true or false.'),
    (
        {"watch": {"max_error_ratio": 2}},
        "slipway_watch.max_error_ratio: cannot be used; found 2 (a number), wanted a number from 0",
    ),
    ({"preflight": {"min_free_disk": "big"}}, "slipway_preflight.min_free_disk: cannot be used"),
    ({"model": "compose"}, "wanted container or process (compose is not available yet)."),
    ({"strategy": "canary"}, "wanted blue_green or rolling or recreate (canary is not available yet)."),
    ({"traffic__provider": "haprxy"}, "wanted haproxy or nginx or caddy or traefik. Did you mean haproxy?"),
    (
        {"traffic__provider": "kubernetes"},
        "wanted haproxy or nginx or caddy or traefik (kubernetes is not available yet).",
    ),
    ({f"{BACKEND}__pull": "sometimes"}, "wanted missing or always or never."),
    # health
    ({f"{BACKEND}__health": {"kind": "tcp", "path": "/"}}, "health.path: has no effect with kind: tcp."),
    ({f"{BACKEND}__health": {"kind": "command"}}, "health.command: missing."),
    ({f"{BACKEND}__health": {"command": "true"}}, "health.command: has no effect with kind: http."),
    ({f"{BACKEND}__health": {"minimum": 60}}, "health.deadline: no version could ever be healthy by then"),
    ({f"{BACKEND}__health": {"successes": 100, "deadline": 30}}, "wanted more than 49.5 s"),
    ({f"{BACKEND}__health": {"host": "a.b", "headers": {"HOST": "c"}}}, "health.host: written twice."),
    ({f"{BACKEND}__health": {"status": [200, 204, 200]}}, "health.status[2]: written twice"),
    # workers
    ({f"{WORKER}__health": {"path": "/"}}, "slipway_services.worker.health: a worker is not started before"),
    ({f"{WORKER}__smoke": [{"path": "/"}]}, "slipway_services.worker.smoke: a worker answers no requests."),
    ({f"{WORKER}__assets": {"path": "/a"}}, "slipway_services.worker.assets: a worker serves no files."),
    ({f"{WORKER}__publish_from": 20000}, "slipway_services.worker.publish_from: nothing is published without a port."),
    ({f"{WORKER}__traffic": True}, "slipway_services.worker.port: missing; wanted the port"),
    # container
    (
        {f"{BACKEND}__container__restart_policy": {"Name": "always"}},
        "refused: after a reboot exactly the live side must come",
    ),
    ({f"{BACKEND}__container__name": "x"}, "slipway_services.backend.container.name: refused"),
    ({f"{BACKEND}__container__labels": {}}, "slipway_services.backend.container.labels: refused"),
    ({f"{BACKEND}__container__ports": {}}, "slipway_services.backend.container.ports: refused"),
    ({f"{BACKEND}__container__detach": True}, "slipway_services.backend.container.detach: refused"),
    ({f"{BACKEND}__container__auto_remove": True}, "slipway_services.backend.container.auto_remove: refused"),
    ({f"{BACKEND}__container__network_mode": "host"}, "container.network_mode: refused: blue and green run beside"),
    ({f"{BACKEND}__restart_policy": "always"}, "slipway_services.backend.restart_policy: refused: after a reboot"),
    # secrets
    (
        {f"{BACKEND}__secrets": ["DATABSE_URL"]},
        "secrets[0]: there is no secret DATABSE_URL, did you mean DATABASE_URL?",
    ),
    ({f"{BACKEND}__env_secrets": ["OTHER"]}, "env_secrets[0]: there is no secret OTHER. Add OTHER to slipway_secrets."),
    ({f"{BACKEND}__secrets": ["DATABASE_URL", "DATABASE_URL"]}, "secrets[1]: written twice"),
    ({"secrets__DATABASE_URL": 123456}, "found a number (not shown), wanted a text. Put it in quotes."),
    ({"secrets__DATABASE_URL": ""}, "slipway_secrets.DATABASE_URL: cannot be used; found a text (not shown)"),
    (
        {f"{BACKEND}__env__DB": f"{SECRET}?x=1"},
        "env.DB: contains the value of the secret DATABASE_URL, and everybody can",
    ),
    (
        {f"{BACKEND}__command": ["run", "--password=planted-secret-1"]},
        "command[1]: contains the value of the secret in slipway",
    ),
    (
        {f"{BACKEND}__env__DATABASE_URL_FILE": "x"},
        "env.DATABASE_URL_FILE: set twice: secrets sets DATABASE_URL_FILE too.",
    ),
    # traffic
    (
        {"traffic__routes": [{"service": "bakend"}]},
        "routes[0].service: there is no service bakend, did you mean backend?",
    ),
    ({"traffic__routes": [{"service": "qqq"}]}, "there is no service qqq. Known are frontend, backend, worker."),
    ({"traffic__routes": [{"service": "worker"}]}, "slipway_traffic.routes[0].service: worker takes no traffic."),
    ({"traffic__routes": [{"path": "/"}]}, "slipway_traffic.routes[0].service: missing."),
    (
        {"traffic__routes": [{"path": "/api", "service": "backend"}, {"path": "/api/", "service": "frontend"}]},
        "slipway_traffic.routes[1]: the same requests as slipway_traffic.routes[0]; found /api twice",
    ),
    (
        {"traffic__routes": [{"host": "A.example", "service": "backend"}, {"host": "a.example", "service": "backend"}]},
        "slipway_traffic.routes[1]: the same requests as slipway_traffic.routes[0]; found a.example/ twice",
    ),
    ({"traffic__routes": None}, "slipway_traffic.routes: missing, and several services have traffic."),
    ({"traffic__bind": "eth0:80"}, "slipway_traffic.bind: cannot be used"),
    # sequence
    ({"watch": {"bake": 1, "interval": 5}}, "slipway_watch.interval: longer than the whole watch"),
    ({"database": {"engine": "oracle", "url": "x"}}, "slipway_database.engine: cannot be used"),
]


@pytest.mark.parametrize("changes, said", MISTAKES, ids=[said[:60] for _changes, said in MISTAKES])
def test_each_mistake_is_one_problem_with_its_path_and_a_remedy(changes, said):
    found = problems(site(**changes))
    assert len(found) == 1, found
    assert said in found[0]


def test_all_problems_are_reported_at_once_and_numbered():
    with pytest.raises(ConfigError) as refused:
        config(site(version=1.1, keeep=1, services__backend__replicas=0))
    assert refused.value.message.startswith("The configuration has 3 problems; nothing was done:\n  1. slipway_keeep: ")
    assert "\n  2. slipway_version: " in refused.value.message
    assert "\n  3. slipway_services.backend.replicas: " in refused.value.message


def test_a_null_is_the_same_as_nothing_written():
    variables = site()
    variables.update(slipway_watch=None, slipway_keep=None)
    variables["slipway_services"]["worker"]["health"] = None
    assert config(variables) == config()


def test_text_from_the_command_line_is_understood():
    found = config(site(allow_bad="true", keep="5", watch={"bake": "0"}, services__backend__port="8080"))
    assert (found["allow_bad"], found["keep"], found["watch"]["bake"]) == (True, 5, 0.0)
    assert found["services"]["backend"]["port"] == 8080


def test_a_command_on_one_line_is_the_same_as_a_list():
    assert config(site(services__worker__command="python -m shop.worker"))["identity"] == config()["identity"]


def test_the_host_of_a_health_check_becomes_a_header():
    found = config(site(services__backend__health={"host": "shop.example.com"}))
    assert found["services"]["backend"]["health"]["headers"] == {"Host": "shop.example.com"}


def test_one_service_with_traffic_needs_no_routes():
    variables = site(services__frontend=None, traffic__routes=None)
    assert config(variables)["traffic"]["routes"] == [{"path": "/", "service": "backend"}]


def test_balancers_without_a_traffic_section_get_the_defaults():
    found = config(site(services__frontend=None, traffic=None))["traffic"]
    assert found == {"provider": "haproxy", "listen": 80, "bind": "*", "routes": [{"path": "/", "service": "backend"}]}


def test_somebody_elses_balancer_is_allowed_and_said():
    found = config(site(traffic=None), inventory(proxies=""))
    assert found["traffic"] is None and found["proxies"] == []
    assert found["notes"] == [
        "No balancer of this platform is in slipway_proxy and slipway_traffic is not set: no traffic is shifted here."
    ]


def test_a_platform_of_workers_shifts_nothing():
    found = config(site(services__frontend=None, services__backend=None, traffic=None))
    assert found["traffic"] is None and found["machines"]["lb1"]["parts"] == []
    assert found["notes"] == ["No service has traffic: the machines of slipway_proxy shift nothing."]


def test_traffic_without_balancers_is_refused():
    assert problems(site(), inventory(proxies="")) == [
        "group slipway_proxy: is empty, so nothing would shift the traffic. Put the balancers into slipway_proxy; or"
        " take slipway_traffic out, when the balancer is somebody else's."
    ]


@pytest.mark.parametrize(
    "changes, said",
    [
        (
            {"traffic__routes": [{"service": "backend"}]},
            "slipway_services.frontend: it has traffic, but no route of slipway_traffic reaches it.",
        ),
        (
            {"services__worker__image": "shop/backend"},
            "slipway_services.worker.image: shop/backend has no fixed version",
        ),
        ({"services__worker__image": "host:5000/shop:latest"}, "host:5000/shop:latest has no fixed version"),
        ({"services__backend__publish_from": 40000}, "Linux gives ports from 32768 up to outgoing connections"),
    ],
)
def test_what_may_be_a_mistake_is_a_warning(changes, said):
    (warning,) = config(site(**changes))["warnings"]
    assert said in warning


def test_a_digest_is_a_fixed_version():
    assert config(site(services__worker__image="shop/backend@sha256:" + "a" * 64))["warnings"] == []


def test_an_ordinary_word_may_be_a_secret_and_stand_elsewhere():
    assert config(site(secrets__MODE="production", services__backend__env__APP_ENV="production"))


def test_no_secret_is_in_the_result():
    assert "planted-secret" not in json.dumps(config())
    assert config()["database"] == {"engine": "postgresql", "url": "postgresql://shop:********@db/shop"}
    assert config(site(database__url="host=db password=planted-secret-1"))["database"]["url"] == "********"


@pytest.mark.parametrize("where", ["keep", "platform", "services__backend__replicas", "services__backend__image"])
@pytest.mark.parametrize("secret", [SECRET, "planted-secret-1 " * 20, "planted \"secret' \\ 1"])
def test_a_secret_written_in_a_wrong_place_is_not_shown(where, secret):
    changes = {"secrets__DATABASE_URL": secret, where: f"x{secret}"}
    message = "\n".join(problems(site(**changes)))
    assert "planted" not in message and "********" in message


def test_a_value_that_cannot_be_read_is_one_problem_at_its_place():
    broken = Unreadable("its template cannot be evaluated: 'x' is undefined", "Define it.")
    assert problems(site(services__backend__env={"A": broken})) == [
        "slipway_services.backend.env.A: its template cannot be evaluated: 'x' is undefined. Define it."
    ]


def test_without_a_version_there_is_no_identity():
    found = config(site(version=None), version_required=False)
    assert (found["version"], found["identity"]) == (None, None)


def test_what_is_validated_is_not_changed():
    variables, machines = site(), inventory()
    validate(variables, machines)
    assert variables == site() and machines == inventory()
