# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop as processes of its machines, without containers: what is guaranteed is guaranteed here, too."""

from __future__ import annotations

import typing as t

import pytest

from tests.lab import Lab
from tests.lab.load import LoadRun
from tests.lab.machines import SHARED

from . import books, check, machines, process_shop
from .interruption import LIGHT, Customers, Point, await_serving, course, cut, locks
from .machines import broken, shell
from .process_shop import CODE, ProcessShop, services
from .settings import RATE
from .test_backup import database, mark, marks, sql
from .test_interruption import COURSES, points
from .test_maintenance import maintenance, working
from .test_traffic import CUSTOMERS, jobs_done_once, nothing_lost

APPS = ("app1", "app2")
VERSIONS = ("1.0.0", "1.1.0", "1.2.0", "1.2.1")
ROTATED = "{{ vault_database_url }}?application_name=rotated"

Record = t.Callable[[str, object], None]


@pytest.fixture(scope="module")
def shop(
    lab: Lab, machines: tuple[str, ...], facts: dict[str, t.Any], tmp_path_factory: pytest.TempPathFactory
) -> t.Iterator[ProcessShop]:
    """app1, app2 and lb1 with 1.0.0 live; each test leaves 1.0.0 or 1.1.0 live."""
    fresh(lab, machines)
    shop = ProcessShop(lab, tmp_path_factory.mktemp("plain"), facts=facts)
    check.succeeded(shop.deploy("1.0.0"))
    yield shop
    process_shop.clear(lab, APPS)


def fresh(lab: Lab, names: t.Sequence[str]) -> None:
    """Machines on which nothing was ever released."""
    machines.reset(lab, names)
    process_shop.prepare(lab, APPS, VERSIONS)


def of(shop: ProcessShop) -> tuple[str, str]:
    """The version that is live, and the one to release next."""
    (live,) = check.runs(shop, "app1")
    return live, "1.1.0" if live == "1.0.0" else "1.0.0"


def test_no_request_is_lost_by_a_release_and_its_rollback_without_the_code(
    shop: ProcessShop, record_property: Record
) -> None:
    """Guarantees 1, 5, 6 and 9: a second run changes nothing, and the way back needs neither the source nor a build."""
    old, new = of(shop)
    before, old_assets = books.stats(shop), books.assets(shop)
    with LoadRun(shop.url, rate=RATE, profile=CUSTOMERS) as load:
        check.succeeded(shop.deploy(new))
        again = shop.deploy(new)
        check.succeeded(again)
        assert (again.changed, f"{new} is live on" in again.said) == (0, True), again.output
        statuses = books.asset_statuses(shop, set(old_assets) - set(books.assets(shop)))
        with (
            broken(shop.lab, "app1", f"mv {CODE} {CODE}.away", f"mv {CODE}.away {CODE}"),
            broken(shop.lab, "app2", f"mv {CODE} {CODE}.away", f"mv {CODE}.away {CODE}"),
        ):
            check.succeeded(shop.rollback())
        result = load.stop()
    check.all_on(shop, old)
    nothing_lost(result, record_property)
    assert set(result.by_version) >= {old, new}
    assert statuses and all(found == {200} for found in statuses.values()), statuses
    jobs_done_once(shop, before, result)


def test_a_bad_version_is_refused_with_its_cause_and_the_live_side_is_not_touched(shop: ProcessShop) -> None:
    """Guarantees 4 and 5: its processes were never seen by a customer, and it is not tried again."""
    live, _next = of(shop)
    (side,) = check.sides(shop)["app1"]
    before = shop.runs(side)
    with Customers(shop) as customers:
        check.refused(shop.deploy("1.2.0"), "PAYMENT_URL is missing", f"{live} serves as before")
        assert customers.all_served()
    assert shop.runs(side) == before
    check.all_on(shop, live)
    untouched = shop.snapshot()
    check.refused(shop.deploy("1.2.0"), "version 1.2.0: marked bad before")
    check.untouched(untouched, shop.snapshot())


