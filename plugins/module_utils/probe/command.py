# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Healthy is what a command says is healthy (private to the collection)."""

from __future__ import annotations

from ..errors import SlipwayError
from .model import Probe, Success


class CommandProbe(Probe):
    """Runs the argv list on this machine; exit status 0 is a success. Its arguments never appear in a message."""

    def attempt(self, timeout: float) -> Success:
        program = self.target.argv[0]
        try:
            done = self.system.run(self.target.argv, timeout=timeout)
        except SlipwayError as error:
            if error.cause == "timeout":
                raise SlipwayError(
                    f"{program} did not end within {timeout:g} s",
                    cause="timeout",
                    remedy="Find out what it waits for, or raise timeout.",
                ) from None
            raise SlipwayError(error.what, obj=program, cause="command", remedy=error.remedy) from None
        except OSError as error:
            raise SlipwayError(
                f"{program} cannot be run ({error.strerror})", cause="command", remedy="Make it an executable file."
            ) from None
        evidence = {"rc": done.rc, "stdout": self.clean(done.stdout.strip()), "stderr": self.clean(done.stderr.strip())}
        if done.rc != 0:
            said = evidence["stderr"] or evidence["stdout"] or "nothing"
            raise SlipwayError(
                f"{program} ended with {done.rc} and said: {said}",
                cause="command",
                remedy="Run it by hand on this machine.",
                evidence=evidence,
            )
        return Success(evidence)
