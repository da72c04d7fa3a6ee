# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is as wanted is left alone, and a preview leaves everything alone."""

from __future__ import annotations

from . import check
from .fleet import Fleet


def test_the_same_again_changes_nothing(live: Fleet) -> None:
    """Guarantee 6: the same version, a rollback to what is live, and provisioning."""
    before = live.snapshot()
    again = live.deploy("1.0.0")
    check.succeeded(again)
    assert (again.changed, "1.0.0 is live on blue already" in again.said) == (0, True), again.output
    back = live.rollback("-e", "slipway_rollback_to=1.0.0")
    check.succeeded(back)
    assert (back.changed, "1.0.0 is live on blue already" in back.said) == (0, True), back.output
    status = live.play("status.yml")
    check.succeeded(status)
    assert (status.changed, "1.0.0 is live on blue" in status.said) == (0, True), status.output
    provision = live.play("provision.yml")
    check.succeeded(provision)
    assert provision.changed == 0, provision.output
    check.untouched(before, live.snapshot())


def test_there_is_nothing_to_go_back_to_after_the_first_release(live: Fleet) -> None:
    """Guarantee 9: said, with what is kept, and nothing is touched."""
    before = live.snapshot()
    check.refused(live.rollback(), "there is no release before the live one to go back to", "kept beside it are: none")
    check.untouched(before, live.snapshot())


def test_a_preview_of_a_running_platform_touches_nothing(live: Fleet) -> None:
    """Guarantee 7: it says what each stage would do, on the machine on which it would."""
    before = live.snapshot()
    preview = live.deploy("1.1.0", "--check", "--diff")
    check.succeeded(preview)
    check.untouched(before, live.snapshot())
    assert preview.changed > 0, preview.output
    predictions = [
        "1.1.0 would be live on green (now 1.0.0)",
        "prepare on app1: create and start slipway-shop-production-backend-1.1.0",
        "decision on app2: stop slipway-shop-production-worker-1.0.0",
        "green_app2_1 weight 0 to 100",
        "settle on app1: stop slipway-shop-production-frontend-1.0.0",
    ]
    assert [one for one in predictions if one not in preview.said] == [], preview.output


def test_a_preview_of_a_refusal_is_refused(live: Fleet) -> None:
    """Guarantee 7: what speaks against a release is said by its preview too."""
    before = live.snapshot()
    check.refused(live.deploy("1.1.0", "--check", "-e", '{"slipway_preflight": {"min_free_disk": "900t"}}'), "MiB free")
    check.untouched(before, live.snapshot())
