# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tool that is a library of Python: asked within the project's own interpreter (private to the collection)."""

from __future__ import annotations

import inspect
import json
import typing as t

from ..errors import SlipwayError
from ..masking import mask_all
from . import python_child
from .address import session
from .child import TAIL, missing
from .outside import Outside, Run, failed


class PythonTool(Outside):
    """See RV(Tool)."""

    comment = "#"

    def _url(self) -> str:
        """What the child is told of the database."""
        where = self._setup.address
        if "options" in where.options:  # which would be instead of those in the environment
            options = {**where.options, "options": session(where, self._setup.database.settings)}
            where = where._replace(options=options)
        return where.uri()

    def _ask(self, run: Run, **order: t.Any) -> dict[str, t.Any]:
        """Let it do something, and return what it answers.

        :raises SlipwayError: C(tool_missing), C(bad_input), C(migration_failed), C(lock_timeout).
        """
        setup = self._setup
        base: dict[str, t.Any] = {"tool": self.name, "config": setup.config, "engine": setup.address.engine}
        base["database"] = setup.address.database
        env = {python_child.ORDER: json.dumps({**base, **order}), python_child.URL: self._url()}
        ended = run("-", stdin=inspect.getsource(python_child), env=env)
        try:
            told: dict[str, t.Any] = json.loads(ended.stdout)
        except ValueError:
            raise failed(f"{self.name} in {setup.child.program[0]}", ended.said or f"exit status {ended.rc}") from None
        if "error" in told:
            raise self._wrong(mask_all(told["error"], setup.child.secrets), ended.said)
        return told

    def _wrong(self, error: dict[str, t.Any], said: str) -> SlipwayError:
        program = self._setup.child.program[0]
        if error["missing"]:
            return missing(f"{self.name} in {program}", error["said"], self._setup.child.install)
        if error["refused"]:
            return SlipwayError(
                error["said"], obj=self.name, remedy="Correct the project, or what is asked for.", cause="bad_input"
            )
        evidence = {"script": error.get("file", ""), "line": error.get("line", 0), "code": error.get("code") or ""}
        where = f"{evidence['script']} line {evidence['line']}" if evidence["script"] else self.name
        found = failed(where, f"{error['said']}"[:TAIL], **evidence, output=said)
        if evidence["code"] in ("55P03", "40P01"):
            found.cause = "lock_timeout"
        return found
