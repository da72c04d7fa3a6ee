# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database's programs in a container that runs already, usually the database's own (private to the collection).

C(docker exec) starts them there. Neither its client's end nor a signal to that reaches a program, so each has the leash of
:mod:`.tools_container`: a shell beside it that waits for the end of its standard input, and then kills all of its process group.
Whoever gives a program up kills that group by its number, which the shell has written into memory.

A password comes by standard input, too. It is put into a file in memory that has no name any more by then: nobody finds it by its
path, and it is gone with the program. So C(docker inspect) tells nothing of it, neither of the container nor of what runs in it.

What needs a file of this machine cannot run there, and neither can a throw-away server, whose end must be certain: either gets a
container of its own out of the same image.
"""

from __future__ import annotations

import os
import secrets
import typing as t

from ..errors import SlipwayError
from ..system import System
from .pipeline import Inside, Program
from .tools import Handed
from .tools_container import Image

MEMORY = "/dev/shm"  # noqa: S108  # what every container has of its own
TOLD = "/proc/self/fd/8"

# --- what the shell does. $1 is the seal, $2 the file for the number of its process group, the rest is the program.

_TOLD = """umask 077
seal=$1 mine=$2
shift 2
set -C
: >"$mine.told" || exit 1
set +C
exec 8<>"$mine.told"
rm -f "$mine.told"
printf '%s\\n' "$$" >"$mine"
IFS= read -r line || { rm -f "$mine"; exit 1; }
while [ -n "$line" ]; do printf '%s\\n' "$line" >&8; IFS= read -r line || { rm -f "$mine"; exit 1; }; done
exec 3<&0
"""
_ENDS = """wait $ran
status=$?
rm -f "$mine"
"""
READS = f"""{_TOLD}"$@" <&3 3<&- &
ran=$!
{_ENDS}exit $status
"""
HELD = f"""{_TOLD}"$@" </dev/null 3<&- &
ran=$!
{{ read -r line <&3; [ ! -e "$mine" ] || {{ rm -f "$mine"; kill -KILL 0; }}; }} >/dev/null 2>&1 &
{_ENDS}printf %s "$seal"
read -r line <&3
exit $status
"""
KILL = 'read -r group <"$1" && rm -f "$1" && kill -KILL "-$group"'


class Running(Image):
    """The programs of a container that runs.

    :param container: its name, or id.
    :param plan: only look.
    """

    told = TOLD

    def __init__(self, container: str, system: System, *, plan: bool = False) -> None:
        super().__init__("", system, plan=plan)
        self.place = f"in the container {container}"
        self._name, self._container = container, ""

    def ready(self) -> str:
        if self._container:
            return ""
        self._clear()
        words = ("container", "inspect", "--format", "{{.State.Status}} {{.Id}} {{.Image}}", "--", self._name)
        status, container, image = (self._docker(*words).split() or ("", "", ""))[:3]
        if status != "running":
            raise SlipwayError(
                "does not run",
                obj=f"the container {self._name}",
                actual=status or "no such container",
                wanted="one that runs, and has the database's programs",
                remedy="Start it, correct run_in.container, or name an image with run_in.image.",
                cause="container_missing",
            )
        self._container, self._image, self._id = container, image, image
        return ""

    def program(
        self,
        argv: t.Sequence[str],
        env: t.Mapping[str, str] | None = None,
        *,
        handed: Handed | None = None,
        reads: bool = False,
        sees: t.Iterable[str] = (),
        shares: t.Sequence[str] = (),
    ) -> Program:
        self.ready()
        seen = list(sees)
        if seen or shares:  # nothing of this machine can be shown to a container that runs
            return super().program(argv, env, handed=handed, reads=reads, sees=seen, shares=shares)
        token = secrets.token_hex(16)
        seal, mine = "" if reads else f"\nslipway:{token}\n", f"{MEMORY}/slipway-{token}"
        variables = [word for key, value in (env or {}).items() for word in ("--env", f"{key}={value}")]
        start = ("docker", "exec", "--interactive", "--workdir", "/", *variables, self._container)
        return Program(
            (*start, "sh", "-c", READS if reads else HELD, "sh", seal, mine, *argv),
            called=f"{os.path.basename(argv[0])} {self.place}",
            inside=Inside(
                (handed.content if handed else b"") + b"\n",
                seal.encode(),
                ("docker", "exec", self._container, "sh", "-c", KILL, "sh", mine),
            ),
        )
