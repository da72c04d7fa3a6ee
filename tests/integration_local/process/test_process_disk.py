# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real disk that is full, a directory that cannot go, and two releases at once, on a machine with a real systemd."""

from __future__ import annotations

import contextlib
import threading
import typing as t

import pytest

from .process_site import Killed, Site


@pytest.fixture
def small(site: Site) -> t.Iterator[Site]:
    """A site whose code is on a disk of 2 MiB."""
    root = f"/srv/small-{site.platform}"
    site.sh(f"mkdir {root} && mount -t tmpfs -o size=2m,mode=755 tmpfs {root}")
    site.base = f"{root}/{site.platform}/test"
    yield site
    site.sh(f"umount -l {root}")


def test_a_full_disk_is_told_by_every_source_and_the_live_side_serves_on(small: Site) -> None:
    site, more = small, {"code_root": f"/srv/small-{small.platform}"}
    site.release("blue", "r1", {"web": site.web("1")}, **more)
    path = site.put("2")
    site.sh(f"head -c 4000000 /dev/urandom > {path}/big && tar -czf {path}.tgz -C {path} .")
    sources = [
        {"kind": "directory", "path": path},
        {"kind": "archive", "path": f"{path}.tgz"},
    ]
    for source in sources:
        error = site.failure("prepared", "green", "r2", {"web": site.web("", source=source)}, **more)
        assert error["cause"] == "no_space", error
    fill = [{"command": ["dd", "if=/dev/zero", "of=big", "bs=1M", "count=4"]}]
    error = site.failure("prepared", "green", "r2", {"web": site.web("1", user="app", build=fill)}, **more)
    assert (error["cause"], error["object"][:18]) == ("no_space", "services.web.build")
    assert (site.get("blue"), site.current()) == ("1", "releases/r1")
    site.sh(f"mount -o remount,size=50m {more['code_root']}")
    services = {"web": site.web("", source=sources[1])}
    site.release("green", "r2", services, **more)
    assert (site.get("green"), site.sh(f"cmp {path}/big {site.base}/current/web/big && echo same")) == ("2", "same")


def test_a_release_that_something_is_mounted_in_is_left_with_a_warning(site: Site) -> None:
    for side, release in (("blue", "r1"), ("green", "r2")):
        site.release(side, release, {"web": site.web(release)})
    held = f"{site.base}/releases/r1/web"
    site.sh(f"mkdir {held}/mounted && mount -t tmpfs tmpfs {held}/mounted")
    services = {"web": site.web("3")}
    for state in ("prepared", "decided"):
        site.run(state, "blue", "r3", services, keep=1)
    settled = site.run("settled", "blue", "r3", services, keep=1)
    assert "cannot be removed" in " ".join(settled["warnings"]) and (site.get("blue"), site.current()) == (
        "3",
        "releases/r3",
    )
    site.sh(f"umount {held}/mounted")
    site.run("settled", "blue", "r3", services, keep=1)
    assert site.sh(f"ls {site.base}/releases") == "r3"


def test_two_runs_at_once_come_one_after_the_other(site: Site) -> None:
    site.release("blue", "r1", {"web": site.web("1")})
    services = {release: {"web": site.web(release)} for release in ("r2", "r3")}
    results: dict[str, t.Any] = {}

    def prepare(release: str) -> None:
        results[release] = site.try_run("prepared", "green", release, services[release])

    threads = [threading.Thread(target=prepare, args=(release,)) for release in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result for result in results.values() if result.get("failed")] == []
    last = site.get("green")
    assert last in services and site.get("blue") == "1"
    assert not site.run("prepared", "green", last, services[last])["changed"]


@pytest.mark.sample(1, of="build")
@pytest.mark.parametrize("kill", range(1, 31))
def test_a_build_that_was_killed_is_made_anew(site: Site, kill: int) -> None:
    build = [{"command": ["sh", "-c", "test ! -e began; touch began; sleep 0.1; touch ended"]}]
    services = {"web": site.web("1", user="app", build=build)}
    with contextlib.suppress(Killed):
        site.run("prepared", "blue", "r1", services, kill=kill)
    site.run("prepared", "blue", "r1", services)
    assert (site.get("blue"), site.sh(f"ls {site.base}/releases/r1/web")) == ("1", "app.py\nbegan\nended\nversion")
