# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three machines, three controllers, and everything that goes wrong between them, in random order."""

from __future__ import annotations

import os
import shutil
import tempfile

from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.state import journal as journal_engine
from ansible_collections.slipway.deploy.plugins.module_utils.state.lease import ReleaseToken
from ansible_collections.slipway.deploy.plugins.module_utils.state.machine import MARGIN, Machine
from ansible_collections.slipway.deploy.plugins.module_utils.state.step import BETWEEN
from ansible_collections.slipway.deploy.tests.unit.plugins.module_utils.state.crash import ManualSystem
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

MACHINES = st.integers(0, 2)
CONTROLLERS = st.integers(0, 2)
LEASE = 60.0


class Controller:
    """A run: what it read, and the machines that it believes it holds."""

    def __init__(self, number):
        self.number = number
        self.runs = 0
        self.start()

    def start(self):
        self.runs += 1
        self.token = 0
        self.granted = set()

    @property
    def release(self):
        holder = {"host": f"ctl{self.number}", "pid": 100 + self.runs, "pid_start": "1", "boot_id": "c"}
        return ReleaseToken(f"r{self.number}-{self.runs}", self.token, holder)


class Fleet(RuleBasedStateMachine):
    """The model: per machine the highest token granted, and who may count on its lease until when (its own clock)."""

    def __init__(self):
        super().__init__()
        self.root = tempfile.mkdtemp()
        self.reserve = journal_engine.RESERVE_BYTES
        journal_engine.RESERVE_BYTES = 16
        self.systems = [ManualSystem() for _machine in range(3)]
        self.machines = [
            Machine(system, root=os.path.join(self.root, str(number)), platform="p", environment="e")
            for number, system in enumerate(self.systems)
        ]
        self.controllers = [Controller(number) for number in range(3)]
        self.fence = [0, 0, 0]
        self.owner = [None, None, None]  # (controller number, run, token)
        self.left = [0.0, 0.0, 0.0]  # seconds for which that owner is protected, at least

    def teardown(self):
        journal_engine.RESERVE_BYTES = self.reserve
        shutil.rmtree(self.root)

    # What controllers do

    @rule(who=CONTROLLERS, away=st.sets(MACHINES, max_size=1))
    def read(self, who, away):
        views = [machine.read() for number, machine in enumerate(self.machines) if number not in away]
        self.controllers[who].start()
        self.controllers[who].token = max(view.lock.fence for view in views) + 1

    @rule(who=CONTROLLERS, where=MACHINES)
    def grant(self, who, where):
        controller = self.controllers[who]
        if not controller.token:
            return
        me = (who, controller.runs, controller.token)
        try:
            self.machines[where].grant(controller.release, LEASE)
        except SlipwayError as error:
            assert error.cause in ("lock_held", "fence_conflict")
            assert self.left[where] > 0 or controller.token <= self.fence[where], "refused without a reason"
            return
        assert self.owner[where] in (me, None) or self.left[where] <= 0, "somebody's live lease was given away"
        assert controller.token > self.fence[where] or self.owner[where] == me
        controller.granted.add(where)
        self.own(where, me, LEASE)

    @rule(who=CONTROLLERS, where=MACHINES, stage=st.sampled_from(["prepare", "shift", "settle", "revert"]))
    def act(self, who, where, stage):
        controller = self.controllers[who]
        if not controller.token:
            return
        me = (who, controller.runs, controller.token)
        try:
            with self.machines[where].stage(controller.release, stage, 20.0):
                self.own(where, me, 20.0 + MARGIN)
        except SlipwayError as error:
            if error.cause == "lost_lock":
                assert self.owner[where] != me
            else:
                assert error.cause == "lease_lapsed"
                assert stage in ("shift", "settle")
                assert self.left[where] <= 0
            return
        assert self.owner[where] == me, "a holder that was replaced, or never was one, has acted"
        assert controller.token == self.fence[where]
        self.left[where] = BETWEEN

    @rule(who=CONTROLLERS, where=MACHINES, how=st.sampled_from(["withdraw", "release"]))
    def give_back(self, who, where, how):
        controller = self.controllers[who]
        if not controller.token:
            return
        mine = self.owner[where] == (who, controller.runs, controller.token)
        assert getattr(self.machines[where], how)(controller.release) == mine
        if mine:
            self.owner[where], self.left[where] = None, 0.0

    # What happens to machines

    @rule(where=MACHINES, seconds=st.sampled_from([1.0, 10.0, 31.0, 61.0]))
    def time_passes(self, where, seconds):
        self.systems[where].pass_time(seconds)
        self.left[where] -= seconds

    @rule(where=MACHINES, hours=st.sampled_from([-1, 1]))
    def somebody_sets_the_clock(self, where, hours):
        self.systems[where].time += hours * 3600

    @rule(where=MACHINES)
    def reboot(self, where):
        self.systems[where].reboot()
        lease = self.machines[where].read().lock.lease
        if lease:  # the promise after a reboot: not shorter than what was left
            remaining = lease.remaining(self.systems[where].boot_id(), self.systems[where].boottime())
            assert remaining >= self.left[where] - 5.0
            self.left[where] = remaining

    @rule(where=MACHINES, garbage=st.sampled_from([None, b"", b"{", b"\0" * 50]))
    def lose_the_lock_file(self, where, garbage):
        path = os.path.join(self.machines[where].directory, "lock.json")
        if os.path.exists(path):
            os.unlink(path)
            if garbage is not None:
                with open(path, "wb") as stream:
                    stream.write(garbage)

    @rule(where=MACHINES)
    def break_the_glass(self, where):
        assert self.machines[where].unlock() == (self.owner[where] is not None)
        self.owner[where], self.left[where] = None, 0.0

    def own(self, where, me, seconds):
        self.owner[where], self.left[where] = me, seconds
        self.fence[where] = max(self.fence[where], me[2])

    # What must always hold

    @invariant()
    def no_fence_ever_goes_back(self):
        assert [machine.read().lock.fence for machine in self.machines] == self.fence

    @invariant()
    def never_two_holders_of_all_machines(self):
        able = [controller for controller in self.controllers if controller.token and self.holds_all(controller)]
        assert len(able) <= 1

    def holds_all(self, controller):
        locks = [machine.read().lock for machine in self.machines]
        return all(
            lock.lease is not None and lock.lease.belongs_to(controller.release) and lock.fence == controller.token
            for lock in locks
        )


Fleet.TestCase.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestFleet = Fleet.TestCase
