# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.release.plan import decide
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.release.fleets import (
    NOW,
    config,
    fleet,
    released,
)

HOLDER = {"user": "ann", "host": "ci7", "pid": 4711, "command": "ansible-playbook deploy.yml", "since": NOW}
LEASE = {"fence": 3, "live": True, "token": 3, "release_id": "r3", "holder": HOLDER, "remaining": 12.0}


def plan(machines, goal="deploy", finished="", foreseen=None, **changes):
    return decide(goal, config(**changes), machines, now=NOW, suffix="3fa9", finished=finished, foreseen=foreseen)


def refusal(machines, goal="deploy", finished="", foreseen=None, **changes):
    with pytest.raises(SlipwayError) as caught:
        plan(machines, goal, finished, foreseen, **changes)
    return caught.value


def test_a_first_release_goes_to_blue_and_has_nothing_to_go_back_to():
    found = plan(fleet(live="", fence=0))
    assert found.action == "release"
    assert (found.target["side"], found.target["live_side"], found.target["previous"]) == ("blue", "", None)
    assert found.target["weights"] == {"blue": 100, "green": 0}
    assert found.target["weights_before"] is None
    assert found.target["token"] == 1
    assert found.target["id"] == "1.1.0-20270115T080000Z-3fa9"


def test_a_release_goes_to_the_idle_side_with_a_token_above_every_fence():
    found = plan(fleet(released(), changes={"lb1": {"fence": 9}}))
    target = found.target
    assert (target["side"], target["live_side"], target["token"]) == ("green", "blue", 10)
    assert target["weights_before"] == {"blue": 100, "green": 0}
    assert target["previous"] == {"release": "1.0.0-id", "version": "1.0.0"}
    sides = target["traffic"]["services"]["backend"]["sides"]
    assert [server["name"] for server in sides["green"]] == [
        "green_app1_1",
        "green_app1_2",
        "green_app2_1",
        "green_app2_2",
    ]
    assert "worker" not in target["traffic"]["services"]


def test_the_live_side_stays_where_it_was_released_to_when_the_configuration_moves_its_ports():
    before = released()
    moved = {"backend": {"image": "i:1", "port": 8080, "replicas": 2, "publish_from": 25000}}
    target = plan(fleet(before), slipway_services=moved).target
    sides = target["traffic"]["services"]["backend"]["sides"]
    assert sides["blue"] == before["decision"]["traffic"]["services"]["backend"]["sides"]["blue"]
    assert {server["port"] for server in sides["green"]} == {25010, 25011}


def test_what_a_release_takes_away_from_the_traffic_is_kept_for_its_revert():
    before = released()
    services = {"api": {"image": "i:1", "port": 8080}}
    routes = {"routes": [{"path": "/api", "service": "api"}]}
    target = plan(fleet(before), slipway_services=services, slipway_traffic=routes).target
    assert target["traffic_before"] == before["decision"]["traffic"]
    assert set(target["traffic"]["services"]) == {"api"}


def test_the_version_that_is_live_already_is_nothing_to_do():
    found = plan(fleet(released("1.1.0"), version="1.1.0"))
    assert (found.action, found.target) == ("nothing", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"app2": {"container__sides": {}}},
        {"lb1": {"traffic__live_side": "green"}},
        {"app1": {"container__sides__blue__release": "other-id"}},
        {"app2": {"container__sides__green": {"running": True, "services": {}}}},
    ],
    ids=["containers are gone", "a balancer is elsewhere", "another release runs", "the idle side runs too"],
)
def test_a_live_version_that_does_not_serve_as_written_is_released_again(changes):
    assert plan(fleet(released("1.1.0"), version="1.1.0", changes=changes)).action == "release"


def test_a_live_foreign_lock_is_refused_with_who_where_since_and_until():
    error = refusal(fleet(released(), changes={"app2": {"lease": LEASE}}))
    assert error.cause == "lock_held"
    for word in ("app2", "r3", "ann", "ci7", "4711", "since 2027-01-15 08:00:00", "ends in 12 s", "slipway_lock_wait"):
        assert word in error.message


def test_a_lock_whose_holder_is_gone_is_taken_over():
    gone = {**LEASE, "holder_gone": True}
    assert plan(fleet(released(), changes={"app2": {"lease": gone}})).takeover == [{"token": 3, "holder": HOLDER}]


def test_the_own_lock_of_this_very_run_is_no_foreign_one():
    """It plans anew under its lock when a machine has moved on since it was read."""
    own = {**LEASE, "own": True}
    assert plan(fleet(released(), changes={"app2": {"lease": own}})).takeover == []