@pytest.mark.sample(4, of=" more")
def test_machines_that_have_different_code_for_one_version_are_told_apart(shop: ProcessShop) -> None:
    """Guarantee 5: under the same name app2 has another archive; no machine is blamed on the version."""
    live, new = of(shop)
    process_shop.place(shop.lab, "app2", process_shop.archive(f"{new}-other"), new)
    try:
        with Customers(shop) as customers:
            run = shop.deploy(new)
            check.refused(run, "app2: its code of service backend is archive", "but app1 has archive", "different_code")
            assert customers.all_served()
        check.all_on(shop, live)
    finally:
        process_shop.place(shop.lab, "app2", process_shop.archive(new), new)
    check.succeeded(shop.deploy(new))
    check.all_on(shop, new)


@pytest.mark.sample(4, of=" more")
def test_a_secret_alone_is_a_release(shop: ProcessShop) -> None:
    """Every process has the new value, and the one before is still there for the side that is kept."""
    live, _next = of(shop)
    (before,) = check.sides(shop)["app1"]
    shop.write_variables(slipway_secrets={"DATABASE_URL": ROTATED})
    check.succeeded(shop.deploy(live))
    (after,) = check.sides(shop)["app1"]
    assert after != before
    check.all_on(shop, live)
    kept = {side: secret(shop, side).endswith("application_name=rotated") for side in (before, after)}
    assert kept == {before: False, after: True}
    shop.write_variables(slipway_secrets={"DATABASE_URL": "{{ vault_database_url }}"})
    check.succeeded(shop.deploy(live))
    check.all_on(shop, live)


def secret(shop: ProcessShop, side: str) -> str:
    """The database's address as the processes of a side on app2 have it."""
    return shell(shop.lab, "app2", f"cat /srv/slipway/shop/production/secrets/{side}/backend/DATABASE_URL").strip()


def test_after_a_power_loss_of_all_machines_the_live_side_comes_back_and_nothing_else(shop: ProcessShop) -> None:
    """Guarantee 4, after a release and with the other side kept beside it."""
    _live, new = of(shop)
    check.succeeded(shop.deploy(new))
    sides = check.sides(shop)
    machines.each(shop.machines, shop.lab.kill)
    machines.each(shop.machines, shop.lab.start)
    await_serving(shop)
    assert check.sides(shop) == sides
    check.all_on(shop, new)


@pytest.mark.sample(1, of=" killed")
@pytest.mark.parametrize("point", points(COURSES), ids=str)
def test_killed_in_a_release(shop: ProcessShop, point: Point) -> None:
    """Guarantee 4: the next run finishes or puts back what is there, and one version is everywhere."""
    live, new = of(shop)
    with Customers(shop) as customers:
        with cut(shop, point, new):
            pass
        run = shop.deploy(new)
        check.succeeded(run)
        print(f"{point} with {live} live: {course(run.output)}, {customers.all_served()} requests, 0 failed")
    assert course(run.output) in COURSES[(point.stage, point.where)].split()
    check.all_on(shop, new)
    assert [lock for lock in locks(shop).values() if lock["lease"]] == [] or not run.changed


def once(**changes: t.Any) -> dict[str, t.Any]:
    """The services, of which the first machine builds the code for all."""
    return services(backend={"build_on": "one", **changes})


def code(shop: ProcessShop) -> dict[str, str]:
    """What each machine has of the release that was decided on, to the byte, and of its shared assets."""
    script = "cd /srv/slipway/shop/production && find current/backend/ shared -type f ! -name '*.pyc' | sort | xargs sha256sum"
    return machines.each(shop.apps, lambda machine: shell(shop.lab, machine, script))


BROKEN_STEP = {"name": "broken", "command": ["sh", "-c", "echo no table prices; exit 3"]}


@pytest.mark.sample(4, of=" more")
def test_one_machine_builds_for_all_and_a_build_that_fails_touches_no_other(shop: ProcessShop) -> None:
    """Guarantees 1, 4 and 5: app2 has neither source nor steps of its own, and gets the very same."""
    live, new = of(shop)
    steps = once()["backend"]["build"]
    shop.write_variables(slipway_services=once(build=[*steps, BROKEN_STEP]))
    untouched = shop.snapshot()["app2"]
    try:
        with Customers(shop) as customers, broken(shop.lab, "app2", f"mv {CODE} {CODE}.away", f"mv {CODE}.away {CODE}"):
            said = shop.deploy(new, "--check").said
            assert "build on app1: pack" in said and "prepare on app2: take over what app1 builds" in said, said
            check.refused(shop.deploy(new), "build_failed", "app1", "no table prices", f"{live} serves as before")
            assert [line for line in shop.snapshot()["app2"] if "/releases/" in line or "/packages" in line] == [
                line for line in untouched if "/releases/" in line or "/packages" in line
            ]
            shop.write_variables(slipway_services=once())
            check.succeeded(shop.deploy(new))
            assert customers.all_served()
        check.all_on(shop, new)
        found = code(shop)
        assert "shared/backend/assets/" in found["app2"] and found["app1"] == found["app2"]
        again = shop.deploy(new)
        assert (again.rc, again.changed) == (0, 0), again.output
    finally:
        shop.write_variables(slipway_services=services())


