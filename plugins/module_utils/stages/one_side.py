# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every model does around the stages of one side: secrets, fence, journal (private to the collection)."""

from __future__ import annotations

import base64
import contextlib
import json
import traceback
import typing as t

from ..errors import SlipwayError
from ..side.report import Report
from ..state.machine import Machine, ReleaseToken
from ..system import System


def performed(
    params: dict[str, t.Any],
    check: bool,
    run: t.Callable[[dict[str, t.Any], dict[str, str], System, bool], dict[str, t.Any]],
    report: type[Report],
) -> dict[str, t.Any]:
    """What a model's module returns, C(failed) included, with no secret in it.

    :param run: everything but that.
    :param report: of the model.
    """
    secrets: dict[str, str] = {}
    try:
        secrets.update(read_secrets(params["secrets"]))
        return run(params, secrets, System(), check)
    except SlipwayError as error:
        said = error.result()
    except Exception as error:  # whatever it is, it may quote what something was to be started with
        said = {"msg": f"{type(error).__name__}: {error}", "exception": traceback.format_exc()}
    return {"failed": True, **report(System(), secrets.values()).clean(said)}


def read_secrets(encoded: str) -> dict[str, str]:
    """The secrets, decoded; what they are never shows in an error."""
    try:
        values = json.loads(base64.b64decode(encoded, validate=True)) if encoded else {}
        return {str(name): str(value) for name, value in values.items()}
    except (ValueError, AttributeError):
        raise SlipwayError(
            "not readable",
            obj="secrets",
            wanted="a JSON object in base64",
            remedy="Call the module through its action plugin, and give it a mapping.",
            cause="invalid",
        ) from None


@contextlib.contextmanager
def stage(params: dict[str, t.Any], system: System) -> t.Iterator[t.Any]:
    """The stage of the release, or this machine's lock alone (then there is no step)."""
    machine = Machine(system, root=params["root"], platform=params["platform"], environment=params["environment"])
    release = params["release"]
    if release is None:
        with machine.alone():
            yield None
    else:
        name = release["stage"] or params["state"]
        with machine.stage(ReleaseToken.parse(release), name, release["deadline"]) as step:
            yield step


class NoStep:
    """Where there is no release there is no journal."""

    def note(self, event: str, **data: t.Any) -> None:
        """Nothing."""


NO_STEP = NoStep()


def record_outcome(order: t.Any, params: dict[str, t.Any], step: t.Any, report: Report) -> None:
    """What the stage has measured, and the last words of a release on this machine; its lease goes back when the stage ends.

    :param order: of any model; has C(version), C(identity) and C(side).
    """
    if report.gaps:
        step.note("handed_over", gaps=report.gaps)
    release = params["release"]
    about = {"version": order.version, "identity": order.identity, "side": order.side}
    if params["state"] == "settled":
        step.outcome("succeeded", **about)
        step.release_lease()
    elif params["state"] == "reverted" and release["outcome"] != "open":
        if release["mark_bad"]:
            step.mark_bad(order.identity, version=order.version, why=why(release["diagnosis"]))
        step.outcome(release["outcome"], diagnosis={"failures": release["diagnosis"]}, **about)
        step.release_lease()


def why(diagnosis: t.Sequence[t.Any]) -> str:
    """The first failure in a sentence."""
    first = diagnosis[0] if diagnosis else "it was reverted"
    return str(first.get("message") or first) if isinstance(first, dict) else str(first)
