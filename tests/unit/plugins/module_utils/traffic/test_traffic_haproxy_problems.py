# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong around HAProxy, who has its port, and what it is seen to do, against a HAProxy made of a dictionary."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.traffic import haproxy_config
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.processes import Listener, Process
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.traffic.haproxy_fakes import (
    BACKEND,
    BLUE,
    World,
    traffic,
)

OURS = Process(2, 1, "haproxy", ("haproxy", "-f", "/x/haproxy.cfg"))


def test_a_port_that_the_running_proxy_has_for_this_platform_is_not_taken(world: World) -> None:
    """Killed before the reload to another port: the file says that one, the process still listens on the old one."""
    world.live(BLUE)
    world.file.write_text(world.proxy().plan(traffic(listen=81), shift=True).text_after)
    world.processes.listening = [Listener("0.0.0.0", 80, OURS)]
    assert world.run(traffic(weights=BLUE)).reload and "listen=80" in world.file.read_text()


def test_who_has_the_port_is_named(world: World) -> None:
    world.live(BLUE)
    other = traffic()._replace(platform="blog")
    text = haproxy_config.platform_text(other, {}, "/x")
    (world.file.parent / "blog-production.cfg").write_text(text)
    with pytest.raises(SlipwayError) as refused:
        world.proxy().plan(traffic(), shift=True)
    assert refused.value.cause == "listen_taken" and "platform blog in production" in refused.value.message
    (world.file.parent / "blog-production.cfg").unlink()
    world.processes.listening = [Listener("0.0.0.0", 8080, Process(7, 1, "java", ("java",)))]
    with pytest.raises(SlipwayError) as refused:
        world.proxy().plan(traffic(listen=8080), shift=True)
    assert "java (process 7)" in refused.value.message


def test_two_platforms_that_would_share_one_file_are_refused(world: World) -> None:
    world.file.parent.mkdir()
    world.file.write_text(haproxy_config.platform_text(traffic()._replace(platform="x", listen=1), {}, "/x"))
    with pytest.raises(SlipwayError) as refused:
        world.proxy().plan(traffic(), shift=True)
    assert refused.value.cause == "file_taken"


def refused_by(cause: str) -> SlipwayError:
    return SlipwayError("HAProxy's stats socket does not answer", cause=cause)


@pytest.mark.parametrize(
    ("broken", "level", "running", "cause"),
    [
        ("", "admin", "", ""),
        ("", "operator", "", "socket_not_writable"),
        ("socket_not_writable", "", "with", "socket_not_writable"),
        ("socket_missing", "", "", "proxy_not_running"),
        ("socket_refused", "", "", "proxy_not_running"),
        ("socket_missing", "", "without", "drop_in_missing"),
        ("socket_missing", "", "with", "socket_missing"),
    ],
)
def test_each_problem_has_its_cause_and_remedy(world: World, broken: str, level: str, running: str, cause: str) -> None:
    world.live(BLUE)
    world.socket.broken = refused_by(broken) if broken else None
    world.socket.level = level
    if running:
        more = ("-f", world.settings.config_dir) if running == "with" else ()
        world.processes.running = [OURS._replace(argv=(*OURS.argv, *more))]
    problems = world.proxy().observe()["problems"]
    assert [one["cause"] for one in problems] == ([cause] if cause else [])
    assert all(one["remedy"] and one["message"] for one in problems)
    with contextlib.nullcontext() if not cause else pytest.raises(SlipwayError):
        world.proxy().plan(traffic(), shift=True)


def test_a_proxy_that_runs_with_our_empty_directory_is_ready_for_its_first_platform(world: World) -> None:
    world.socket.broken = refused_by("socket_missing")
    world.socket_file.unlink()
    world.processes.running = [OURS._replace(argv=(*OURS.argv, "-f", world.settings.config_dir))]
    seen = world.proxy().observe()
    assert (seen["running"], seen["problems"], seen["live_side"]) == (True, [], None)
    assert world.proxy().plan(traffic(), shift=True).reload


def test_a_file_that_is_not_loaded_is_a_problem(world: World) -> None:
    world.live(BLUE)
    world.socket.servers_by_key.clear()
    assert [one["cause"] for one in world.proxy().observe()["problems"]] == ["not_loaded"]


def test_observe_says_weights_per_side_from_the_names_alone(world: World) -> None:
    world.live({"blue": 95, "green": 5})
    world.socket.servers_by_key["slipway_shop_staging_backend/blue_x_1"] = dict(
        world.socket.servers_by_key[f"{BACKEND}/blue_app1_1"]
    )
    seen = world.proxy().observe()
    assert seen["weights"] == {"backend": {"blue": 95, "green": 5}} and seen["live_side"] == "mixed"
    assert [(one["name"], one["side"], one["weight"], one["port"]) for one in seen["servers"]] == [
        ("blue_app1_1", "blue", 95, 20000),
        ("green_app1_1", "green", 5, 20010),
    ]
    assert seen["version"] == "2.6.12"