STOPPED = SlipwayError("HAProxy is not running", remedy="Start it: systemctl start haproxy.").told()


def test_all_problems_are_named_at_once():
    machines = fleet(
        released(),
        changes={
            "app1": {"facts__disk": {"state": {"path": "/var/lib", "free": 2**20, "inodes_free": 0.2}}},
            "app2": None,
            "lb1": {"facts__time": {"wall": NOW - 3600}, "traffic__problems": STOPPED},
        },
    )
    message = refusal(machines).message
    for word in ("app1: disk of /var/lib: 1 MiB free", "0.2 %", "app2: cannot be read", "3600 s away", "not running"):
        assert word in message
    assert "5 reasons" in message
    assert message.count("Start it") == 1


def test_a_port_of_the_idle_side_that_somebody_else_has_is_named_with_its_holder():
    port = config()["services"]["backend"]["ports"]["green"][0]
    taken = [{"port": port, "address": "0.0.0.0", "pid": 99, "process": "python3"}]
    message = refusal(fleet(released(), changes={"app1": {"facts__ports": taken}})).message
    assert f"app1: port {port} of service backend is taken by python3 (pid 99)" in message
    assert "slipway_services.backend.publish_from" in message


def test_a_port_that_docker_has_kept_since_a_loss_of_power_is_freed_by_restarting_it():
    port = config()["services"]["backend"]["ports"]["green"][0]
    taken = [{"port": port, "address": "0.0.0.0", "pid": 143, "process": "docker-proxy"}]
    message = refusal(fleet(released(), changes={"app1": {"facts__ports": taken}})).message
    assert "systemctl restart docker" in message


MEMORY = {"available": 300 * 2**20, "total": 2**30, "containers": {"backend-1": 90 * 2**20, "backend-2": 110 * 2**20}}


def test_a_second_side_that_would_not_fit_into_the_memory_is_refused_by_what_the_live_one_holds():
    """Two replicas of what the larger one holds, and 64 MiB that must be left: 284 MiB."""
    enough, short = ({**MEMORY, "available": mebibytes * 2**20} for mebibytes in (284, 283))
    assert plan(fleet(released(), changes={"app1": {"facts__memory": enough}})).action == "release"
    message = refusal(fleet(released(), changes={"app1": {"facts__memory": short}})).message
    assert "app1: memory for a second side: 283 MiB available, wanted 284 MiB (backend 220 MiB; 64 MiB must" in message


def test_what_a_service_reserves_counts_instead_of_what_it_holds():
    backend = {"image": "shop/backend:1.1.0", "port": 8080, "replicas": 2, "container": {"mem_reservation": "1g"}}
    services = {"backend": backend}
    routes = {"routes": [{"path": "/", "service": "backend"}]}
    machines = fleet(released(), changes={"app2": {"facts__memory": MEMORY}})
    message = refusal(machines, slipway_services=services, slipway_traffic=routes).message
    assert "app2: memory for a second side: 300 MiB available, wanted 2112 MiB (backend 2048 MiB;" in message


def test_the_ports_of_our_own_live_side_are_no_problem():
    port = config()["services"]["backend"]["ports"]["blue"][0]
    ours = [{"port": port, "address": "0.0.0.0", "pid": 99, "process": "docker-proxy"}]
    assert plan(fleet(released(), changes={"app1": {"facts__ports": ours}})).action == "release"


def test_a_version_marked_bad_needs_an_explicit_override():
    bad = {config()["identity"]: {"why": "app1: status 500"}}
    machines = fleet(released(), changes={"lb1": {"journal__bad": bad}})
    assert "1.1.0: marked bad before (app1: status 500)" in refusal(machines).message
    assert plan(machines, slipway_allow_bad=True).action == "release"


def test_a_rollback_goes_to_the_release_before_with_its_own_services_and_kept_images():
    machines = fleet(released("1.0.0", "blue", 2), released("1.1.0", "green", 3), live="green", version="1.1.0")
    target = plan(machines, "rollback").target
    assert (target["version"], target["side"], target["kept_release"]) == ("1.0.0", "blue", "1.0.0-id")


def test_a_rollback_to_a_release_that_is_not_ready_names_machine_and_reason():
    gone = [{"release": "1.0.0-id", "version": "1.0.0", "ready": False, "missing": ["slipway/shop:1.0.0"]}]
    machines = fleet(
        released("1.0.0", "blue", 2),
        released("1.1.0", "green", 3),
        live="green",
        version="1.1.0",
        changes={"app2": {"container__releases": gone}},
    )
    message = refusal(machines, "rollback").message
    assert "app2: release 1.0.0-id is not ready to go back to (slipway/shop:1.0.0)" in message


