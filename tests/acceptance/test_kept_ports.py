# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a loss of power Docker 20.10 may keep the ports of containers that were starting; they are freed at boot."""

from __future__ import annotations

import pytest

from . import machines
from .fleet import Fleet

pytestmark = pytest.mark.sample(6, among="journeys")

FREE = "systemctl start slipway-docker-ports"
# What the engine leaves there: a proxy for a container that is gone. It tells its parent by descriptor 3 that it is ready.
KEPT = (
    "docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 29990 -container-ip 172.17.0.250 -container-port 80 "
    ">/dev/null 2>&1 </dev/null 3>/dev/null & echo $!"
)


def test_a_port_that_no_container_publishes_restarts_the_engine_and_stops_nothing(live: Fleet) -> None:
    """The containers are the same processes afterwards, and serve."""
    engine, containers = engine_of(live), processes(live)
    assert containers
    planted = machines.shell(live.lab, "app1", KEPT).strip()
    machines.shell(live.lab, "app1", FREE)
    assert "29990. Restarting it." in machines.shell(live.lab, "app1", "journalctl --no-pager -u slipway-docker-ports")
    assert engine_of(live) != engine
    assert processes(live) == containers
    machines.shell(live.lab, "app1", f"kill {planted}")
    assert live.serving() == {"lb1": {"1.0.0"}}


def test_ports_of_containers_that_run_restart_nothing(live: Fleet) -> None:
    engine = engine_of(live)
    machines.shell(live.lab, "app1", FREE)
    assert engine_of(live) == engine


def test_without_live_restore_nothing_is_restarted(live: Fleet) -> None:
    """A restart would stop what runs."""
    settings = "/etc/docker/daemon.json"
    machines.shell(live.lab, "app1", f'sed -i.kept \'s/"live-restore": true/"live-restore": false/\' {settings}')
    try:
        machines.shell(live.lab, "app1", "systemctl reload docker")
        engine = engine_of(live)
        planted = machines.shell(live.lab, "app1", KEPT).strip()
        machines.shell(live.lab, "app1", f"{FREE}; kill {planted}")
        assert engine_of(live) == engine
    finally:
        machines.shell(live.lab, "app1", f"mv {settings}.kept {settings}; systemctl reload docker")


def engine_of(fleet: Fleet) -> str:
    """The Docker Engine's process."""
    return machines.shell(fleet.lab, "app1", "systemctl show --property=MainPID --value docker").strip()


def processes(fleet: Fleet) -> list[str]:
    """The processes of the containers that run."""
    found = machines.shell(fleet.lab, "app1", "docker inspect --format '{{.State.Pid}}' $(docker ps --quiet)")
    return sorted(found.split())
