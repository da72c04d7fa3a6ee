# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo shows, wherever it runs: release, refuse and roll back the example shop under real traffic."""

from __future__ import annotations

import subprocess
import time
import typing as t

from tests.lab.load import LoadRun
from tests.shop import Site

from .table import Release, render

VERSIONS = ("1.0.0", "1.1.0", "1.2.0")
RATE = 200  # requests a second
BASELINE = 3.0  # seconds of traffic before the first release under load
PROMISED = ["succeeded", "succeeded", "reverted", "succeeded"]


def demonstrate(site: Site, url: str, *, rate: float = RATE) -> bool:
    """Four releases and the table; whether everything went as promised.

    :param url: of the shop.
    """
    title("Release 1.0.0, the first one")
    releases = [release(site, "1.0.0", ["deploy.yml", "-e", "slipway_version=1.0.0"])]

    what = "pages, assets, orders, uploads, slow requests, WebSockets, streams"
    title(f"From here on, {rate:g} requests a second to {url}: {what}")
    with LoadRun(url, rate=rate) as load:
        time.sleep(BASELINE)
        title("Release 1.1.0, blue/green")
        releases.append(release(site, "1.1.0", ["deploy.yml", "-e", "slipway_version=1.1.0"]))
        title("Release 1.2.0, which starts and then fails its health check")
        releases.append(
            release(site, "1.2.0", ["deploy.yml", "-e", "slipway_version=1.2.0", "-e", "slipway_allow_bad=true"])
        )
        title("Roll back to 1.0.0")
        releases.append(release(site, "1.0.0", ["rollback.yml", "-e", "slipway_rollback_to=1.0.0"]))
        result = load.stop()

    say("\n" + render(releases, result))
    return [one.report["outcome"] for one in releases] == PROMISED and result.failed == 0


def release(site: Site, version: str, arguments: list[str]) -> Release:
    """Run one playbook and keep its report with its times."""
    started = time.time()
    play(site, *arguments)
    return Release(version, site.report(), started, time.time())


def play(site: Site, playbook: str, *arguments: str) -> bool:
    """Run a playbook before the eyes of whoever watches, typed as a person would type it; whether it went well."""
    command = site.command(playbook, *arguments)
    say(f"\033[1m$ {' '.join(command)}\033[0m   (in {site.directory.name}/)")
    done = subprocess.run(command, cwd=site.directory, env=site.environment(ANSIBLE_FORCE_COLOR="1"), check=False)
    return done.returncode == 0


def title(text: str) -> None:
    """A heading."""
    print(f"\n\033[1;36m== {text}\033[0m", flush=True)


def say(text: t.Any) -> None:
    """A line."""
    print(text, flush=True)
