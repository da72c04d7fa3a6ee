# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop as programs of Supervisor or PM2: the same release, by another process manager."""

from __future__ import annotations

import typing as t

import pytest

from tests.integration_local.process.process_site import put_pm2
from tests.lab import Lab
from tests.lab.load import LoadRun

from . import books, check, machines, process_shop
from .interruption import Customers, await_serving
from .machines import each, shell
from .process_shop import Process, ProcessShop
from .settings import RATE
from .test_beside import once
from .test_traffic import CUSTOMERS, jobs_done_once, nothing_lost

APPS = ("app1", "app2")
_PROGRAMS = r"""
cd /etc/supervisor/conf.d
for file in $(ls slipway-shop.*.conf | grep -v '\.boot\.conf$'); do
  for name in $(sed -n 's/^\[program:\(.*\)\]$/\1/p' "$file"); do
    state=inactive; supervisorctl status "$name" | grep -Eq ' (RUNNING|STARTING) ' && state=active
    boot=no; [ ! -e "$name.boot.conf" ] || boot=always
    echo "$name $state $boot $(sed -n 2p "$file")"
  done
done
"""
_CLEAR = """
rm -f /etc/supervisor/conf.d/slipway-shop.*
supervisorctl update
systemctl disable --now supervisor
rm -rf /srv/slipway /var/log/slipway
"""


HOME = "/srv/slipway/shop/production/pm2"
_LISTED = f"""
import glob, json, os, subprocess

home = "{HOME}"
def listed(path):
    return [one["name"] for one in json.load(open(path))] if os.path.exists(path) else []
online = {{}}
if os.path.exists(home + "/rpc.sock"):
    said = subprocess.run(["pm2", "jlist"], env={{**os.environ, "PM2_HOME": home}}, capture_output=True, text=True).stdout
    online = {{one["name"]: one["pm2_env"]["status"] for one in json.loads(said[said.index("["):])}}
for path in sorted(glob.glob(home + "/programs/*.json")):
    about = json.load(open(path))
    for process in about["processes"]:
        name = process["name"]
        state = "active" if online.get(name) == "online" else "inactive"
        boot = "always" if name in listed(home + "/boot.json") else "no"
        print(name, state, boot, json.dumps(about["labels"]))
"""
_CLEAR_PM2 = """
systemctl disable --now slipway-pm2-shop.production
rm -rf /etc/systemd/system/slipway-pm2-* /srv/slipway
systemctl daemon-reload
"""


class SupervisedShop(ProcessShop):
    """The shop on plain machines that have Supervisor."""

    def containers(self, machine: str) -> list[Process]:
        return sorted(process_shop.read_process(line) for line in shell(self.lab, machine, _PROGRAMS).splitlines())


class NodeShop(ProcessShop):
    """The shop on plain machines that have PM2."""

    def containers(self, machine: str) -> list[Process]:
        said = self.lab.exec(machine, ["python3", "-"], stdin=_LISTED).stdout
        return sorted(process_shop.read_process(line) for line in said.splitlines())


@pytest.fixture
def shop(
    lab: Lab, machines: tuple[str, ...], facts: dict[str, t.Any], tmp_path_factory: pytest.TempPathFactory
) -> t.Iterator[SupervisedShop]:
    fresh(lab, machines)
    each(APPS, lambda machine: shell(lab, machine, "systemctl --quiet enable --now supervisor"))
    yield SupervisedShop(lab, tmp_path_factory.mktemp("supervised"), facts=facts, variables=run_by("supervisor"))
    each(APPS, lambda machine: shell(lab, machine, _CLEAR))
    process_shop.clear(lab, APPS)


@pytest.fixture
def node_shop(
    lab: Lab, machines: tuple[str, ...], facts: dict[str, t.Any], tmp_path_factory: pytest.TempPathFactory
) -> t.Iterator[NodeShop]:
    fresh(lab, machines)
    each(APPS, lambda machine: put_pm2(lab, machine))
    yield NodeShop(lab, tmp_path_factory.mktemp("pm2"), facts=facts, variables=run_by("pm2"))
    each(APPS, lambda machine: shell(lab, machine, _CLEAR_PM2))
    process_shop.clear(lab, APPS)


def fresh(lab: Lab, names: t.Sequence[str]) -> None:
    """Machines on which nothing was ever released."""
    machines.reset(lab, names)
    process_shop.prepare(lab, APPS, ("1.0.0", "1.1.0", "1.2.0"))


def run_by(manager: str) -> dict[str, t.Any]:
    """The variables of another manager: the directives of the example are those of systemd."""
    own = {name: {"unit": {}} for name in process_shop.services()}
    return {"slipway_process": {"manager": manager}, "slipway_services": process_shop.services(**own)}


@pytest.mark.sample(1, of="managers")
def test_supervisor_loses_no_request_by_a_release_and_its_rollback(
    shop: SupervisedShop, record_property: t.Callable[[str, object], None]
) -> None:
    """Guarantees 1, 5 and 6."""
    check.succeeded(shop.deploy("1.0.0"))
    before = books.stats(shop)
    with LoadRun(shop.url, rate=RATE, profile=CUSTOMERS) as load:
        check.succeeded(shop.deploy("1.1.0"))
        check.succeeded(shop.rollback())
        result = load.stop()
    check.all_on(shop, "1.0.0")
    nothing_lost(result, record_property)
    assert set(result.by_version) >= {"1.0.0", "1.1.0"}
    jobs_done_once(shop, before, result)


@pytest.mark.sample(1, of="managers")
def test_pm2_loses_no_request_by_a_release_its_rollback_and_a_version_that_is_refused(
    node_shop: NodeShop, record_property: t.Callable[[str, object], None]
) -> None:
    """Guarantees 1, 4, 5 and 6; and a command in the code of what is live."""
    check.succeeded(node_shop.deploy("1.0.0"))
    before = books.stats(node_shop)
    with LoadRun(node_shop.url, rate=RATE, profile=CUSTOMERS) as load:
        check.succeeded(node_shop.deploy("1.1.0"))
        again = node_shop.deploy("1.1.0")
        check.succeeded(again)
        assert again.changed == 0, again.output
        check.succeeded(node_shop.rollback())
        result = load.stop()
    check.all_on(node_shop, "1.0.0")
    nothing_lost(result, record_property)
    assert set(result.by_version) >= {"1.0.0", "1.1.0"}
    jobs_done_once(node_shop, before, result)
    with Customers(node_shop) as customers:
        check.refused(node_shop.deploy("1.2.0"), "PAYMENT_URL is missing", "1.0.0 serves as before")
        found = once(node_shop, ["sh", "-c", "id -un; cat VERSION; cat $DATABASE_URL_FILE"])
        assert customers.all_served()
    check.succeeded(found)
    assert "\nshop\n1.0.0********\n" in found.output, found.output
    check.all_on(node_shop, "1.0.0")
    machines.each(APPS, lambda machine: node_shop.lab.reboot(machine, power_loss=True))
    await_serving(node_shop)
    check.all_on(node_shop, "1.0.0")
