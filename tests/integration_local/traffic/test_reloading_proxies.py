# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving traffic with proxies that read a file of ours: a real nginx, a real Caddy, and a real Traefik where it is asked for."""

from __future__ import annotations

import threading
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.factory import provider
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.options import build_traffic
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch import SwitchError, Watch, switch

from .apps import App, Load, get, until
from .crashing import Crash, Crashing
from .proxies import ASKED_FOR, Proxy

pytestmark = pytest.mark.sample(9)

GREEN = {"blue": 0, "green": 100}
BLUE = {"blue": 100, "green": 0}


@pytest.fixture(params=["nginx", "caddy", *ASKED_FOR])
def proxy(request: pytest.FixtureRequest) -> Proxy:
    return t.cast(Proxy, request.getfixturevalue(request.param))


def test_a_release_goes_live_and_the_same_again_changes_nothing(proxy: Proxy, blue: App, green: App, port: int) -> None:
    by_hand = proxy.main.read_bytes()
    params = proxy.params(port, [blue], [green])
    assert proxy.switch(params)["changed"] and get(port) == (200, "blue")
    result = proxy.switch({**params, "weights": GREEN}, drain=5.0)
    assert result["reloaded"] == (proxy.kind != "caddy") and result["switched_ms"] > 0
    assert result["drain"]["empty"] and get(port) == (200, "green")
    result = proxy.switch({**params, "weights": GREEN})
    assert (result["changed"], result["actions"], result["reloaded"]) == (False, [], False)
    seen = proxy.provider().observe()
    assert (seen["running"], seen["problems"], seen["live_side"]) == (True, [], "green") and seen["notices"]
    assert proxy.main.read_bytes() == by_hand


def test_a_shift_under_load_fails_no_request_but_closes_idle_connections(
    proxy: Proxy, blue: App, green: App, port: int
) -> None:
    params = proxy.params(port, [blue], [green])
    proxy.switch(params)
    with Load(port) as load:
        load.seen(50)
        proxy.switch({**params, "weights": GREEN}, drain=5.0)
        load.seen(50)
    assert all(status == 200 for status, _name in load.answers) and load.answers[-1] == (200, "green")
    assert load.failures == []


def test_weights_split_the_traffic(proxy: Proxy, blue: App, green: App, port: int) -> None:
    proxy.switch({**proxy.params(port, [blue], [green]), "weights": {"blue": 50, "green": 50}})
    answers = [get(port)[1] for _each in range(100)]
    assert {"blue", "green"} == set(answers)
    assert proxy.provider().observe()["weights"] == {"backend": {"blue": 50, "green": 50}}


def test_an_unready_side_gets_no_traffic(proxy: Proxy, blue: App, green: App, port: int) -> None:
    params = proxy.params(port, [blue], [green])
    proxy.switch(params)
    green.health = 503
    with pytest.raises(SlipwayError) as refused:
        proxy.switch({**params, "weights": GREEN}, gate=0.3)
    assert refused.value.cause == "gate" and "503" in refused.value.message and green.served == 0


def test_a_watch_that_sees_500s_takes_the_traffic_back(proxy: Proxy, blue: App, green: App, port: int) -> None:
    params = proxy.params(port, [blue], [green])
    proxy.switch(params)
    green.status = 500
    with Load(port), pytest.raises(SwitchError) as failed:
        proxy.switch({**params, "weights": GREEN}, watch=Watch(10.0, 0.05, 0.02, 20, True))
    assert failed.value.cause == "watch_errors" and failed.value.result()["reverted"]
    assert get(port) == (200, "blue")


def test_a_file_with_many_servers_and_a_secret_is_loaded_and_nobody_elses_to_read(
    proxy: Proxy, blue: App, green: App, port: int
) -> None:
    params = proxy.params(port, [blue], [green] * 60)
    params["services"]["backend"]["health"]["headers"] = {"X-Token": "hunter2"}
    proxy.switch(params)
    assert get(port) == (200, "blue") and len(proxy.file().read_text().split("specification: ")) > 2
    assert proxy.file().stat().st_mode & 0o007 == 0


def test_check_mode_predicts_and_touches_nothing(proxy: Proxy, blue: App, green: App, port: int) -> None:
    params = proxy.params(port, [blue], [green])
    predicted = proxy.switch(params, check=True)
    assert predicted["changed"] and not proxy.file().exists() and not proxy.root.exists()
    assert predicted["actions"] == proxy.switch(params)["actions"]
    text = proxy.file().read_bytes()
    predicted = proxy.switch({**params, "weights": GREEN}, check=True)
    assert (
        predicted["weights"] == {"backend": GREEN} and get(port) == (200, "blue") and proxy.file().read_bytes() == text
    )
    result = proxy.switch({**params, "weights": GREEN})
    assert {key: result[key] for key in predicted} == predicted
    assert predicted["config"]["after"] == proxy.file().read_text()


def test_a_drain_waits_for_the_slow_request(proxy: Proxy, blue: App, green: App, port: int) -> None:
    params = proxy.params(port, [blue], [green])
    proxy.switch(params)
    slow: list[tuple[int, str]] = []
    client = threading.Thread(target=lambda: slow.append(get(port, "/slow")))
    client.start()
    until(lambda: blue.waiting == 1, "the slow request to arrive")
    result = proxy.switch({**params, "weights": GREEN}, drain=0.3)
    assert not result["drain"]["empty"] and len(result["drain"]["remaining"]) == 1
    assert get(port) == (200, "green")
    back = threading.Timer(0.3, blue.release.set)
    back.start()
    result = proxy.switch({**params, "weights": BLUE}, drain=10.0)
    client.join()
    assert slow == [(200, "blue")]


def test_a_crash_at_any_write_leaves_one_of_the_two_sides_live(proxy: Proxy, blue: App, green: App, port: int) -> None:
    params = proxy.params(port, [blue], [green])
    proxy.switch(params)
    served, after = [], 0
    while True:
        traffic = build_traffic({**params, "weights": GREEN})
        system = Crashing(after)
        crashing = provider(proxy.kind, system, platform="shop", environment="production", settings=proxy.settings())
        try:
            switch(crashing, system, traffic, gate=5.0, watch=None, drain=None, check=False)
        except Crash:
            proxy.restart()
            served.append(get(port))
            proxy.switch(params)  # the next run finishes without hand work
            assert get(port) == (200, "blue")
            after += 1
        else:
            break
    assert set(served) == {(200, "blue"), (200, "green")}, "before and after the file was in place"
