# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user writes wrongly, and what a machine lacks: named, with the remedy, before anything is touched."""

from __future__ import annotations

import json
import typing as t

import pytest

from . import check
from .fleet import Fleet
from .machines import broken, shell
from .settings import services


def misspelt() -> dict[str, t.Any]:
    """A site's variables with a mistake at every level, and what is said of each."""
    return {
        "slipway_watsh": {"bake": 1},
        "slipway_watch": {"bak": 1},
        "slipway_keep": "three",
        "slipway_traffic": {
            "provider": "haproksy",
            "routes": [{"path": "/api", "service": "backend"}, {"path": "/api", "service": "frontend"}, {"pth": "/"}],
        },
        "slipway_services": services(
            backend={
                "helth": {},
                "replicas": 0,
                "health": {"path": "/health", "sucesses": 1},
                "smoke": [{"path": "/", "contain": "x"}],
                "container": {"restart_policy": {"Name": "always"}, "mem_limmit": "1g"},
            },
            frontend={"assets": {"path": "/assets", "kep": "1h"}, "secrets": ["NO_SUCH"]},
        ),
    }


SAID = [
    "slipway_watsh: unknown, did you mean slipway_watch?",
    "slipway_watch.bak: unknown, did you mean bake?",
    "slipway_keep: cannot be used",
    "slipway_traffic.provider: cannot be used",
    "Did you mean haproxy?",
    "slipway_traffic.routes[1]: the same requests as slipway_traffic.routes[0]",
    "Take one of the two out, or give it another path or host.",
    "slipway_traffic.routes[2].pth: unknown, did you mean path?",
    "slipway_services.backend.helth: unknown, did you mean health?",
    "slipway_services.backend.replicas: cannot be used; found 0 (a number)",
    "To run none of a service, take it out of slipway_services.",
    "slipway_services.backend.health.sucesses: unknown, did you mean successes?",
    "slipway_services.backend.smoke[0].contain: unknown, did you mean contains?",
    "slipway_services.backend.container.restart_policy: refused: after a reboot exactly the live side must come back",
    "slipway_services.backend.container.mem_limmit: unknown, did you mean mem_limit?",
    "slipway_services.frontend.assets.kep: unknown, did you mean keep?",
    "slipway_services.frontend.secrets[0]: there is no secret NO_SUCH",
]


def test_every_mistake_in_the_variables_is_said_at_once(live: Fleet) -> None:
    """Each by its full path, with what to write instead; no machine is contacted."""
    before, variables = live.snapshot(), dict(live.variables)
    live.write_variables(**misspelt())
    run = live.deploy("1.1.0", "-e", '{"slipway_version": 1.10}')
    live.variables = variables
    live.write_variables()
    version = 'slipway_version: cannot be used; found 1.1 (a number), wanted a text. Put it in quotes: slipway_version: "1.10"'
    check.refused(run, "nothing was done", version, *SAID)
    assert "Read journal" not in run.output, "a machine was contacted"
    check.untouched(before, live.snapshot())


def test_a_version_without_an_image_is_refused_before_anything_is_made(live: Fleet) -> None:
    """Guarantee 5: the missing image is named with its whole reference."""
    before = containers_and_images(live)
    run = live.deploy("9.9.9")
    check.refused(run, f"{live.facts['shop_registry']}/backend:9.9.9", "1.0.0 serves as before")
    assert containers_and_images(live) == before
    check.all_on(live, "1.0.0")


