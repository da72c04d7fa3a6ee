# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a value by the schema: kind, limits, defaults, unknown names (private to the collection)."""

from __future__ import annotations

import typing as t

from .coerce import COERCIONS, MismatchError
from .docker_keywords import REFUSED
from .findings import Findings, shown
from .option import Option, Pattern, Unreadable
from .suggest import closest, closest_option

_VERSION_REMEDY = (
    'Put it in quotes: slipway_version: "1.10" in YAML; on the command line -e slipway_version=1.10,'
    " not -e '{\"slipway_version\": 1.10}'."
)
_REMEDIES = {
    "slipway_version": _VERSION_REMEDY,
    "slipway_environment": "A second name for the same machines would be a second lock, so nothing is assumed.",
    "replicas": "To run none of a service, take it out of slipway_services.",
}


class Reader:
    """Reads values into a copy with every default filled in; what is wrong goes into C(findings).

    A value that cannot be used is replaced by its default, so that everything else can still be read and checked.

    :ivar model: what the platform runs on, once that is known: options of other models are refused from then on. Before that, and
        where it cannot be used, none is missed or refused.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.model = ""

    def read(self, option: Option, value: t.Any, path: str) -> t.Any:
        """The value of an option; None when it is absent and has no default. A YAML null is the same as absent."""
        if isinstance(value, Unreadable):
            self._findings.problem(path, value.reason, remedy=value.remedy)
            return self.default(option, path)
        if value is None:
            if option.required:
                self._findings.problem(
                    path, "missing", remedy=self._remedy(option) or f"{option.text.partition('.')[0]}."
                )
            return self.default(option, path)
        try:
            return self._convert(option, value, path)
        except MismatchError as mismatch:
            self._findings.problem(
                path,
                "cannot be used",
                found=shown(value, secret=option.secret),
                wanted=mismatch.wanted,
                remedy=self._remedy(option) or mismatch.remedy,
            )
            return self.default(option, path)

    def default(self, option: Option, path: str) -> t.Any:
        """What is used when nothing (usable) is written."""
        return None if option.default is None else self._convert(option, option.default, path)

    def _convert(self, option: Option, value: t.Any, path: str) -> t.Any:
        if option.kind == "section":
            return self._section(option, value, path)
        if option.kind == "map":
            return self._map(option, value, path)
        if option.kind == "list":
            return self._list(option, value, path)
        found = COERCIONS[option.kind](value)
        _check_limits(option, found)
        return found

    def _section(self, option: Option, value: t.Any, path: str) -> dict[str, t.Any]:
        if not isinstance(value, dict):
            raise MismatchError("a dictionary")
        known = {inner.name: self._here(inner) for inner in option.options if inner.belongs_to(self.model)}
        for name in value:
            if name not in known:
                self.unknown(str(name), option.options, path)
        pairs = ((name, self.read(inner, value.get(name), f"{path}.{name}")) for name, inner in known.items())
        return {name: found for name, found in pairs if found is not None}

    def _here(self, option: Option) -> Option:
        """The option as the platform's model has it."""
        return option._replace(required=option.required and (bool(self.model) or not option.models))

    def unknown(self, name: str, options: t.Sequence[Option], path: str) -> None:
        """Report a name that the schema does not have here."""
        where = f"{path}.{name}"
        if self.refuse_other_model(next((one for one in options if one.name == name), None), where):
            return
        options = [one for one in options if one.belongs_to(self.model)]
        if name in REFUSED:
            why, remedy = REFUSED[name]
            self._findings.problem(where, f"refused: {why}", remedy=remedy)
            return
        guess = closest_option(name, options)
        if guess:
            self._findings.problem(where, f"unknown, did you mean {guess}?")
        else:
            self._findings.problem(where, "unknown", remedy=f"Known here: {_listed(options)}.")

    def refuse_other_model(self, option: Option | None, path: str) -> bool:
        """Report an option that only other models have; whether it is one."""
        if option is None or option.belongs_to(self.model):
            return False
        models = " or ".join(option.models)
        self._findings.problem(
            path,
            f"is for slipway_model: {models}",
            found=f"slipway_model: {self.model}",
            remedy=f"Take it out, or set slipway_model: {models}.",
        )
        return True

    def _map(self, option: Option, value: t.Any, path: str) -> dict[str, t.Any]:
        if not isinstance(value, dict):
            raise MismatchError("a dictionary")
        if option.required and not value:
            raise MismatchError("at least one entry")
        key, element = t.cast(Pattern, option.key), t.cast(Option, option.element)
        found = {}
        for name, item in value.items():
            where = f"{path}.{name}"
            if not isinstance(name, str) or not key.fits(name):
                self._findings.problem(where, "the name cannot be used", found=shown(name), wanted=key.wanted)
                continue
            if item is None:
                self._findings.problem(
                    where, "has no value", remedy='Give it one ("" is an empty text), or take it out.'
                )
                continue
            found[name] = self.read(element, item, where)
        return {name: item for name, item in found.items() if item is not None}

    def _list(self, option: Option, value: t.Any, path: str) -> list[t.Any]:
        if option.single and not isinstance(value, list):
            value = [value]
        if not isinstance(value, list):
            raise MismatchError("a list")
        element = t.cast(Option, option.element)
        items = [self.read(element, item, f"{path}[{index}]") for index, item in enumerate(value)]
        found: list[t.Any] = []
        for index, item in enumerate(items):
            if option.unique and item is not None and item in found:
                self._findings.problem(f"{path}[{index}]", "written twice", found=shown(item), remedy="Take one out.")
            elif item is not None:
                found.append(item)
        return found

    @staticmethod
    def _remedy(option: Option) -> str:
        return _REMEDIES.get(option.name, "")


def _check_limits(option: Option, value: t.Any) -> None:
    if option.choices and value not in option.choices:
        _refuse_choice(option, value)
    if isinstance(value, str) and option.kind != "scalar" and not value:
        raise MismatchError("a text that is not empty", "Give it a value, or take it out.")
    if option.pattern is not None and not option.pattern.fits(value):
        raise MismatchError(option.pattern.wanted)
    too_small = option.low is not None and value < option.low
    if too_small or (option.high is not None and value > option.high):
        raise MismatchError(_range(option))


def _refuse_choice(option: Option, value: str) -> t.NoReturn:
    available = " or ".join(option.choices)
    if value in option.later:
        raise MismatchError(f"{available} ({value} is not available yet)")
    guess = closest(value, option.choices)
    raise MismatchError(available, f"Did you mean {guess}?" if guess and len(option.choices) > 1 else "")


def _range(option: Option) -> str:
    unit = {"duration": " s", "size": " bytes", "integer": ""}.get(option.kind, "")
    kind = {"integer": "a whole number", "duration": "a duration"}.get(option.kind, f"a {option.kind}")
    if option.high is None:
        return f"{kind} of at least {option.low:g}{unit}"
    if option.low is None:
        return f"{kind} of at most {option.high:g}{unit}"
    return f"{kind} from {option.low:g} to {option.high:g}{unit}"


def _listed(options: t.Sequence[Option]) -> str:
    names = [option.name for option in options]
    return ", ".join(names) if len(names) <= 20 else "see docs/configuration.md"
