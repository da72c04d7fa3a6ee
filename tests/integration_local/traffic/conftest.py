# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each test gets proxies and programs of its own."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
import typing as t

import pytest

from tests.integration_local.places import free_port

from .apps import App
from .proxies import TRAEFIK, RealCaddy, RealHaproxy, RealNginx
from .real_traefik import RealTraefik

# Not even collected where nobody has asked for it.
collect_ignore = [] if TRAEFIK else ["test_traefik_switch.py"]


@pytest.fixture
def directory() -> t.Iterator[pathlib.Path]:
    """Short, because a socket's path may have 107 bytes."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="slipway-t-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def haproxy(directory: pathlib.Path) -> t.Iterator[RealHaproxy]:
    proxy = RealHaproxy(directory)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def nginx(directory: pathlib.Path) -> t.Iterator[RealNginx]:
    directory.chmod(0o755)
    proxy = RealNginx(directory)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def caddy(directory: pathlib.Path) -> t.Iterator[RealCaddy]:
    proxy = RealCaddy(directory)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def traefik(directory: pathlib.Path, port: int) -> t.Iterator[RealTraefik]:
    proxy = RealTraefik(directory, port)
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def blue() -> t.Iterator[App]:
    app = App("blue")
    yield app
    app.stop()


@pytest.fixture
def green() -> t.Iterator[App]:
    app = App("green")
    yield app
    app.stop()


@pytest.fixture
def port() -> int:
    return free_port()
