# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engines kept compiled on a machine, so that a stage is one command there (private to the collection).

A module of Ansible is packed, sent and compiled anew at every task: of the third of a second that a task costs, the
work itself is a tenth. The engines need nothing of Ansible, so they are sent once, under the digest of their sources,
and every further stage only runs them, over the same connection and with the same rights as a module.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import shlex
import typing as t
import zipfile

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import Arguments
from ansible_collections.slipway.deploy.plugins.module_utils.stages.install import PACKAGE
from ansible_collections.slipway.deploy.plugins.module_utils.stages.launch import UNUSABLE

SOURCES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "module_utils")
# The controller's alone, and what needs Ansible.
NOT_SENT = (
    "config",
    "release",
    "module.py",
    "arguments.py",
    "migration_arguments.py",
    "rehearsal_arguments.py",
    "removal_arguments.py",
    "schedule_arguments.py",
    "service_arguments.py",
)
ABSENT = (2, UNUSABLE, 126, 127)  # no such launcher; unusable; no such interpreter (POSIX shell, "Exit Status")

LAUNCHER = f"""\
import sys
sys.dont_write_bytecode = True
try:
    from {PACKAGE}.stages.launch import launch
except Exception:
    sys.exit({UNUSABLE})
launch(__file__, sys.argv[1:])
"""

INSTALL = "\nimport sys\ninstall(sys.stdin.buffer.read(), sys.argv[1])\n"


class HostEngine:
    """The engines of this collection on one machine.

    :param execute: runs a command there (command, standard input): C(rc), C(stdout), C(stderr).
    :param python: the interpreter there, with the environment before it.
    :param root: the directory of the state of all platforms.
    :param release: the id of the release whose stages are run, for which a process stays there with everything imported;
        empty where only one thing is asked.
    """

    def __init__(
        self, execute: t.Callable[[str, bytes], t.Mapping[str, t.Any]], python: str, root: str, release: str = ""
    ) -> None:
        self._execute = execute
        self._python = python
        self._release = release
        self._parent = os.path.join(root, "engine")
        self.directory = os.path.join(self._parent, digest())

    def run(self, module: str, params: t.Mapping[str, t.Any], *, check: bool) -> dict[str, t.Any] | None:
        """What the module would return; None where the engines are not installed, or somebody else could change them.

        Who acts runs only what belongs to nobody else: a directory of a lesser user would lend that user these rights.
        """
        order = json.dumps({"module": module, "params": params, "check": check})
        parent, directory = shlex.quote(self._parent), shlex.quote(self.directory)
        own = f"[ -O {parent} ] && [ -O {directory} ]"
        launcher = f"{self._python} {directory}/run.py {shlex.quote(self._release) if self._release else ''}".rstrip()
        done = self._execute(f"{{ {own}; }} || exit {UNUSABLE}; {launcher}", order.encode())
        if done["rc"] in ABSENT and not done["stdout"].strip():
            return None
        return answer(done)

    def is_at_home(self) -> bool:
        """Whether there is a directory for the state of all platforms, the acting user's own."""
        return bool(self._execute(f"[ -O {shlex.quote(os.path.dirname(self._parent))} ]", b"")["rc"] == 0)

    def install(self) -> bool:
        """Send the engines, compile them, and remove those of older collections; whether that worked."""
        installer = sources()[f"{PACKAGE}/stages/install.py"].decode() + INSTALL
        command = f"{self._python} -c {shlex.quote(installer)} {shlex.quote(self.directory)}"
        return bool(self._execute(command, bundle())["rc"] == 0)


def answer(done: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The result out of what a stage has printed; what a login shell prints before it is passed over."""
    text = str(done["stdout"])
    try:
        found, _end = json.JSONDecoder().raw_decode(text, text.index("{"))
        return t.cast("dict[str, t.Any]", found)
    except ValueError:
        said = str(done["stderr"]).strip()[-2000:] or text.strip()[-2000:] or "nothing"
        error = SlipwayError(
            "the stage ended without a result",
            actual=f"exit status {done['rc']}, and it said: {said}",
            wanted="a result as JSON",
            remedy="Look for a killed process on the machine (journalctl -k), then run it again: the journal knows where "
            "to go on.",
            cause="no_result",
        )
        return {"failed": True, **error.result()}


def checked(params: t.Mapping[str, t.Any], takes: Arguments) -> dict[str, t.Any]:
    """Parameters as a module would have them: typed, with every default.

    :raises ValueError: what is wrong with them, all of it.
    """
    result = ArgumentSpecValidator(takes.options, required_if=takes.required_if).validate(dict(params))
    if result.error_messages:
        raise ValueError("; ".join(result.error_messages))
    return t.cast("dict[str, t.Any]", result.validated_parameters)


def expands(options: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any]) -> bool:
    """Whether a path in parameters is to be completed by the machine's own environment, such as C(~/migrations)."""
    for name, option in options.items():
        given = params.get(name)
        for value in given if isinstance(given, (list, tuple)) else [given]:
            if isinstance(value, t.Mapping) and expands(option.get("options") or {}, value):
                return True
            path = "path" in (option.get("type"), option.get("elements")) and str(value or "")
            if path and (path.startswith("~") or "$" in path):
                return True
    return False


@functools.lru_cache(maxsize=1)
def sources() -> dict[str, bytes]:
    """The files that run on a machine: every engine but those that are not sent."""
    found = {}
    for directory, directories, files in os.walk(SOURCES):
        place = os.path.relpath(directory, SOURCES)
        directories[:] = [name for name in directories if name != "__pycache__" and name not in NOT_SENT]
        for name in files:
            if name.endswith(".py") and name not in NOT_SENT:
                with open(os.path.join(directory, name), "rb") as stream:
                    found[os.path.normpath(os.path.join(PACKAGE, place, name))] = stream.read()
    return {**dict(sorted(found.items())), f"{PACKAGE}/__init__.py": b"", "run.py": LAUNCHER.encode()}


def digest() -> str:
    """Names the engines by all their sources, so that two collections never run each other's."""
    whole = hashlib.sha256()
    for name, content in sources().items():
        whole.update(f"{name} {len(content)} ".encode() + content)
    return whole.hexdigest()[:16]


def bundle() -> bytes:
    """All sources as one archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sources().items():
            archive.writestr(name, content)
    return stream.getvalue()