def test_a_rollback_to_an_unknown_version_says_what_there_is():
    message = refusal(fleet(released()), "rollback", slipway_rollback_to="0.9").message
    assert "there is no release 0.9 to go back to; kept beside it are: none" in message


def open_release(*stages, decided=True, **about):
    facts = {"live_side": "blue", **about}
    return released("1.1.0", "green", 4, outcome="", stages=stages, decided=decided, about=facts)


def test_an_interrupted_release_without_decision_is_undone_and_no_balancer_touched():
    found = plan(fleet(released(), open_release("prepare", decided=False)), slipway_version="1.2.0")
    target = found.target
    assert (found.action, found.course) == ("finish", "undo")
    assert (target["id"], target["side"], target["live_side"]) == ("1.1.0-id", "green", "blue")
    assert target["traffic_may_have_moved"] is False
    assert target["majority"] is True


def test_an_interrupted_release_with_decision_is_finished_with_what_was_frozen():
    found = plan(fleet(released(), open_release("prepare", "decision")), slipway_version="1.2.0")
    assert found.course == "forward"
    assert found.target["version"] == "1.1.0"


def test_a_release_that_had_begun_to_settle_only_goes_on():
    machines = fleet(released(), open_release("prepare", "decision", "shift", "settle"))
    assert plan(machines).course == "settle"


def test_a_decided_release_is_undone_on_the_rest_when_a_host_is_away():
    machines = fleet(released(), open_release("prepare", "decision"), changes={"app2": None})
    found = plan(machines)
    assert found.course == "undo"
    assert found.target["machines"] == ["app1", "lb1"]


def test_neither_side_is_stopped_while_a_balancer_of_a_decided_release_is_away():
    machines = fleet(released(), open_release("prepare", "decision", "shift"), changes={"lb1": None})
    error = refusal(machines)
    assert (error.cause, error.obj) == ("balancer_away", "lb1")
    assert plan(machines, slipway_break_glass=True).course == "undo"


def test_an_inventory_without_a_machine_of_the_interrupted_release_is_refused():
    machines = fleet(released(), open_release("prepare", "decision"))
    for read in machines.reads.values():
        read["journal"]["releases"][-1]["decision"]["machines"].append("app9")
    error = refusal(machines)
    assert (error.cause, error.obj) == ("strangers", "app9")


def test_what_is_still_open_after_finishing_is_not_tried_for_ever():
    error = refusal(fleet(released(), open_release("prepare", "decision")), finished="1.1.0-id")
    assert error.cause == "still_open"


def test_a_release_that_was_overtaken_is_closed_where_it_is_open_and_nothing_else_is_done():
    """app2 was away while 1.2.0 went out, to the side on which 1.1.0 had been interrupted."""
    newer = released("1.2.0", "green", 9)
    machines = fleet(
        released(), newer, live="green", changes={"app2": {"releases": (released(), open_release("prepare"))}}
    )
    found = plan(machines)
    assert (found.course, found.target["id"], found.target["machines"]) == ("close", "1.1.0-id", ["app2"])
    assert found.target["traffic_may_have_moved"] is False


DATABASE = {"engine": "postgresql", "url": "postgresql://shop:hunter22@db/shop", "backup": {"store": {"path": "/b"}}}


def test_a_release_knows_where_its_backup_is_taken_and_not_how_to_log_in():
    target = plan(fleet(released()), slipway_database=DATABASE).target
    assert (target["backup"]["host"], target["backup"]["name"]) == ("app1", "shop-production")
    assert target["deadlines"]["backup"] > target["backup"]["in_release_max"]
    assert "hunter22" not in str(target)


def test_the_machine_that_proves_is_part_of_the_platform_and_has_a_stage_of_its_own():
    elsewhere = {**DATABASE, "backup": {**DATABASE["backup"], "host": "lb1", "verify_host": "app2"}}
    target = plan(fleet(released()), slipway_database=elsewhere).target
    assert (target["backup"]["host"], target["backup"]["verify_host"]) == ("lb1", "app2")
    assert target["deadlines"]["prove"] == target["deadlines"]["backup"] > target["deadlines"]["reach"] > 0


def test_a_rollback_waits_for_no_backup():
    releases = (released("0.9.0", token=2), released())
    assert plan(fleet(*releases), "rollback", slipway_database=DATABASE).target["backup"] is None


