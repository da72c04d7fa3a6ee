# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database's programs out of an image, each run in a container of its own (private to the collection).

A container does not end with its client, so each has a leash, its standard input: a shell in it waits for the end of that,
which comes when this process closes it or ends, however it ends. A password goes the same way: the shell reads it and puts
it into a file in memory that only this container has. So it is in no argument, in no environment, and on no disk.

What a program wrote is lost when its container has ended two seconds before it is read (Docker Engine, C(monitor.go)), so
the container stays until this process says that it has everything.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
import secrets
import shutil
import typing as t

from ..errors import SlipwayError
from ..system import System
from .pipeline import Inside, Program, flow
from .tools import Handed, Tools

LABEL = "slipway.backup.owner"  # which process a container belongs to
TOLD = "/run/slipway/told"
PULL = 1800.0  # seconds
CALL = 60.0
# Where a server's programs are that PATH does not name.
USUAL = ("/usr/lib/postgresql/*/bin", "/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/mysql/bin")
# A user that no machine has; programs that are a server's must not be root's, and want to know their user by name.
USERS = 61000
SHM = "1g"  # at most; a parallel CREATE INDEX has its memory there

# --- what the shell does. $1 is the seal, the rest is the program.

_TOLD = f"""umask 077
IFS= read -r line || exit 1
while [ -n "$line" ]; do printf '%s\\n' "$line"; IFS= read -r line || exit 1; done >{TOLD}
exec 8<{TOLD}
"""
READS = f"""{_TOLD}shift
exec "$@"
"""
HELD = f"""{_TOLD}seal=$1
shift
exec 3<&0
"$@" </dev/null 3<&- &
ran=$!
{{ read -r line <&3; kill -KILL $ran; }} >/dev/null 2>&1 &
wait $ran
status=$?
printf %s "$seal"
read -r line <&3
exit $status
"""
# The image's PATH, and every program that is there or in some other directories.
LOOK = """printf '%s\\n' "$PATH"
IFS=:
for place in $PATH $1; do
  for file in $place/*; do [ ! -x "$file" ] || [ -d "$file" ] || printf '%s\\n' "$file"; done
done
exit 0
"""

MISSING = 127  # exit status of a shell that finds no such program (POSIX, "Command Search and Execution")
FORBIDDEN = 126


