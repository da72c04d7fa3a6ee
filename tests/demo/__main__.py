# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo``: release, refuse and roll back the example shop on three machines of the lab, under real traffic."""

from __future__ import annotations

import subprocess
import sys
import time
import typing as t

from tests.lab import Lab, LabError, Registry, ensure_engine
from tests.lab.load import LoadRun
from tests.shop import Site, build, push
from tests.shop.images import SHOP

from .table import Release, render

VERSIONS = ("1.0.0", "1.1.0", "1.2.0")
APPS, BALANCER = ("app1", "app2"), "lb1"
RATE = 200  # requests a second
BASELINE = 3.0  # seconds of traffic before the first release under load


def main() -> int:
    """Show the product; the exit status is 0 when everything went as promised."""
    try:
        ensure_engine()
        return demonstrate(Lab())
    except LabError as error:
        print(f"\nmake demo: {error}", file=sys.stderr)
        return 1


def demonstrate(lab: Lab) -> int:
    """Machines, four releases, and the table."""
    title("Three machines: two for the shop, one balancer (with the database)")
    site = prepare(lab)
    title("Provision them")
    play(site, "provision.yml")
    title("Release 1.0.0, the first one")
    releases = [release(site, "1.0.0", ["deploy.yml", "-e", "slipway_version=1.0.0"])]

    url = f"http://{lab.address(BALANCER)}"
    title(
        f"From here on, {RATE} requests a second to {url}: pages, assets, orders, uploads, slow requests, WebSockets, streams"
    )
    with LoadRun(url, rate=RATE) as load:
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

    print("\n" + render(releases, result), flush=True)
    print(f"\nThe shop still runs at {url} (version 1.0.0). `make clean` removes it, machines and all.")
    as_promised = [one.report["outcome"] for one in releases] == ["succeeded", "succeeded", "reverted", "succeeded"]
    return 0 if as_promised and result.failed == 0 else 1


def prepare(lab: Lab) -> Site:
    """Machines, images, database and inventory. A demo before this one is taken down: every demo is a first one."""
    if lab.machines():
        lab.down()
    lab.create([*APPS, BALANCER])
    registry = Registry(lab).start()
    say(f"building the images of {', '.join(VERSIONS)} and pushing them to the lab's registry")
    build(VERSIONS)
    site = Site(lab, SHOP)
    site.write_inventory(
        {"slipway_app": APPS, "slipway_proxy": [BALANCER]},
        {
            "shop_registry": push(registry, VERSIONS),
            "vault_database_url": lab.setup_database(BALANCER),
            "vm_provision_insecure_registries": [lab.network.subnet],
        },
        replace=False,
    )
    return site


def release(site: Site, version: str, arguments: list[str]) -> Release:
    """Run one playbook and keep its report with its times."""
    started = time.time()
    play(site, *arguments)
    return Release(version, site.report(), started, time.time())


def play(site: Site, playbook: str, *arguments: str) -> None:
    """Run a playbook before the eyes of whoever watches, typed as a person would type it."""
    command = site.command(playbook, *arguments)
    say(f"\033[1m$ {' '.join(command)}\033[0m   (in {site.directory.name}/)")
    subprocess.run(command, cwd=site.directory, env=site.environment(ANSIBLE_FORCE_COLOR="1"), check=False)


def title(text: str) -> None:
    """A heading."""
    print(f"\n\033[1;36m== {text}\033[0m", flush=True)


def say(text: t.Any) -> None:
    """A line."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
