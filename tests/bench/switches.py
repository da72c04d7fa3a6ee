# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred switches and a million requests: what fails, how fast the traffic moves, and when the old side is empty."""

from __future__ import annotations

import json
import subprocess
import typing as t

from tests.lab import Lab
from tests.lab.load import SHOP, LoadRun
from tests.shop import Site

from .measure import Row, spread
from .releases import Failed

SWITCHES = 100
WRK_SECONDS = 150

PLAY = """
- hosts: slipway_proxy
  gather_facts: false
  tasks:
    - slipway.deploy.traffic_switch: "{{ switch_options | combine({'weights': item}) }}"
      loop: "{{ [{'blue': 100, 'green': 0}, {'blue': 0, 'green': 100}] * (%d // 2) }}"
      register: switched
    - copy:
        content: "{{ switched.results | map(attribute='switched_ms') | list | to_json }}"
        dest: "{{ playbook_dir }}/switched.json"
        mode: "0600"
      delegate_to: localhost
      vars: {ansible_connection: local, ansible_become: false}
"""


def measure(lab: Lab, site: Site, url: str) -> t.Iterator[Row]:
    """Switch back and forth while wrk saturates the page and the load generator keeps streams and uploads open."""
    first, second = (["deploy.yml", "-e", f"slipway_version={version}"] for version in ("1.0.0", "1.1.0"))
    for arguments in (["provision.yml"], first, second):
        done = site.run(*arguments)
        if done.rc:
            raise Failed(done.output[-2000:])
    both_sides_run(lab)
    (site.directory / "switches.yml").write_text(PLAY % SWITCHES)
    wrk = subprocess.Popen(
        ["wrk", "-t1", "-c20", f"-d{WRK_SECONDS}s", f"{url}/version"],
        stdout=subprocess.PIPE,
        text=True,
        stderr=subprocess.STDOUT,
    )
    with LoadRun(url, rate=20, profile=SHOP) as load:
        done = site.run("switches.yml", "-e", json.dumps({"switch_options": options(lab)}))
        said = wrk.communicate()[0]
        result = load.stop()
    if done.rc:
        raise Failed(done.output[-2000:])
    times = [float(value) for value in json.loads((site.directory / "switched.json").read_text()) if value is not None]
    fast, failed = wrk_figures(said)
    requests, failures = fast + result.requests, failed + result.failed
    yield Row("the command that moves the traffic, read-back included", spread(times, "ms"), "under the load below")
    streams = sum(result.by_kind[kind].requests for kind in ("ws", "sse") if kind in result.by_kind)
    bound = f"; with 95 % confidence fewer than 1 in {requests // 3:,}" if not failures else ""
    yield Row(
        f"{len(times)} switches under load",
        f"{failures} of {requests:,} requests failed{bound}",
        f"wrk {fast:,}, load generator {result.requests:,} with uploads, slow requests and {streams} streams ended",
    )


def both_sides_run(lab: Lab) -> None:
    """Start the idle side too, so that the traffic can go back and forth."""
    lab.exec(
        "app1",
        ["sh", "-c", "docker ps -aq --filter label=slipway.side=blue --filter status=exited | xargs -r docker start"],
    )


def options(lab: Lab) -> dict[str, t.Any]:
    """The options of traffic_switch, as the release that is live froze them in the balancer's journal."""
    text = lab.exec(
        "lb1", ["sh", "-c", "cat $(ls -t /var/lib/slipway/shop/production/releases/*/spec.json | head -n 1)"]
    )
    spec = json.loads(text.stdout)
    return {"platform": "shop", "environment": "production", "gate": 30, **spec["traffic"]}


def wrk_figures(said: str) -> tuple[int, int]:
    """Requests and failures out of what wrk prints: other statuses, and every kind of socket error."""
    requests = failed = 0
    for line in said.splitlines():
        words = line.replace(",", "").split()
        if "requests in" in line:
            requests = int(words[0])
        elif line.strip().startswith("Socket errors"):
            failed += sum(int(word) for word in words if word.isdigit())
        elif line.strip().startswith("Non-2xx"):
            failed += int(words[-1])
    return requests, failed
