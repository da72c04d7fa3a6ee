# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""New structures, several platforms, and everything that can be wrong with the proxy, with a real HAProxy."""

from __future__ import annotations

import os
import threading
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from tests.integration_local.places import free_port

from .apps import App, Load, get, until
from .proxies import RealHaproxy
from .routing import with_routes

GREEN = {"blue": 0, "green": 100}


def test_routes_by_host_and_longest_path(haproxy: RealHaproxy, blue: App, green: App, port: int) -> None:
    with with_routes(haproxy, blue, green, port, [("/api/admin", "admin", None)]):
        assert get(port, "/api/admin/x") == (200, "admin") and get(port, "/apix") == (404, "no route\n")


def test_a_new_host_is_added_by_a_reload_that_loses_nothing_and_is_gated(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    haproxy.switch(haproxy.params(port, [blue], [green]))
    second = App("second")
    second.health = 503
    with Load(port) as load:
        load.seen(20)
        params = haproxy.params(port, [blue, second], [green])
        assert haproxy.configure(params)["reloaded"]
        load.seen(50)
        assert second.served == 0, "not on the live side before it was seen healthy"
        second.health = 200
        assert not haproxy.switch(params)["reloaded"]
        load.seen(50)
    assert load.failures == [] and second.served > 10
    second.stop()


def test_a_removed_host_is_gone_and_the_side_stays(haproxy: RealHaproxy, blue: App, green: App, port: int) -> None:
    second = App("second")
    haproxy.switch(haproxy.params(port, [blue, second], [green]))
    result = haproxy.switch(haproxy.params(port, [blue], [green]))
    assert result["reloaded"] and {get(port)[1] for _each in range(6)} == {"blue"}
    second.stop()


def test_two_platforms_released_together_on_one_proxy(haproxy: RealHaproxy, blue: App, green: App, port: int) -> None:
    shop = haproxy.params(port, [blue], [green])
    other = App("other")
    blog = {**haproxy.params(free_port(), [other], [green]), "platform": "blog"}
    errors: list[BaseException] = []

    def release(params: dict[str, t.Any]) -> None:
        try:
            haproxy.switch(params)
            haproxy.switch({**params, "weights": GREEN})
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=release, args=(params,)) for params in (shop, blog)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    haproxy.restart()
    assert (get(port)[1], get(blog["listen"])[1]) == ("green", "green")
    haproxy.switch(shop)
    assert (get(port)[1], get(blog["listen"])[1]) == ("blue", "green")
    assert haproxy.provider("blog").observe()["live_side"] == "green"
    other.stop()


def test_a_listen_that_is_taken_is_refused_with_who_has_it(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    haproxy.switch(haproxy.params(port, [blue], [green]))
    mine = f"(process {os.getpid()})"
    cases = [(port, "platform shop in production"), (haproxy.by_hand_port, "HAProxy itself"), (blue.port, mine)]
    for taken, who in cases:
        with pytest.raises(SlipwayError) as refused:
            haproxy.switch({**haproxy.params(taken, [blue], [green]), "platform": "blog"})
        assert refused.value.cause == "listen_taken" and who in refused.value.message
    assert not haproxy.file("blog").exists() and get(port) == (200, "blue")


def test_a_configuration_that_haproxy_refuses_is_not_put_in_place(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    before, worker = haproxy.file().read_bytes(), haproxy.worker()
    haproxy.main.write_text(haproxy.main.read_text() + "nosuch directive\n")
    with pytest.raises(SlipwayError) as refused:
        haproxy.switch({**params, "routes": [{"path": "/x", "service": "backend", "host": None}]})
    assert refused.value.cause == "config_invalid" and "unknown keyword 'nosuch'" in refused.value.message
    assert (haproxy.file().read_bytes(), haproxy.worker()) == (before, worker)


def test_a_reload_that_does_not_happen_puts_the_old_file_back(
    haproxy: RealHaproxy, blue: App, green: App, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    before = haproxy.file().read_bytes()
    settings = haproxy.settings()
    monkeypatch.setattr(haproxy, "settings", lambda: {**settings, "reload_command": ["false"]})
    with pytest.raises(SlipwayError) as failed:
        haproxy.switch({**params, "routes": [{"path": "/x", "service": "backend", "host": None}]})
    assert failed.value.cause == "reload_failed" and haproxy.file().read_bytes() == before


def test_problems_are_named_each_with_a_remedy(haproxy: RealHaproxy, blue: App, green: App, port: int) -> None:
    params = haproxy.params(port, [blue], [green])

    def cause() -> str:
        problems = haproxy.provider().observe()["problems"]
        assert all(problem["remedy"] and problem["message"] for problem in problems)
        return problems[0]["cause"] if problems else ""

    haproxy.switch(params)
    assert cause() == ""
    elsewhere = haproxy.dir / "elsewhere"
    haproxy.file().rename(elsewhere)
    haproxy.reload()
    elsewhere.rename(haproxy.file())
    assert cause() == "not_loaded"
    haproxy.switch(params)
    assert cause() == "" and get(port) == (200, "blue")
    (haproxy.dir / "s.sock").unlink()
    assert cause() == "socket_missing"
    haproxy.restart()
    haproxy.stop()
    assert cause() in ("proxy_not_running", "drop_in_missing")  # another HAProxy may run on this machine
    with pytest.raises(SlipwayError):
        haproxy.switch(params)


def test_a_socket_without_admin_rights_is_a_problem(haproxy: RealHaproxy, blue: App, green: App, port: int) -> None:
    haproxy.switch(haproxy.params(port, [blue], [green]))
    shared = haproxy.config_dir / "00-slipway.cfg"
    shared.write_text(shared.read_text().replace("level admin", "level operator"))
    haproxy.reload()
    problems = haproxy.provider().observe()["problems"]
    assert [problem["cause"] for problem in problems] == ["socket_not_writable"]


def test_one_check_that_fails_does_not_move_a_healthy_side(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    """The other servers of a platform are no business of a gate that waits for one."""
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    blue.health = 503
    until(lambda: "DOWN" in haproxy.ask("show stat"), "blue down")
    haproxy.switch({**params, "weights": GREEN})
    assert get(port) == (200, "green")