@pytest.mark.sample(1, of=" strategies")
@pytest.mark.parametrize(
    ("strategy", "batches"), [("rolling", [["app1"], ["app2"]]), ("recreate", [])], ids=["rolling", "recreate"]
)
def test_one_machine_builds_for_all_by_the_other_strategies(
    shop: ProcessShop, strategy: str, batches: list[list[str]]
) -> None:
    """Guarantees 1 and 5: a build that fails interrupts nobody, and where both may not run at once customers wait."""
    live, new = of(shop)
    steps = once()["backend"]["build"]
    shop.write_variables(slipway_strategy=strategy, slipway_services=once(build=[*steps, BROKEN_STEP]))
    try:
        with broken(shop.lab, "app2", f"mv {CODE} {CODE}.away", f"mv {CODE}.away {CODE}"):
            with Customers(shop) as customers:
                check.refused(shop.deploy(new), "build_failed", "app1", "no table prices", f"{live} serves as before")
                assert customers.all_served()
            shop.write_variables(slipway_closed={"hold": "60s"}, slipway_services=once())
            with Customers(shop, profile=LIGHT._replace(timeout=60.0, in_flight=5000)) as customers:
                check.succeeded(shop.deploy(new))
                assert customers.all_served()
        check.all_on(shop, new)
        report = shop.report()
        assert [batch["machines"] for batch in report["batches"]] == batches
        assert bool(report["interrupted"]) is (strategy == "recreate")
        found = code(shop)
        assert found["app1"] == found["app2"]
    finally:
        for name in ("slipway_strategy", "slipway_closed"):
            shop.variables.pop(name, None)
        shop.write_variables(slipway_services=services())


@pytest.mark.sample(1, of=" killed")
@pytest.mark.parametrize("point", [Point("build", "inside", machine="app1"), Point("build", "end")], ids=str)
def test_killed_while_one_machine_builds_for_all(shop: ProcessShop, point: Point) -> None:
    """Guarantee 4: nothing that looks whole is left, and the next run builds, or takes what is built."""
    _live, new = of(shop)
    shop.write_variables(slipway_services=once())
    try:
        with Customers(shop) as customers:
            with cut(shop, point, new):
                pass
            run = shop.deploy(new)
            check.succeeded(run)
            assert customers.all_served()
        assert course(run.output) == "undo"
        check.all_on(shop, new)
        found = code(shop)
        assert found["app1"] == found["app2"]
    finally:
        shop.write_variables(slipway_services=services())


@pytest.mark.sample(4, of=" more")
def test_workers_rest_while_the_shop_is_closed_and_those_of_a_release_behind_the_door_do_not(shop: ProcessShop) -> None:
    """Also after a power loss; who asks for the shop meanwhile gets its page."""
    live, new = of(shop)
    nobody: dict[str, set[str]] = {machine: set() for machine in shop.apps}
    check.succeeded(maintenance(shop, "on"))
    assert (working(shop), shop.get("/")[0]) == (nobody, 503)
    shop.lab.reboot("app1", power_loss=True)
    assert (working(shop), check.runs(shop, "app1")) == (nobody, {live})
    assert "workers paused for maintenance since" in maintenance(shop, "status").said
    check.succeeded(maintenance(shop, "off"))
    assert working(shop) == {machine: {live} for machine in shop.apps}
    check.succeeded(maintenance(shop, "on"))
    check.succeeded(shop.deploy(new))
    assert working(shop) == {machine: {new} for machine in shop.apps}
    check.succeeded(maintenance(shop, "off"))
    check.all_on(shop, new)


