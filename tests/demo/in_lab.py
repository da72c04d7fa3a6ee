# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo on three machines of the lab."""

from __future__ import annotations

from tests.lab import Lab, Registry
from tests.shop import Site, build, push
from tests.shop.images import SHOP

from .show import VERSIONS, demonstrate, play, say, title

APPS, BALANCER = ("app1", "app2"), "lb1"


def run(lab: Lab) -> int:
    """Machines, releases, the table; the exit status."""
    title("Three machines: two for the shop, one balancer (with the database)")
    site = prepare(lab)
    title("Provision them")
    # The database of the example's inventory is on the balancer here.
    if not play(site, "provision.yml", "--limit", "slipway_app:slipway_proxy"):
        return 1
    url = f"http://{lab.address(BALANCER)}"
    as_promised = demonstrate(site, url)
    say(f"\nThe shop still runs at {url} (version 1.0.0). `make clean` removes it, machines and all.")
    return 0 if as_promised else 1


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
