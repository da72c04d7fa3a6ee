# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images with the programs of this machine's databases, made without a registry and kept between runs."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

LABEL = "slipway.backup.owner"
REPOSITORY = "slipway-test-tools"
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHELL = ("sh",)
# What initdb and mariadb-install-db call, which is a script.
AROUND = ("basename", "cat", "chmod", "chown", "cp", "dirname", "hostname", "id", "ls", "mkdir", "rm", "sed")
MARIADB = (
    *("mariadb-dump", "mariadb", "mariadb-binlog", "mariadbd", "mariadb-install-db", "mariadb-tzinfo-to-sql"),
    *("my_print_defaults", "resolveip"),
)
TREES = ("/usr/lib/mysql", "/usr/share/mysql", "/usr/lib/locale/C.utf8", "/usr/share/zoneinfo")
POSTGRESQL = ("/usr/lib/postgresql/{}", "/usr/share/postgresql/{}")
_SKIPPED = re.compile(r"/(bitcode|man|locale/(?!C\.utf8)|right|posix)(/|$)")
_LEFT = re.compile(r"/(__pycache__|tests|locale/(?!en(/|$))[^/.]+)(/|$)")
_EVERYWHERE = re.compile(r"/(ld-linux.*|lib(c|m|dl|pthread|rt))[.-]")
# Of a Java runtime: other programs, what these compile by, what nobody reads, and copies for other ways of starting it.
_NOT_JAVA = re.compile(r"bin/(?!java$)|(include|jmods|legal|man)/|lib/(ct\.sym|src\.zip|server/classes_)")
_UNUSED = re.compile(
    r"site-packages|test|idlelib|tkinter|ensurepip|turtledemo|lib2to3|pydoc_data|unittest|distutils|config-.*"
)


@functools.cache
def full() -> str:
    """An image that has everything."""
    newest = sorted(pathlib.Path("/usr/lib/postgresql").glob("[0-9]*"))[-1].name
    trees = [*TREES, *(tree.format(newest) for tree in POSTGRESQL)]
    return _image([*SHELL, *AROUND, *MARIADB], trees)


@functools.cache
def bare() -> str:
    """An image with a shell and no database's programs."""
    return _image([*SHELL, "cat"], [])


@functools.cache
def python(environment: str, *packages: str) -> str:
    """An image with a virtual environment of this machine and some of its packages, its Python, and a user of its own.

    :param environment: its directory, of which the image has the same.
    """
    program = os.path.join(environment, "bin/python")
    real = pathlib.Path(os.path.realpath(program))
    library = real.parents[1] / "lib" / real.name
    places = next(pathlib.Path(environment).glob("lib/python*/site-packages"))
    trees = [str(one) for one in sorted(library.iterdir()) if not _UNUSED.fullmatch(one.name)]
    trees += [os.path.join(environment, "pyvenv.cfg"), *(str(places / name) for name in packages)]
    extra = {path: path for path in (program, os.path.join(os.path.dirname(program), real.name), str(real))}
    found = [str(real), *map(str, (library / "lib-dynload").glob("*.so"))]
    found += [str(path) for name in packages for path in (places / name).rglob("*.so*")]
    return _image([*SHELL, "cat", "sleep"], trees, extra=extra, linked=found, changes=("USER 1234",))


def java(home: str) -> str:
    """An image in which a Java runtime of this machine that is mounted there finds what it needs, and a user of its own."""
    needed = [str(path) for path in pathlib.Path(home).rglob("*.so")]
    programs, locale = [*SHELL, *AROUND, "bash", "env", "expr"], "/usr/lib/locale/C.utf8"
    return _image(programs, [locale], linked=needed, mounted=[home], changes=("USER 1234",))


def with_program(path: str, script: str) -> str:
    """The image that has everything, one of whose programs is a script."""
    return with_files(full(), {path: f"#!/bin/sh\n{script}\n"})


def with_files(image: str, files: dict[str, str]) -> str:
    """An image with more files, which all may be programs."""
    name = f"{REPOSITORY}:{hashlib.sha256(f'{image} {json.dumps(files)}'.encode()).hexdigest()[:16]}"
    if not _exists(name):
        container = _docker("create", image, "-")
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path, text in files.items():
                member = tarfile.TarInfo(path.lstrip("/"))
                content = text.encode()
                member.size, member.mode = len(content), 0o755
                tar.addfile(member, io.BytesIO(content))
        _docker("cp", "-", f"{container}:/", stdin=archive.getvalue())
        _docker("commit", container, name)
        _docker("rm", container)
    return name


