# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases while customers are busy: nobody notices one."""

from __future__ import annotations

import collections
import typing as t

from tests.lab.load import SHOP, LoadRun, Result

from . import books, check
from .conftest import MakeFleet
from .fleet import Fleet
from .machines import shell
from .settings import RATE, services

ROUTES = [{"path": "/api", "service": "backend"}, {"path": "/", "service": "frontend"}]

# As many kept connections as so many customers would have (on a few, requests would only wait for each other), and
# customers who wait: two processors are all that program, database, load and release have.
CUSTOMERS = SHOP._replace(connections=max(20, RATE // 5), in_flight=10 * RATE, timeout=30.0)

Record = t.Callable[[str, object], None]


def test_no_request_is_lost_by_a_release_and_its_rollback(fleet: Fleet, record_property: Record) -> None:
    """Guarantees 1, 5 and 9, by HAProxy: pages, assets, orders, uploads, slow requests, WebSockets and streams."""
    check.succeeded(fleet.deploy("1.0.0"))
    before, old_assets = books.stats(fleet), books.assets(fleet)
    with LoadRun(fleet.url, rate=RATE, profile=CUSTOMERS) as load:
        check.succeeded(fleet.deploy("1.1.0"))
        statuses = books.asset_statuses(fleet, set(old_assets) - set(books.assets(fleet)))
        check.succeeded(fleet.rollback())
        result = load.stop()
    check.all_on(fleet, "1.0.0")
    nothing_lost(result, record_property)
    assert result.stale_idle == 0, result.causes
    assert set(result.by_version) >= {"1.0.0", "1.1.0"}
    assert statuses and all(found == {200} for found in statuses.values()), statuses
    jobs_done_once(fleet, before, result)


def test_nginx_loses_nothing_but_idle_connections(make_fleet: MakeFleet, record_property: Record) -> None:
    """Guarantee 1, by a provider that reloads: only connections that were idle are lost, and they are counted apart."""
    traffic = {"provider": "nginx", "listen": 8080, "routes": ROUTES}
    fleet = make_fleet(proxies=["lb2"], variables={"slipway_traffic": traffic, "slipway_services": services()})
    shell(fleet.lab, "lb2", "systemctl start nginx")
    check.succeeded(fleet.deploy("1.0.0"))
    before = books.stats(fleet)
    with LoadRun(fleet.url, rate=RATE, profile=CUSTOMERS) as load:
        check.succeeded(fleet.deploy("1.1.0"))
        result = load.stop()
    check.all_on(fleet, "1.1.0")
    record_property("stale_idle", result.stale_idle)
    nothing_lost(result, record_property)
    assert set(result.by_version) >= {"1.0.0", "1.1.0"}
    jobs_done_once(fleet, before, result)


def nothing_lost(result: Result, record_property: Record) -> None:
    """No request failed, and no WebSocket ended but by the program's own goodbye."""
    ends = collections.Counter((one["kind"], one["end"]) for one in result.sessions)
    record_property("requests", result.requests)
    record_property("ends", dict(ends))
    whole = result.window()
    print(f"{result.requests} requests, {result.failed} failed, {result.stale_idle} stale idle; streams ended: {ends}")
    print(f"p50 {whole.p50:.3f} s, p99 {whole.p99:.3f} s, longest gap {whole.longest_gap:.3f} s")
    assert result.failed == 0, (result.causes, result.failures[:5])
    assert {end for kind, end in ends if kind == "ws"} <= {"1001", "run_over"}, ends
    assert ends["ws", "1001"] > 0, ends


def jobs_done_once(fleet: Fleet, before: dict[str, t.Any], result: Result) -> None:
    """Every order taken during the run is one job, done once, and both versions have had their share of the work."""
    after = books.closed_books(fleet)
    assert after["orders"] - before["orders"] == result.by_kind["order"].requests
    assert after["jobs"] == after["jobs_done"] == after["orders"]
    assert after["units_sold"] == after["units_done"]
    shares = {
        version: after["done_by"].get(version, 0) - before["done_by"].get(version, 0) for version in ("1.0.0", "1.1.0")
    }
    assert all(shares.values()), shares