def test_without_backups_there_is_no_such_stage():
    target = plan(fleet(released())).target
    assert (target["backup"], target["deadlines"]["backup"]) == (None, 0.0)


DATABASE = {"engine": "postgresql", "url": "postgresql://db1/shop", "backup": {"store": {"path": "/srv/backups"}}}
RESTORE = {"slipway_database": DATABASE, "slipway_backup": "latest", "slipway_restore_over": "shop"}
# What a preview of the restore said on the machine that takes the backups.
POSSIBLE = {"stage": {"ok": True}, "backup": {"id": "B1", "taken": NOW - 7200.0}}


def test_a_restore_over_the_live_database_is_a_run_that_touches_no_side_but_the_live_one():
    found = plan(fleet(released()), "restore", foreseen=POSSIBLE, **RESTORE)
    assert found.action == "restore"
    assert found.say[0].endswith("restore B1 over shop") and "of latest, 2.0 h old" in found.say[1]
    assert found.target["restore"] == found.target["about"]["restore"] == {"id": "B1", "over": "shop"}
    assert (found.target["side"], found.target["live_side"]) == ("green", "blue")
    assert found.target["id"] == "restore-20270115T080000Z-3fa9"
    assert found.target["weights_before"] == {"blue": 100, "green": 0}


@pytest.mark.parametrize(
    "foreseen, asked, kind, until",
    [
        ({"restore_point": {"name": "slipway_1.4.2"}}, {}, "point", "slipway_1.4.2"),
        ({}, {"slipway_restore_time": "2026-11-24 03:15:00Z"}, "time", "2026-11-24 03:15:00Z"),
    ],
)
def test_a_restore_goes_as_far_as_its_preview_said_that_binary_logs_lead(foreseen, asked, kind, until):
    found = plan(fleet(released()), "restore", foreseen={**POSSIBLE, **foreseen}, **RESTORE, **asked)
    assert found.target["restore"] == {"id": "B1", "over": "shop", kind: until}
    assert found.say[1].endswith(f"2.0 h old, brought on to {until}")


def test_a_restore_that_was_cut_off_is_put_back_with_what_it_was_restoring():
    about = {"version": "restore of B1", "side": "green", "live_side": "blue", "restore": {"id": "B1", "over": "shop"}}
    left = released("restore", "green", 5, outcome="", stages=("pause",), decided=False, about=about)
    found = plan(fleet(released(), left), "deploy", slipway_database=DATABASE)
    assert (found.action, found.course) == ("finish", "undo")
    assert found.target["restore"] == {"id": "B1", "over": "shop"}


def test_a_restore_is_refused_where_a_machine_cannot_be_read_unless_it_is_left_out():
    machines = fleet(released(), changes={"app2": None})
    assert "app2: cannot be read" in refusal(machines, "restore", foreseen=POSSIBLE, **RESTORE).remedy
    found = plan(machines, "restore", foreseen=POSSIBLE, slipway_break_glass=True, **RESTORE)
    assert found.target["machines"] == ["app1", "lb1"]


def test_a_restore_that_cannot_begin_is_refused_with_all_that_is_in_its_way_before_a_service_stops():
    impossible = {"stage": {"ok": False, "message": "B9: no such backup; found 'B1'.", "cause": "missing"}}
    error = refusal(fleet(released(), changes={"app2": None}), "restore", foreseen=impossible, **RESTORE)
    assert error.cause == "refused" and len(error.evidence["problems"]) == 2
    for said in ("before anything was touched", "app2: cannot be read", "app1: B9: no such backup; found 'B1'."):
        assert said in error.message


def test_a_restore_without_the_machine_that_restores_is_refused_even_with_break_glass():
    machines = fleet(released(), changes={"app1": None})
    error = refusal(machines, "restore", slipway_break_glass=True, **RESTORE)
    assert "app1: cannot be read" in error.message and "the machine that restores" in error.message
    assert "could not be looked at" in refusal(fleet(released()), "restore", **RESTORE).message


def test_an_interrupted_release_comes_first_whatever_is_in_the_way_of_a_restore():
    left = released("1.1.0", "green", 5, outcome="", stages=("prepare",), decided=False)
    found = plan(fleet(released(), left), "restore", foreseen={"stage": {"ok": False}}, **RESTORE)
    assert (found.action, found.course) == ("finish", "undo")


def test_a_restore_is_refused_where_no_backups_are_configured():
    assert "slipway_database.backup" in refusal(fleet(released()), "restore", slipway_restore_over="shop").remedy
