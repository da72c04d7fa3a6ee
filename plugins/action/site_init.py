# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a new site on the controller; never contacts a machine, and never changes a file that is there."""

from __future__ import annotations

import os
import typing as t

from ansible.utils.display import Display
from ansible_collections.slipway.deploy.plugins.module_utils.bootstrap.choices import choose
from ansible_collections.slipway.deploy.plugins.module_utils.bootstrap.files import files, next_steps
from ansible_collections.slipway.deploy.plugins.module_utils.bootstrap.place import missing, write
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.plugin_utils.controller_action import ControllerAction
from ansible_collections.slipway.deploy.plugins.plugin_utils.stage_action import plain

display = Display()


class ActionModule(ControllerAction):
    """Makes every file of the site that is not there yet."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        given = plain(self._task.args)
        directory = os.path.abspath(os.path.expanduser(str(given.pop("directory", "") or "")))
        if not given.get("platform"):
            given["platform"] = os.path.basename(directory).lower()
        try:
            chosen = choose(given)
            wanted = files(chosen)
            new = missing(directory, wanted)
            kept = sorted(set(wanted) - set(new))
            if not self._task.check_mode:
                for path, text in new.items():
                    write(os.path.join(directory, path), text)
        except (SlipwayError, OSError) as error:
            said = (
                error.result()
                if isinstance(error, SlipwayError)
                else {"msg": f"{directory}: {error.strerror or error}"}
            )
            result.update(failed=True, changed=False, **said)
            return result
        does = "would be written" if self._task.check_mode else "written"
        told = [f"{directory}:", *(f"  {does}: {path}" for path in sorted(new))]
        told += [f"  left as it is: {path}" for path in kept]
        display.display("\n".join([*told, *next_steps(chosen, directory)]))
        diffs = [{"before": "", "after": text, "after_header": path} for path, text in sorted(new.items())]
        result.update(changed=bool(new), written=sorted(new), kept=kept, directory=directory, diff=diffs)
        return result