def added(image: str, trees: dict[str, str], programs: tuple[str, ...] = (), linked: tuple[str, ...] = ()) -> str:
    """An image with more directories and files of this machine, by the names that they get.

    :param programs: on PATH; with the libraries that they need, but those that every image of this distribution has.
    :param linked: more that need libraries.
    """
    found = {name: real for name, real in _files([*programs], [], [*linked]).items() if not _EVERYWHERE.search(real)}
    found = {
        os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name)): real
        for name, real in found.items()
    }
    about = [(name, real, os.stat(real).st_mtime_ns) for name, real in sorted({**trees, **found}.items())]
    name = f"{REPOSITORY}:{hashlib.sha256(f'{image} {json.dumps(about)}'.encode()).hexdigest()[:16]}"
    if not _exists(name):
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for target, real in {**trees, **found}.items():
                tar.add(real, target.lstrip("/"), filter=lambda one: None if _LEFT.search(f"/{one.name}") else one)
        container = _docker("create", image, "-")
        _docker("cp", "-", f"{container}:/", stdin=archive.getvalue())
        _docker("commit", container, name)
        _docker("rm", container)
    return name


def with_java(image: str, home: str, target: str) -> str:
    """An image with a Java runtime of this machine, some of whose files are links to others all over it.

    :param target: where it is there.
    """
    names = {str(path.relative_to(home)): path for path in pathlib.Path(home).rglob("*") if path.is_file()}
    trees = {f"{target}/{name}": str(path.resolve()) for name, path in names.items() if not _NOT_JAVA.match(name)}
    return added(image, trees, linked=(f"{home}/lib/libjli.so", f"{home}/lib/server/libjvm.so"))


def without(path: str) -> str:
    """The image that has everything but one program."""
    name = f"{REPOSITORY}:{hashlib.sha256(f'{full()} without {path}'.encode()).hexdigest()[:16]}"
    if not _exists(name):
        container = _docker("create", full(), "rm", path)
        _docker("start", "--attach", container)
        _docker("commit", container, name)
        _docker("rm", container)
    return name


def containers(owner: int | None = None) -> list[str]:
    """Those that run programs for a process now, this one by default, or did and were left."""
    shown = _docker("ps", "--all", "--filter", f"label={LABEL}", "--format", '{{.ID}} {{.Label "' + LABEL + '"}}')
    found = [line.split(maxsplit=1) for line in shown.splitlines()]
    return [container for container, whose in found if whose.startswith(f"{owner or os.getpid()}:")]


def inspected(container: str) -> str:
    """All that the engine tells of one."""
    return json.dumps(json.loads(_docker("inspect", container)), ensure_ascii=False)


def _image(
    programs: list[str],
    trees: list[str],
    *,
    extra: dict[str, str] | None = None,
    linked: list[str] | None = None,
    mounted: list[str] | None = None,
    changes: tuple[str, ...] = (),
) -> str:
    """Made out of a list of files.

    :param linked: more that need libraries.
    :param mounted: directories that are none of it, and whose programs need libraries.
    """
    files = {**_files(programs, [*trees, *(mounted or [])], linked or []), **(extra or {})}
    about = [(name, os.stat(real).st_size, os.stat(real).st_mtime_ns) for name, real in sorted(files.items())]
    image = f"{REPOSITORY}:{hashlib.sha256(json.dumps([about, trees, *changes]).encode()).hexdigest()[:16]}"
    if not _exists(image):
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name, real in files.items():
                tar.add(real, name.lstrip("/"))
            for tree in trees:
                tar.add(tree, tree.lstrip("/"), filter=lambda one: None if _SKIPPED.search(f"/{one.name}") else one)
        words = [word for change in (f"ENV PATH={PATHS}", *changes) for word in ("--change", change)]
        _docker("import", *words, "-", image, stdin=archive.getvalue())
    return image


def _files(programs: list[str], trees: list[str], linked: list[str]) -> dict[str, str]:
    """Programs by their path, and every library that one of them needs."""
    found = {f"/bin/{name}" if name in SHELL else _path(name): os.path.realpath(_path(name)) for name in programs}
    binaries = [*linked, *found.values(), *(str(path) for tree in trees for path in pathlib.Path(tree).rglob("bin/*"))]
    listed = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
    for library in re.findall(r"(/\S+) \(0x", listed):
        path = os.path.normpath(library)  # beside a package: ../NAME.libs
        if not any(path.startswith(f"{tree}/") for tree in trees):
            found[path] = os.path.realpath(library)
    return found


def _path(name: str) -> str:
    path = shutil.which(name, path=PATHS)
    assert path is not None, name
    return path


def _exists(image: str) -> bool:
    return subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode == 0


def _docker(*words: str, stdin: bytes | None = None) -> str:
    return subprocess.run(["docker", *words], input=stdin, capture_output=True, check=True).stdout.decode().strip()
