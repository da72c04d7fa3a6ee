# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving traffic with a real nginx."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

from .apps import App, get, until, websocket
from .proxies import RealNginx
from .routing import HOST, with_routes

GREEN = {"blue": 0, "green": 100}
BLUE = {"blue": 100, "green": 0}


def test_a_drain_waits_for_the_slow_request_and_reports_a_websocket(
    nginx: RealNginx, blue: App, green: App, port: int
) -> None:
    params = nginx.params(port, [blue], [green])
    nginx.switch(params)
    slow: list[tuple[int, str]] = []
    client = threading.Thread(target=lambda: slow.append(get(port, "/slow")))
    client.start()
    until(lambda: blue.waiting == 1, "the slow request to arrive")
    threading.Timer(0.5, blue.release.set).start()
    result = nginx.switch({**params, "weights": GREEN}, drain=10.0)
    client.join()
    assert result["drain"]["empty"] and slow == [(200, "blue")]
    stream = websocket(port)
    result = nginx.switch({**params, "weights": BLUE}, drain=0.3)
    assert not result["drain"]["empty"] and len(result["drain"]["remaining"]) == 1
    stream.close()


def test_routes_by_host_and_path(nginx: RealNginx, blue: App, green: App, port: int) -> None:
    """A route with the host goes before each without one, also before one with a longer path."""
    with with_routes(nginx, blue, green, port, [("/x", "backend", "part.example.com"), ("/x/y", "api", None)]):
        part = {"Host": "part.example.com"}
        assert get(port, "/x/y") == (200, "api") and get(port, "/x/y", **HOST) == (200, "blue")
        assert get(port, "/x/y", **part) == get(port, "/x", **part) == (200, "blue")
        assert get(port, "/api", **part) == (200, "api") and get(port, "/other", **part)[0] == 404


def test_a_configuration_that_nginx_refuses_is_not_left_in_place(
    nginx: RealNginx, blue: App, green: App, port: int
) -> None:
    params = nginx.params(port, [blue], [green])
    nginx.switch(params)
    before = nginx.file().read_bytes()
    (nginx.dir / "conf.d" / "by-hand.conf").write_text("no such directive;\n")
    with pytest.raises(SlipwayError) as refused:
        nginx.switch({**params, "weights": GREEN})
    assert (
        refused.value.cause == "config_invalid"
        and "no" in refused.value.message
        and nginx.file().read_bytes() == before
    )
    assert get(port) == (200, "blue")


def test_a_reload_that_keeps_the_old_configuration_is_found_out(
    nginx: RealNginx, blue: App, green: App, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = nginx.params(port, [blue], [green])
    nginx.switch(params)
    settings = nginx.settings()
    monkeypatch.setattr(nginx, "settings", lambda: {**settings, "reload_command": ["true"]})
    monkeypatch.setattr("ansible_collections.slipway.deploy.plugins.module_utils.traffic.nginx.RELOAD_SECONDS", 0.3)
    with pytest.raises(SlipwayError) as failed:
        nginx.switch({**params, "weights": GREEN})
    assert failed.value.cause == "reload_failed" and nginx.provider().observe()["live_side"] == "blue"
    assert nginx.provider().observe()["problems"] == []


def test_nginx_not_running_is_a_problem_with_a_remedy(nginx: RealNginx, blue: App, green: App, port: int) -> None:
    nginx.stop()
    problems = nginx.provider().observe()["problems"]
    assert [problem["cause"] for problem in problems] == ["proxy_not_running"] and problems[0]["remedy"]
    with pytest.raises(SlipwayError) as refused:
        nginx.switch(nginx.params(port, [blue], [green]))
    assert refused.value.cause == "proxy_not_running"
