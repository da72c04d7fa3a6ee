# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for a storage that makes snapshots: while a copy is made, no process of the cluster runs, so it is of one moment.

The tests start it as a command. The snapshots are directories beside the cluster's data directory; their file systems make none.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import sys


def processes(data: pathlib.Path) -> list[int]:
    """The postmaster, and behind it what it has started."""
    first = int((data / "postmaster.pid").read_text().split()[0])
    return [first, *map(int, pathlib.Path(f"/proc/{first}/task/{first}/children").read_text().split())]


def stopped(process: int) -> bool:
    """Whether a process has come to a stand (proc(5), /proc/[pid]/stat), or is gone."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "TZ"
    except FileNotFoundError:
        return True


def create(data: pathlib.Path, there: pathlib.Path, name: str) -> None:
    held: list[int] = []
    try:
        while set(processes(data)) - set(held):
            for process in processes(data):
                if process not in held:
                    held.append(process)
                    os.kill(process, signal.SIGSTOP)
                while not stopped(process):
                    pass
        copy(data, there / name)
    finally:
        for process in reversed(held):
            os.kill(process, signal.SIGCONT)


def copy(source: pathlib.Path, target: pathlib.Path) -> None:
    """With its owner and modes."""
    subprocess.run(["cp", "--archive", "--reflink=auto", source, target], check=True)


def main(data: pathlib.Path, there: pathlib.Path, what: str, *words: str) -> None:
    if what == "create":
        create(data, there, words[0])
    elif what == "clone":
        copy(there / words[0], pathlib.Path(words[1]) / "main")
    elif what == "unclone":
        shutil.rmtree(pathlib.Path(words[0]) / "main")
    elif what == "remove":
        shutil.rmtree(there / words[0])
    elif what == "list":
        sys.stdout.writelines(f"{path.name}\n" for path in sorted(there.iterdir()))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:])
