# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words in which the schema is written (private to the collection)."""

from __future__ import annotations

import re
import typing as t


class Pattern(t.NamedTuple):
    """A form that a text must have, and that form in words."""

    regex: str
    wanted: str

    def fits(self, text: str) -> bool:
        """Whether the whole text has this form."""
        return re.fullmatch(self.regex, text) is not None


class Option(t.NamedTuple):
    """One thing that a user may write.

    :param kind: C(string), C(integer), C(number), C(boolean), C(duration) (read into seconds), C(size) (read into
        bytes), C(scalar) (read into a string), C(command) (read into a list of words), C(list), C(map) (names chosen by
        the user), C(section) (names fixed here) or C(any).
    :param text: its meaning, in sentences, with the semantic markup of Ansible (C(C(...)) only).
    :param default: the value, as a user would write it, when nothing is written; None means "absent".
    :param later: values that a later version of the collection will know.
    :param options: what a section consists of.
    :param element: what each element of a list or of a map is.
    :param key: the form of a map's names.
    :param pattern: the form of a string.
    :param single: a single value stands for a list of one.
    :param unique: a list must not hold the same value twice.
    :param low, high: the smallest and the largest value, both allowed.
    :param secret: the value never appears anywhere.
    :param identity: whether a change of it is a change of what runs, so that the same version is released again.
    :param host: whether it may differ from machine to machine.
    :param models: the models that it belongs to; empty when it is every model's.
    :param roles: the roles whose argument specification has it, beside C(release), which has them all.
    :param example: YAML that shows it at work.
    """

    name: str
    kind: str
    text: str
    default: t.Any = None
    required: bool = False
    choices: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    element: t.Optional[Option] = None
    key: t.Optional[Pattern] = None
    pattern: t.Optional[Pattern] = None
    single: bool = False
    unique: bool = False
    low: t.Optional[float] = None
    high: t.Optional[float] = None
    secret: bool = False
    identity: bool = True
    host: bool = False
    models: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    example: str = ""

    def belongs_to(self, model: str) -> bool:
        """Whether a platform of this model may have it; of an unknown one, any."""
        return not model or not self.models or model in self.models

    def option(self, name: str) -> Option:
        """The option of that name in this section.

        :raises KeyError: there is none.
        """
        for option in self.options:
            if option.name == name:
                return option
        raise KeyError(name)


class Unreadable(t.NamedTuple):
    """Stands for a value that could not be read: an undefined variable in a template, a vault without its key."""

    reason: str
    remedy: str
