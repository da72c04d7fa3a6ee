# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.lab``: the lab by hand. Every command works on the lab named by ``--lab`` or ``$SLIPWAY_LAB``."""

from __future__ import annotations

import argparse
import os
import sys
import typing as t

from .engine import LabError, docker, ensure_engine
from .image import build_all, remove_all
from .machines import Lab
from .registry import Registry


def main(argv: t.Sequence[str]) -> int:
    """Run one command; errors are one line on stderr and exit status 1."""
    arguments = _parser().parse_args(list(argv))
    try:
        status = arguments.command(arguments)
    except LabError as error:
        sys.stderr.write(f"lab: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("lab: interrupted; `python -m tests.lab down` removes what was begun\n")
        return 130
    return int(status or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description="Machines made out of containers.")
    parser.add_argument("--lab", help="name of the lab (default: $SLIPWAY_LAB, else lab)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: t.Callable[[t.Any], int | None], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(command=command)
        return sub

    add("engine", _engine, "see to it that a Docker Engine and the lab's tools are here")
    add("image", _image, "build the images that are missing")
    up = add("up", _up, "create machines and wait until they are ready")
    up.add_argument("names", nargs="*", default=["app1", "app2", "proxy1"], metavar="NAME", help="app1 app2 proxy1")
    up.add_argument("--image", default="ready", help="ready (default), light, bare, or an image derived from them")
    up.add_argument("--registry", action="store_true", help="start the lab's registry as well")
    add("down", _down, "remove this lab; the images stay")
    add("clean", _clean, "remove this lab and all images of the lab")
    add("status", _status, "show the machines of all labs")
    push = add("push", _push, "push a local image to the lab's registry and print its name for the machines")
    push.add_argument("local", metavar="IMAGE")
    ssh = _machine(add("ssh", _ssh, "open a session on a machine, or run a command there"))
    ssh.add_argument("--user", default="root", help="root (default) or deploy")
    ssh.add_argument("argv", nargs=argparse.REMAINDER, metavar="...")
    reboot = _machine(add("reboot", _reboot, "restart a machine and wait until it is ready"))
    reboot.add_argument("--power-loss", action="store_true", help="as if the power failed: nothing is told to end")
    _machine(add("kill", _kill, "cut a machine's power; `start` brings it back"))
    _machine(add("stop", _stop, "shut a machine down"))
    _machine(add("start", _start, "start a stopped or killed machine"))
    partition = _machine(add("partition", _partition, "make a machine unreachable; its programs run on"))
    partition.add_argument("--of", default="controller", choices=["controller", "everyone"])
    _machine(add("heal", _heal, "undo partition"))
    _machine(add("database", _database, "turn PostgreSQL on at a machine and print its URL (with the password)"))
    return parser


def _machine(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("name", metavar="NAME")
    return parser


def _engine(arguments: argparse.Namespace) -> None:
    print(f"Docker Engine {ensure_engine()}")


def _image(arguments: argparse.Namespace) -> None:
    for kind, name in build_all().items():
        size = int(docker("image", "inspect", "--format", "{{.Size}}", name)) / 1e6
        print(f"{kind:<6} {name}  {size:.0f} MB")


def _up(arguments: argparse.Namespace) -> None:
    lab = Lab(arguments.lab)
    lab.create(arguments.names, arguments.image)
    for name, address in lab.machines().items():
        print(f"{name:<12} {address}")
    if arguments.registry:
        print(f"{'registry':<12} {Registry(lab).start().address}")
    print(f"ssh -F {lab.access.ssh_config} NAME")


def _down(arguments: argparse.Namespace) -> None:
    Lab(arguments.lab).down()


def _clean(arguments: argparse.Namespace) -> None:
    Lab(arguments.lab).down()
    for name in remove_all():
        print(f"removed {name}")


def _status(arguments: argparse.Namespace) -> None:
    ensure_engine()
    columns = ["slipway-lab", "slipway-lab.machine", "slipway-lab.address", "slipway-lab.image"]
    form = "\t".join(f'{{{{.Label "{column}"}}}}' for column in columns) + "\t{{.Status}}"
    lines = docker("ps", "--all", "--filter", "label=slipway-lab.machine", "--format", form).splitlines()
    for line in sorted(lines):
        lab, name, address, kind, state = line.split("\t")
        print(f"{lab:<12} {name:<12} {address:<16} {kind:<6} {state}")
    if not lines:
        print("no machines; `python -m tests.lab up` creates some")


def _push(arguments: argparse.Namespace) -> None:
    print(Registry(Lab(arguments.lab)).start().push(arguments.local))


def _ssh(arguments: argparse.Namespace) -> None:
    lab = Lab(arguments.lab)
    lab.address(arguments.name)
    argv = [*lab.ssh_argv(arguments.name, arguments.user), *arguments.argv]
    os.execvp(argv[0], argv)


def _reboot(arguments: argparse.Namespace) -> None:
    Lab(arguments.lab).reboot(arguments.name, arguments.power_loss)


def _kill(arguments: argparse.Namespace) -> None:
    Lab(arguments.lab).kill(arguments.name)


def _stop(arguments: argparse.Namespace) -> None:
    Lab(arguments.lab).stop(arguments.name)


def _start(arguments: argparse.Namespace) -> None:
    Lab(arguments.lab).start(arguments.name)


def _partition(arguments: argparse.Namespace) -> None:
    Lab(arguments.lab).partition(arguments.name, arguments.of)


def _heal(arguments: argparse.Namespace) -> None:
    Lab(arguments.lab).heal(arguments.name)


def _database(arguments: argparse.Namespace) -> None:
    print(Lab(arguments.lab).setup_database(arguments.name))