def test_everything_that_machines_lack_is_said_at_once(live: Fleet) -> None:
    """A port that somebody else has, a clock that is off, a disk too full, a proxy that does not run: each on its machine."""
    port = next(one for one in ports(live, "backend") if one not in listening(live, "app1"))
    live.write_inventory(hosts={"app2": {"ansible_python_interpreter": "/usr/local/bin/python3-faketime"}})
    squat = f"systemd-run --quiet --unit=squatter python3 -m http.server {port}; until ss -ltn | grep -q :{port}; do :; done"
    with (
        broken(live.lab, "app1", squat, "systemctl stop squatter"),
        broken(live.lab, "app2", "echo +2h >/etc/slipway-lab-faketime", "rm /etc/slipway-lab-faketime"),
        broken(live.lab, "lb1", "systemctl stop haproxy", "systemctl start haproxy"),
    ):
        before = live.snapshot()
        run = live.deploy("1.1.0", "-e", '{"slipway_preflight": {"min_free_disk": "900t"}}')
        after = live.snapshot()
    live.write_inventory()
    check.refused(
        run,
        "refused before anything was touched",
        f"app1: port {port} of service backend is taken by python3 (pid",
        "move the service with slipway_services.backend.publish_from",
        "app2: its clock says",
        "s away from the controller's; wanted at most 30 s. Start a time service",
        "lb1: disk of /",
        "Free some, or lower slipway_preflight.min_free_disk.",
        "HAProxy is not running",
        "Start it: systemctl start haproxy",
    )
    check.untouched(before, after)
    check.all_on(live, "1.0.0")


@pytest.mark.sample(2, of="sockets")
def test_a_user_who_may_not_talk_to_docker_or_the_proxy_is_told_so(live: Fleet) -> None:
    """Without become: the engine's and the proxy's sockets refuse, and that is said with the remedy."""
    live.write_inventory(user="deploy", variables={"ansible_become": False})
    before = live.snapshot()
    run = live.deploy("1.1.0")
    live.write_inventory()
    check.refused(run, "become: true", "app1:", "app2:", "lb1:")
    check.untouched(before, live.snapshot())


@pytest.mark.sample(2, of="sockets")
def test_a_stats_socket_that_allows_no_changes_is_named(live: Fleet) -> None:
    """A socket of the user's own at the same path, of a lower level, would let every weight be read and none be set."""
    file = "/etc/haproxy/slipway.d/00-slipway.cfg"
    edit = "sed -i 's/level {}/level {}/' {} && systemctl reload haproxy"
    lower, mend = edit.format("admin", "operator", file), edit.format("operator", "admin", file)
    with broken(live.lab, "lb1", lower, mend):
        before = live.snapshot()
        run = live.deploy("1.1.0")
        after = live.snapshot()
    check.refused(run, "the stats socket does not allow changes", "/run/haproxy/slipway.sock", "wanted 'level admin'")
    check.untouched(before, after)


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        (
            {"slipway_rollback_to": "0.0.1"},
            ["there is no release 0.0.1 to go back to", "Name one with -e slipway_rollback_to"],
        ),
        ({"slipway_rolback_to": "1.0.0"}, ["slipway_rolback_to: unknown, did you mean slipway_rollback_to?"]),
    ],
    ids=["unknown release", "misspelt"],
)
def test_a_rollback_says_what_is_wrong(live: Fleet, variable: dict[str, t.Any], words: list[str]) -> None:
    """Guarantee 9."""
    before = live.snapshot()
    check.refused(live.rollback("-e", json.dumps(variable)), *words)
    check.untouched(before, live.snapshot())


def containers_and_images(fleet: Fleet) -> dict[str, list[str]]:
    """What there is on each machine, without the state directory: an attempt that took the lock is in its journal."""
    ours = ("slipway-", "/slipway-", "slipway/", fleet.facts["shop_registry"])
    return {machine: [line for line in lines if is_of(line, ours)] for machine, lines in fleet.snapshot().items()}


def is_of(line: str, beginnings: tuple[str, ...]) -> bool:
    """Whether a line of a snapshot, or what follows its first word, begins like this."""
    return line.startswith(beginnings) or line.partition(" ")[2].startswith(beginnings)


def ports(fleet: Fleet, service: str) -> list[int]:
    """The ports of a service's first replica on both sides, out of the journal's frozen specification."""
    decision = next(record["data"]["spec"] for record in fleet.journal("app1") if record["event"] == "decision")
    return [numbers[0] for numbers in decision["services"]["app1"][service]["ports"].values()]


def listening(fleet: Fleet, machine: str) -> set[int]:
    """The TCP ports that something listens on."""
    lines = shell(fleet.lab, machine, "ss -ltnH").splitlines()
    return {int(line.split()[3].rpartition(":")[2]) for line in lines}
