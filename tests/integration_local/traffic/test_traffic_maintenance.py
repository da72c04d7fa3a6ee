# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform that is closed for maintenance, by a real HAProxy, nginx and Caddy, and Traefik where it is asked for."""

from __future__ import annotations

import concurrent.futures
import http.client
import threading
import time
import typing as t

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.traffic.closure import PAGE_BYTES

from .apps import App, Load, get, until
from .proxies import ASKED_FOR, Proxy, RealHaproxy

pytestmark = pytest.mark.sample(12)

GREEN = {"blue": 0, "green": 100}
# All that means something to one of them, and letters of several bytes.
PAGE = "<p>Zurück um 5 Uhr: $5, ${x} {env.HOME} {$HOME} \\{ `\\` \"a\" 'b' \\ \\n # %[src] %%</p>\r\n\t<!-- ü -->\n"


class Answer(t.NamedTuple):
    """What a customer gets."""

    status: int
    headers: dict[str, str]
    body: str


def ask(port: int, path: str = "/", method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        headers = {name.title(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read().decode())
    finally:
        connection.close()


# Those that have answers of their own, and do not read a file of themselves.
ANSWERING = ["haproxy", "nginx", pytest.param("caddy", marks=pytest.mark.sample(3, of=" caddy"))]
by_those_that_answer = pytest.mark.parametrize("proxy", ANSWERING, indirect=True)


@pytest.fixture(params=[*ANSWERING, *ASKED_FOR])
def proxy(request: pytest.FixtureRequest) -> Proxy:
    found: Proxy = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def shop(proxy: Proxy, blue: App, green: App, port: int) -> dict[str, t.Any]:
    """Blue is live."""
    params = proxy.params(port, [blue], [green])
    proxy.switch(params)
    return params


@by_those_that_answer
def test_who_asks_gets_503_and_a_page_and_the_health_path_answers(
    proxy: Proxy, shop: dict[str, t.Any], blue: App, port: int
) -> None:
    served = blue.served
    result = proxy.close(page=PAGE, retry_after=30)
    assert result["changed"] and result["drain"]["empty"]
    answer = ask(port, "/anything?x=1", Accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert (answer.status, answer.body, answer.headers["Retry-After"]) == (503, PAGE, "30")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    for method in ("POST", "PUT", "HEAD"):
        assert ask(port, "/orders", method).status == 503
    answer = ask(port, "/api/orders", "POST", Accept="application/json")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
    assert answer.headers["Content-Type"].startswith("application/json") and '"retry_after": 30' in answer.body
    assert ask(port, "/health")[::2] == (200, "closed for maintenance\n")
    assert ask(port, "/health/deeper").status == 503
    assert blue.served == served
    seen = proxy.provider().observe()
    assert seen["closed"]["retry_after"] == 30 and seen["closed"]["paths"] == ["/health"]
    assert (seen["live_side"], seen["problems"]) == ("blue", [])
    opened = proxy.reopen()
    assert opened["changed"] and opened["closed_seconds"] > 0
    assert get(port) == (200, "blue")
    assert proxy.provider().observe()["closed"] is None


def test_the_same_again_changes_nothing(proxy: Proxy, shop: dict[str, t.Any], port: int) -> None:
    untouched = proxy.file().read_bytes()
    assert not proxy.reopen()["changed"]
    first = proxy.close()
    text = proxy.file().read_bytes()
    again = proxy.close()
    assert (again["changed"], again["actions"], again["reloaded"]) == (False, [], False)
    assert again["closed"]["since"] == first["closed"]["since"]
    assert proxy.file().read_bytes() == text
    other = proxy.close(retry_after=5)
    assert other["changed"] and other["closed"]["since"] == first["closed"]["since"]
    assert ask(port).headers["Retry-After"] == "5"
    proxy.reopen()
    assert proxy.file().read_bytes() == untouched, "open again, it costs nothing"


def test_check_mode_predicts_and_touches_nothing(proxy: Proxy, shop: dict[str, t.Any], port: int) -> None:
    text = proxy.file().read_bytes()
    predicted = proxy.close(check=True)
    assert predicted["changed"] and get(port) == (200, "blue") and proxy.file().read_bytes() == text
    assert predicted["actions"] == proxy.close()["actions"]
    predicted = proxy.reopen(check=True)
    assert ask(port).status == 503
    assert predicted["actions"] == proxy.reopen()["actions"]


@pytest.mark.parametrize("event", ["reload", "restart"])
def test_it_stays_closed_over_a_reload_and_a_restart(
    proxy: Proxy, shop: dict[str, t.Any], port: int, event: str
) -> None:
    since = proxy.close()["closed"]["since"]
    getattr(proxy, event)()
    until(lambda: ask(port).status == 503, "the proxy to answer")
    assert proxy.provider().observe()["closed"]["since"] == since
    proxy.reopen()
    assert get(port) == (200, "blue")


def test_a_release_leaves_it_closed_and_who_opens_it_finds_the_new_version(
    proxy: Proxy, shop: dict[str, t.Any], green: App, port: int
) -> None:
    since = proxy.close()["closed"]["since"]
    proxy.switch({**shop, "weights": GREEN})
    assert ask(port).status == 503 and green.served == 0
    another = {**shop, "routes": [*shop["routes"], {"path": "/more", "service": "backend", "host": "x.example"}]}
    proxy.configure(another)
    assert ask(port).status == 503
    seen = proxy.provider().observe()
    assert (seen["live_side"], seen["closed"]["since"]) == ("green", since)
    proxy.reopen()
    assert get(port) == (200, "green")


def test_another_platform_on_the_same_proxy_goes_on(
    proxy: Proxy, shop: dict[str, t.Any], green: App, port: int
) -> None:
    other_port = proxy.another_port()
    proxy.switch({**proxy.params(other_port, [green], []), "platform": "other"})
    with Load(other_port) as load:
        load.seen(20)
        proxy.close()
        assert ask(port).status == 503
        load.seen(20)
        proxy.reopen()
        load.seen(20)
    assert load.failures == []


def test_requests_under_way_are_finished_before_it_is_said_to_be_closed(
    proxy: Proxy, shop: dict[str, t.Any], blue: App, port: int
) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(get, port, "/slow")
        until(lambda: blue.waiting == 1, "the slow request")
        result = proxy.close(drain=0.3)
        assert not result["drain"]["empty"] and len(result["drain"]["remaining"]) >= 1
        assert ask(port).status == 503
        proxy.reopen()
        closing = pool.submit(proxy.close, drain=20.0)
        until(lambda: ask(port).status == 503, "the platform to be closed")
        assert not closing.done(), "one that began before is under way still"
        blue.release.set()
        assert slow.result() == (200, "blue")
        done = closing.result()
    assert done["drain"]["empty"] is True


@by_those_that_answer
def test_a_file_that_a_killed_run_has_left_unloaded_is_loaded(proxy: Proxy, shop: dict[str, t.Any], port: int) -> None:
    opened = proxy.file().read_bytes()
    proxy.close()
    closed = proxy.file().read_bytes()
    proxy.reopen()
    proxy.file().write_bytes(closed)  # killed between the file and the reload
    assert get(port) == (200, "blue")
    assert proxy.close()["changed"]
    assert ask(port).status == 503
    proxy.file().write_bytes(opened)  # the same while it was opened
    proxy.reopen()
    assert get(port) == (200, "blue")
    proxy.file().write_bytes(closed)
    proxy.switch(shop)
    assert ask(port).status == 503, "a release does not open what was to be closed"


@by_those_that_answer
def test_a_proxy_that_does_not_take_it_is_as_open_as_before(
    proxy: Proxy, shop: dict[str, t.Any], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = proxy.file().read_bytes()
    command, cause = proxy.fails_by
    settings = {**proxy.settings(), command: ["false"]}
    with monkeypatch.context() as patched:
        patched.setattr(proxy, "settings", lambda: settings)
        with pytest.raises(SlipwayError) as refused:
            proxy.close()
    assert refused.value.cause == cause
    assert proxy.file().read_bytes() == text
    assert get(port) == (200, "blue")


def test_what_was_never_released_cannot_be_closed(proxy: Proxy) -> None:
    with pytest.raises(SlipwayError) as refused:
        proxy.close()
    assert refused.value.cause == "structure_unknown"


@by_those_that_answer
def test_the_longest_page_is_sent_whole(proxy: Proxy, shop: dict[str, t.Any], port: int) -> None:
    for letter in ("$", "'", "ü", "x"):
        page = letter * (PAGE_BYTES // len(letter.encode()))
        proxy.close(page=page)
        assert ask(port).body == page, letter


# --- holding requests


def test_requests_that_are_held_are_all_answered_when_it_is_opened(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    """Also those that were under way, over connections that are kept; and the version is another one then."""
    params = haproxy.params(port, [blue], [green])
    haproxy.switch(params)
    with Load(port, connections=8) as load:
        load.seen(50)
        haproxy.close(hold=60)
        count = len(load.answers)
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            held = [pool.submit(get, port, f"/{number}") for number in range(40)]
            until(lambda: held_now(haproxy) >= 48, "all requests to be held")
            assert len(load.answers) <= count + 8  # those that were under way
            haproxy.switch({**params, "weights": GREEN})
            haproxy.reload()
            assert not any(one.done() for one in held)
            assert haproxy.reopen()["closed_seconds"] > 0
            assert {one.result() for one in held} == {(200, "green")}
        load.seen(50)
    assert load.failures == []
    assert load.answers[-1] == (200, "green")
    assert "entrance" not in haproxy.file().read_text() and haproxy.file().read_text().count("    bind ") == 1


def held_now(haproxy: RealHaproxy) -> int:
    """Requests in the backend that holds them, of the process that answers the socket."""
    rows = [line.split(",") for line in haproxy.ask("show stat").splitlines()]
    return sum(int(row[4]) for row in rows if row[0] == "slipway:held:shop:production" and row[1] == "BACKEND")


def test_after_its_limit_a_request_that_was_held_gets_503(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    haproxy.switch(haproxy.params(port, [blue], [green]))
    haproxy.close(hold=1, page=PAGE, retry_after=7)
    begun = time.monotonic()
    answer = ask(port)
    assert time.monotonic() - begun >= 0.9
    assert (answer.status, answer.body, answer.headers["Retry-After"]) == (503, PAGE, "7")
    assert ask(port, "/health").status == 200
    assert blue.served == 0
    haproxy.reopen()
    assert get(port) == (200, "blue")


def test_a_run_that_was_killed_while_it_let_requests_in_is_finished(
    haproxy: RealHaproxy, blue: App, green: App, port: int
) -> None:
    haproxy.switch(haproxy.params(port, [blue], [green]))
    haproxy.close(hold=30)
    provider = haproxy.provider()
    held = threading.Thread(target=ask, args=(port,))
    held.start()
    until(lambda: held_now(haproxy) == 1, "the request to be held")
    in_force = provider.in_force()
    assert in_force is not None
    provider.shift(provider.plan(in_force._replace(closure=None, entrance=True), shift=False))
    held.join(10)
    assert not held.is_alive()
    assert haproxy.provider().observe()["closed"] is None
    assert haproxy.reopen()["changed"]
    assert haproxy.file().read_text().count("    bind ") == 1
    assert not haproxy.reopen()["changed"]


@pytest.mark.parametrize("kind", ["nginx", "caddy", *ASKED_FOR])
def test_the_others_say_that_they_cannot_hold(
    request: pytest.FixtureRequest, kind: str, blue: App, green: App, port: int
) -> None:
    proxy: Proxy = request.getfixturevalue(kind)
    proxy.switch(proxy.params(port, [blue], [green]))
    with pytest.raises(SlipwayError) as refused:
        proxy.close(hold=5)
    assert refused.value.cause == "cannot_hold"
    assert get(port) == (200, "blue")