class Image(Tools):
    """The programs of an image.

    :param image: its name, or id.
    :param plan: only look: pull none.
    """

    told = TOLD

    def __init__(self, image: str, system: System, *, plan: bool = False) -> None:
        self.place = f"in the image {image}"
        self._image, self._system, self._plan = image, system, plan
        self._id = ""
        self._path: list[str] = []
        self._files: dict[str, None] = {}  # in the order of the directories
        self._seen: set[str] = set()

    def ready(self) -> str:
        if self._id:
            return ""
        self._clear()
        found = self._docker("image", "inspect", "--format", "{{.Id}}", self._image)
        if not found:
            if self._plan:
                return f"pull {self._image}; what its programs are is seen then"
            self._pull()
            found = self._docker("image", "inspect", "--format", "{{.Id}}", self._image)
        self._id = found
        return ""

    def find(self, pattern: str) -> list[str]:
        self._look([os.path.dirname(pattern)])
        return sorted(fnmatch.filter(self._files, pattern))

    def which(self, name: str, places: str = "") -> str | None:
        directory, base = os.path.split(name)
        given = [directory] if directory else places.split(os.pathsep) if places else []
        self._look(given)
        candidates = (os.path.join(place, base) for place in given or self._path)
        return next((path for path in candidates if path in self._files), None)

    def said(self, argv: t.Sequence[str]) -> str:
        try:
            return b"".join(flow([self.program(argv)])).decode(errors="replace")
        except SlipwayError as error:
            if error.evidence.get("status") in (MISSING, FORBIDDEN):
                raise self._missing(argv[0], str(error.actual)) from None
            raise

    @contextlib.contextmanager
    def handed(self, secret: bytes) -> t.Iterator[Handed]:
        yield Handed(self.told, secret)

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
        mounts = [*(_mount(path, readonly=True) for path in dict.fromkeys(sees)), *map(_mount, shares)]
        told = handed.content if handed else b""
        return self._started(argv, env or {}, f"{os.geteuid()}:{os.getegid()}", mounts, told=told, reads=reads)

    def room(self, directory: str, owner: str) -> str:
        # The user's number may be somebody else's here, so the way to it is closed to all but this process's user.
        os.chmod(directory, 0o700)
        inner = os.path.join(directory, "server")
        os.mkdir(inner)
        os.chmod(inner, 0o711)  # noqa: S103  # for programs that are not the server's
        if os.geteuid() == 0:
            os.chown(inner, *_server_user())
        return inner

    def served(
        self, argv: t.Sequence[str], env: t.Mapping[str, str], *, owner: str, ends: str, rooms: t.Sequence[str]
    ) -> Program:
        user, group = _server_user()
        passwd = os.path.join(os.path.dirname(rooms[0]), "passwd")
        with open(passwd, "w", encoding="ascii") as file:
            file.write(f"{owner}:x:{user}:{group}::/:/bin/sh\n")
        os.chmod(passwd, 0o644)
        mounts = [_mount(passwd, "/etc/passwd", readonly=True), *map(_mount, rooms)]
        return self._started(argv, env, f"{user}:{group}", [*mounts, f"--shm-size={SHM}"], network="none")

    def reaches(self) -> str:
        return ""

    # --- how one is started

    def _started(
        self,
        argv: t.Sequence[str],
        env: t.Mapping[str, str],
        user: str,
        more: t.Sequence[str],
        *,
        told: bytes = b"",
        reads: bool = False,
        network: str = "host",  # so that one connection string is right for this process and for the program
    ) -> Program:
        self._expect_image()
        name = f"slipway-backup-{secrets.token_hex(6)}"
        seal = "" if reads else f"\nslipway:{secrets.token_hex(16)}\n"
        variables = [word for key, value in env.items() for word in ("--env", f"{key}={value}")]
        flags = (*FLAGS, f"--network={network}", "--user", user, *more)
        start = ("docker", "run", "--name", name, "--label", f"{LABEL}={_owner()}", *flags)
        inside = (self._id, "-c", READS if reads else HELD, "sh", seal, *argv)
        return Program(
            (*start, *variables, "--entrypoint", "sh", *inside),
            called=f"{os.path.basename(argv[0])} {self.place}",
            inside=Inside(told + b"\n", seal.encode(), ("docker", "rm", "--force", "--volumes", name)),
        )

    def _look(self, directories: t.Sequence[str]) -> None:
        unknown = [place for place in directories if place not in self._seen]
        if self._seen and not unknown:
            return
        places = unknown if self._seen else [*unknown, *USUAL]
        argv = ("sh", "-c", LOOK, "sh", os.pathsep.join(places))
        path, *files = self.said(argv).splitlines()
        self._path = path.split(os.pathsep)
        self._files.update(dict.fromkeys(files))
        self._seen.update(places)

    def _expect_image(self) -> None:
        if not self._id and self.ready():
            raise self._no_image("it is not there, and nothing is pulled for a plan")

    # --- the engine

    def _pull(self) -> None:
        done = self._system.run(["docker", "pull", "--quiet", self._image], timeout=PULL)
        if done.rc:
            raise self._no_image(done.stderr.strip())

    def _docker(self, *words: str) -> str:
        """What the client prints; nothing where what it is asked for is not there."""
        if shutil.which("docker") is None:
            raise SlipwayError(
                "no such program",
                obj="docker",
                wanted=f"the client of this machine's Docker Engine, to run programs {self.place}",
                remedy="Install docker.io on this machine, or leave run_in out.",
                cause="engine_missing",
            )
        done = self._system.run(["docker", *words], timeout=CALL)
        if done.rc == 0 or re.search("[Nn]o such (?:image|container)", done.stderr):
            return done.stdout.strip()
        denied = "permission denied" in done.stderr
        raise SlipwayError(
            "does not let this user in" if denied else "does not answer",
            obj="the Docker Engine",
            actual=done.stderr.strip(),
            remedy="Set become: true." if denied else "Start it: systemctl start docker.",
            cause="engine_permission" if denied else "engine_unreachable",
        )

    def _clear(self) -> None:
        """Containers whose process is gone: of one that was killed before its container had a leash."""
        found = self._docker(
            "ps", "--all", "--filter", f"label={LABEL}", "--format", '{{.ID}} {{.Label "' + LABEL + '"}}'
        )
        for line in found.splitlines():
            container, _space, owner = line.partition(" ")
            if owner != _owner(owner.partition(":")[0]) and not self._plan:
                self._docker("rm", "--force", "--volumes", container)

    def _missing(self, program: str, said: str) -> SlipwayError:
        return SlipwayError(
            "no such program",
            obj=f"{program} {self.place}",
            actual=said,
            remedy="Name an image that has it with run_in.image: the database's own of the server's version has them all.",
            cause="command_missing",
        )

    def _no_image(self, said: str) -> SlipwayError:
        return SlipwayError(
            "is neither on this machine nor can it be pulled",
            obj=self._image,
            actual=said,
            remedy="Correct run_in.image, or log this machine in with docker login.",
            cause="image_missing",
        )


# Whatever the image says of itself, its program is run as it would be on the machine, with as little as it needs.
FLAGS = (
    "--rm",
    "--interactive",
    "--log-driver=none",
    "--read-only",
    "--tmpfs=/tmp:rw,nosuid,nodev,mode=1777",
    f"--tmpfs={os.path.dirname(TOLD)}:rw,nosuid,nodev,noexec,mode=1777,size=64k",
    "--workdir=/",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--security-opt=label=disable",  # else SELinux keeps it from what is mounted
    "--userns=host",  # else a file of this user is somebody else's there
    "--no-healthcheck",
)


def _mount(path: str, target: str = "", *, readonly: bool = False) -> str:
    """A file or directory of this machine, by default under its own name."""
    fields = ["type=bind", f"source={os.path.realpath(path)}", f"target={target or path}"]
    fields += ["readonly"] if readonly else []
    return "--mount=" + ",".join('"' + field.replace('"', '""') + '"' for field in fields)


def _server_user() -> tuple[int, int]:
    """Not the same for two servers at once."""
    if os.geteuid():
        return os.geteuid(), os.getegid()
    return (USERS + os.getpid() % 100,) * 2


def _owner(pid: str = "") -> str:
    """A process, so that no other one is ever taken for it; empty when there is none."""
    number = pid or str(os.getpid())
    with contextlib.suppress(OSError), open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as stream:
        return f"{number}:{stream.read().rpartition(')')[2].split()[19]}"  # proc(5): its start time
    return ""
