# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving traffic with a real HAProxy."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.switch import SwitchError, Watch

from tests.integration_local.places import free_port

from .apps import App, Load, get, until, websocket
from .proxies import RealHaproxy

GREEN = {"blue": 0, "green": 100}
BLUE = {"blue": 100, "green": 0}


def test_a_first_release_goes_live_and_the_hand_written_part_stays(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    by_hand = haproxy.main.read_bytes()
    seen = haproxy.provider().observe()
    assert (seen["running"], seen["problems"], seen["live_side"]) == (True, [], None)
    result = haproxy.switch(haproxy.params(port, [blue], [green]))
    assert result["changed"] and result["reloaded"]
    assert get(port) == (200, "blue")
    assert haproxy.provider().observe()["live_side"] == "blue"
    assert haproxy.main.read_bytes() == by_hand
    assert haproxy.answers_by_hand()


def test_the_same_again_changes_nothing_and_sends_nothing(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    worker, file = haproxy.worker(), haproxy.file().stat().st_mtime_ns
    result = haproxy.switch(params)
    assert (result["changed"], result["actions"], result["switched_ms"]) == (False, [], None)
    assert (haproxy.worker(), haproxy.file().stat().st_mtime_ns) == (worker, file)


def test_check_mode_predicts_and_touches_nothing(haproxy: RealHaproxy, blue: App, green: App, port: int) -> None:
    params = haproxy.params(port, [blue], [green])
    predicted = haproxy.switch(params, check=True)
    assert predicted["changed"] and not list(haproxy.config_dir.iterdir()) and not haproxy.root.exists()
    assert predicted["actions"] == haproxy.switch(params)["actions"]
    predicted = haproxy.switch({**params, "weights": GREEN}, check=True)
    assert predicted["weights"] == {"backend": GREEN} and get(port) == (200, "blue")
    assert predicted["actions"] == haproxy.switch({**params, "weights": GREEN})["actions"]


def test_a_shift_under_load_loses_no_request_and_is_quick(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    with Load(port) as load:
        load.seen(100)
        times = []
        for weights in (GREEN, BLUE, {"blue": 50, "green": 50}, GREEN):
            result = haproxy.switch({**params, "weights": weights}, drain=5.0)
            times.append(result["switched_ms"])
            assert not result["reloaded"]
            load.seen(100)
    print(f"switched_ms {times}, {len(load.answers)} requests")
    assert load.failures == [] and load.closed == 0
    assert {name for _status, name in load.answers} == {"blue", "green"}
    assert load.answers[-1] == (200, "green")
    assert result["drain"]["empty"]


@pytest.mark.parametrize(("share", "wanted"), [(5, 10), (50, 100), (25, 50)])
def test_weights_are_exact_also_when_the_sides_have_different_numbers_of_servers(
    haproxy: RealHaproxy, blue: App, green: App, port: int, share: int, wanted: int
) -> None:
    more = App("green")
    params = haproxy.params(port, [blue], [green, more])
    haproxy.switch(params)
    haproxy.switch({**params, "weights": {"blue": 100 - share, "green": share}})
    answers = [get(port)[1] for _each in range(200)]
    assert abs(answers.count("green") - wanted) <= 1
    assert haproxy.provider().observe()["weights"] == {"backend": {"blue": 100 - share, "green": share}}
    assert haproxy.provider().observe()["live_side"] == "mixed"
    more.stop()


def test_an_unready_side_gets_no_traffic(haproxy: RealHaproxy, blue: App, green: App, port: int) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    green.health = 503
    with Load(port) as load:
        until(lambda: "DOWN" in haproxy.ask("show stat"), "HAProxy to see green ill")
        with pytest.raises(SlipwayError) as refused:
            haproxy.switch({**params, "weights": GREEN}, gate=0.5)
        load.seen(50)
    assert refused.value.cause == "gate"
    assert "green_app1_1" in refused.value.message and "DOWN" in refused.value.message
    assert load.failures == [] and green.served == 0


def test_a_health_check_that_is_slow_to_pass_is_waited_for(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    params = haproxy.params(port, [blue], [green])
    green.health = 503
    haproxy.switch(params)
    threading.Timer(0.6, setattr, (green, "health", 200)).start()
    with Load(port) as load:
        haproxy.switch({**params, "weights": GREEN})
        load.seen(50)
    assert load.failures == [] and load.answers[-1] == (200, "green")


def test_a_new_address_of_the_idle_side_is_believed_only_after_a_check_of_its_own(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    until(lambda: haproxy.ask("show stat").count("L7OK") == 2, "both checked")
    haproxy.grown_up()
    params["services"]["backend"]["sides"]["green"][0]["port"] = free_port()
    with pytest.raises(SlipwayError) as refused:
        haproxy.switch({**params, "weights": GREEN}, gate=0.6)
    assert refused.value.cause == "gate"
    other = App("other green", params["services"]["backend"]["sides"]["green"][0]["port"])
    result = haproxy.switch({**params, "weights": GREEN})
    assert not result["reloaded"] and get(port) == (200, "other green")
    haproxy.restart()
    assert get(port) == (200, "other green")
    other.stop()


def test_a_server_with_traffic_keeps_its_address(haproxy: RealHaproxy, blue: App, green: App, port: int) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    params["services"]["backend"]["sides"]["blue"][0]["port"] = free_port()
    result = haproxy.switch(params)
    assert not result["changed"] and "keeps" in result["actions"][0] and get(port) == (200, "blue")


def test_a_drain_waits_for_the_slow_request(haproxy: RealHaproxy, blue: App, green: App, port: int) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    slow: list[tuple[int, str]] = []
    client = threading.Thread(target=lambda: slow.append(get(port, "/slow")))
    client.start()
    until(lambda: blue.waiting == 1, "the slow request to arrive")
    haproxy.after_shift(blue.release.set)
    result = haproxy.switch({**params, "weights": GREEN}, drain=10.0)
    client.join()
    assert result["drain"]["empty"] and result["drain"]["remaining"] == {} and slow == [(200, "blue")]


def test_a_websocket_that_stays_is_reported_and_is_no_error(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    stream = websocket(port)
    result = haproxy.switch({**params, "weights": GREEN}, drain=0.3)
    assert result["drain"] == {
        "empty": False,
        "seconds": None,
        "remaining": {"slipway_shop_production_backend/blue_app1_1": 1},
    }
    stream.close()


def test_a_drain_after_a_reload_counts_the_retired_worker(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    stream = websocket(port)
    haproxy.reload()
    result = haproxy.switch({**params, "weights": GREEN}, drain=0.3)
    assert [name.rsplit(" ", 1)[0] for name in result["drain"]["remaining"]] == ["retired worker"]
    stream.close()


def test_a_watch_that_sees_500s_takes_the_traffic_back(haproxy: RealHaproxy, blue: App, green: App, port: int) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    green.status = 500
    with Load(port) as load:
        load.seen(50)
        with pytest.raises(SwitchError) as failed:
            haproxy.switch({**params, "weights": GREEN}, watch=Watch(10.0, 0.05, 0.02, 20, True), drain=1.0)
    with Load(port) as load:  # a request that was begun before may have met green
        load.seen(50)
    result = failed.value.result()
    assert result["error"]["cause"] == result["watch"]["cause"] == "watch_errors"
    assert result["reverted"] and result["weights"] == {"backend": BLUE} and "config" not in result
    assert load.failures == [] and load.answers[-1] == (200, "blue")
    haproxy.restart()
    assert get(port) == (200, "blue")


def test_a_watch_that_sees_the_new_side_down_takes_the_traffic_back(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    haproxy.after_shift(lambda: setattr(green, "health", 503))
    with pytest.raises(SwitchError) as failed:
        haproxy.switch({**params, "weights": GREEN}, watch=Watch(10.0, 0.05, 0.02, 20, True))
    assert failed.value.cause == "watch_down" and failed.value.result()["reverted"]
    assert get(port) == (200, "blue")


def test_a_watch_does_not_go_back_to_a_side_that_is_ill_too(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)

    def both_ill() -> None:
        blue.health = green.health = 503

    haproxy.after_shift(both_ill)
    with pytest.raises(SwitchError) as failed:
        haproxy.switch({**params, "weights": GREEN}, watch=Watch(10.0, 2.0, 0.02, 20, True))
    result = failed.value.result()
    assert failed.value.cause == "watch_down"
    assert not result["reverted"] and "not reverted" in result["actions"][-1]


def test_a_healthy_side_passes_the_watch_and_is_counted(haproxy: RealHaproxy, blue: App, green: App, port: int) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    with Load(port):
        result = haproxy.switch({**params, "weights": GREEN}, watch=Watch(0.5, 0.1, 0.02, 20, True), drain=5.0)
    assert result["watch"]["ok"] and result["watch"]["judged"] and result["watch"]["requests"] > 20
    assert result["watch"]["errors"] == 0 and result["drain"]["empty"]


def test_somebody_else_changing_the_weights_is_noticed(haproxy: RealHaproxy, blue: App, green: App, port: int) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    order = "set server slipway_shop_production_backend/green_app1_1 weight 7"
    haproxy.after_shift(lambda: haproxy.ask(order))
    with pytest.raises(SwitchError) as failed:
        haproxy.switch({**params, "weights": GREEN}, watch=Watch(5.0, 0.05, 0.02, 20, False))
    assert failed.value.cause in ("watch_weights",) and not failed.value.result()["reverted"]


def test_a_server_in_maintenance_is_made_ready_and_checked_first(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    haproxy.grown_up()
    haproxy.ask("set server slipway_shop_production_backend/green_app1_1 state maint")
    green.health = 503
    with pytest.raises(SlipwayError) as refused:
        haproxy.switch({**params, "weights": GREEN}, gate=0.6)
    assert refused.value.cause == "gate" and green.served == 0
    green.health = 200
    haproxy.switch({**params, "weights": GREEN})
    assert get(port) == (200, "green")