@pytest.mark.sample(4, of=" more")
def test_the_database_is_restored_while_the_processes_are_stopped(shop: ProcessShop) -> None:
    """The same processes run afterwards, started anew, and what was written since the backup is gone."""
    live, _next = of(shop)
    (side,) = check.sides(shop)["app1"]
    shop.write_variables(slipway_database=database(shop))
    try:
        sql(shop, "ALTER ROLE shop CREATEDB")
        mark(shop)
        check.succeeded(shop.play("slipway.deploy.backup"))
        backed_up, before = marks(shop), shop.runs(side)
        mark(shop)
        check.succeeded(shop.play("slipway.deploy.restore", "-e", "slipway_restore_over=shop"))
        assert marks(shop) == backed_up
        check.all_on(shop, live)
        after = shop.runs(side)
        assert all(after[machine] != lines for machine, lines in before.items())
    finally:
        shop.variables.pop("slipway_database")
        shop.write_variables()


@pytest.mark.sample(4, of=" more")
def test_a_live_platform_cannot_become_one_of_containers(shop: ProcessShop) -> None:
    """Its processes would neither be drained nor stopped: nothing is touched, and the message says what to do."""
    _live, new = of(shop)
    before = shop.snapshot()
    image = {"image": "registry.example.com/shop/backend:1", "port": 8080}
    shop.write_variables(slipway_model="container", slipway_services={"backend": image, "frontend": image})
    try:
        check.refused(shop.deploy(new), "slipway_model: it cannot be changed while a version is live", "process")
    finally:
        shop.write_variables(slipway_model="process", slipway_services=services())
    check.untouched(before, shop.snapshot())


KEEPER = """
import fcntl, os, signal, socket, sys, time
book, lock = open("{0}/lines", "a", buffering=1), open("{0}/lock", "w")
who = socket.gethostname() + " " + sys.argv[1]
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    book.write("twice " + who + "\\n")
    sys.exit(1)
def end(*_):
    book.write("end " + who + "\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
book.write("start " + who + "\\n")
while True:
    time.sleep(0.05)
"""
BOOK = f"{SHARED}/keeper"  # a lock in it holds for all machines: they have one kernel


@pytest.fixture
def kept(shop: ProcessShop) -> t.Iterator[ProcessShop]:
    """The shop with a worker of which there may be one only, and which writes down whenever there is another."""
    shell(shop.lab, "app1", f"rm -rf {BOOK}; mkdir {BOOK}; chmod 777 {BOOK}")
    for machine in APPS:
        process_shop.into(shop.lab, machine, KEEPER.format(BOOK).encode(), "cat > $1", f"{CODE}/keeper.py")
    command = ["/usr/bin/python3", f"{CODE}/keeper.py", "{{ slipway_version }}"]
    about = {"code": "backend", "user": "shop", "command": command, "unit": {"ReadWritePaths": [SHARED]}}
    shop.write_variables(slipway_services={**services(), "keeper": {**about, "singleton": True}})
    yield shop
    shop.write_variables(slipway_services=services())
    check.succeeded(shop.deploy(of(shop)[0]))


@pytest.mark.sample(1, of=" of one worker")
@pytest.mark.parametrize("power", ["", "then power is lost"])
@pytest.mark.parametrize("point", [point for point in points(COURSES) if point.stage == "decision"], ids=str)
def test_of_a_singleton_there_is_one_in_the_whole_fleet_whatever_is_cut_off(
    kept: ProcessShop, point: Point, power: str
) -> None:
    """It takes a lock that all machines have; the journal of its machine has for how long there was none."""
    live, new = of(kept)
    check.succeeded(kept.deploy(live))
    with cut(kept, point._replace(machine="app1" if point.machine else ""), new):
        pass
    if power:
        machines.each(APPS, kept.lab.kill)
        machines.each(APPS, kept.lab.start)
    check.succeeded(kept.deploy(new))
    lines = shell(kept.lab, "app1", f"cat {BOOK}/lines").splitlines()
    assert [line for line in lines if not line.startswith(("start app1 ", "end app1 "))] == []
    assert lines[-1] == f"start app1 {new}"
    there = machines.each(
        APPS, lambda machine: shell(kept.lab, machine, "pgrep -fc '[k]eeper.py'", check=False).strip()
    )
    assert there == {"app1": "1", "app2": "0"}
    notes = [record["data"] for record in kept.journal("app1") if record["event"] == "note"]
    gaps = [note["gaps"]["keeper"]["seconds"] for note in notes if note["name"] == "handed_over"]
    assert gaps and min(gaps) > 0
    check.all_on(kept, new)
