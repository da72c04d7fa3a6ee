# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe engine, in the words of a side's checks (private to the collection)."""

from __future__ import annotations

import typing as t

from ..probe.loop import check_once, probe_all
from ..probe.model import Policy, Target
from ..side.checks import Check, Prober, Verdict
from ..side.parallel import parallel
from ..system import System


def prober(secrets: t.Iterable[str], system: System) -> Prober:
    """Asks the probe engine.

    :param secrets: values that must not show in any verdict.
    """
    hidden = tuple(secrets)

    def probe(checks: t.Sequence[Check]) -> list[Verdict]:
        targets = [Target(policy=Policy(**check.policy), **check.target) for check in checks]
        if checks[0].once:
            found = parallel(lambda item: check_once(item, system=system, policy=item.policy, secrets=hidden), targets)
        else:
            found = probe_all(targets, system=system, policy=Policy(), secrets=hidden)
        return [Verdict(r.healthy, r.cause, r.message, r.evidence, r.seconds, r.remedy) for r in found]

    return probe
