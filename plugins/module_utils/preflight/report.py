# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found on all machines, for a terminal; controller-only (private to the collection)."""

from __future__ import annotations

import textwrap
import typing as t

from .finding import ERROR, Finding

WIDTH = 110
_LABELS = (("actual", "found"), ("wanted", "wanted"), ("why", "why"), ("remedy", "mend"))


def lines(title: str, found: t.Mapping[str, t.Sequence[Finding]]) -> list[str]:
    """Errors first; what several machines have in common is said once.

    :param title: what was examined.
    :param found: by machine; one without findings is named as well.
    """
    together: dict[Finding, list[str]] = {}
    for machine, findings in found.items():
        for finding in findings:
            together.setdefault(finding, []).append(machine)
    ordered = sorted(together.items(), key=lambda item: item[0].severity != ERROR)
    text = [title, ""]
    for finding, machines in ordered:
        text += [*_paragraph(finding, machines), ""]
    fine = [machine for machine, findings in found.items() if not findings]
    if fine:
        text += [f"nothing wrong with {', '.join(fine)}"]
    return [*text, verdict(found)]


def verdict(found: t.Mapping[str, t.Sequence[Finding]]) -> str:
    """How it stands, in one line."""
    kinds = [finding.severity for finding in {one for findings in found.values() for one in findings}]
    errors, warnings = kinds.count(ERROR), len(kinds) - kinds.count(ERROR)
    said = f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}"
    if errors:
        return f"{said}: the next release would be refused, or fail."
    return f"{said}: the next release can go out."


def _paragraph(finding: Finding, machines: t.Sequence[str]) -> list[str]:
    mark = "ERROR  " if finding.severity == ERROR else "warning"
    text = textwrap.wrap(
        f"{mark} {', '.join(machines)}: {finding.topic}: {finding.what}", WIDTH, subsequent_indent=" " * 8
    )
    for name, label in _LABELS:
        for number, line in enumerate(getattr(finding, name).splitlines()):
            head = f"        {'' if number else label:<7} "
            text += textwrap.wrap(line, WIDTH, initial_indent=head, subsequent_indent=" " * 16, break_on_hyphens=False)
    return text


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
