# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lab machines read and reset behind Slipway's back: as root, past the network."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import typing as t

from tests.lab import Lab

# Everything that a release leaves on a machine; the machine stays provisioned, pulled images stay.
_RESET = r"""
containers=$(docker ps -aq --filter label=slipway.platform)
[ -z "$containers" ] || docker rm -f $containers >/dev/null
images=$(docker images --format '{{.Repository}}:{{.Tag}}' 'slipway/*')
[ -z "$images" ] || docker rmi $images >/dev/null
rm -rf /var/lib/slipway/* /etc/haproxy/slipway.d/* /etc/nginx/slipway.d/* /etc/caddy/slipway.d/* /etc/slipway-lab-faketime
systemctl stop nginx caddy
if [ -e /etc/haproxy/slipway.d ]; then systemctl reset-failed haproxy; systemctl restart haproxy; fi
"""

_CONTAINERS = r"""
ids=$(docker ps -aq --filter label=slipway.platform)
[ -z "$ids" ] || docker inspect $ids
"""

# Files by content and time, containers by state, weights by the proxy's own word. In the directories of the engines the
# process that stays for a release has its socket, and takes it away when it ends.
_SNAPSHOT = r"""
for directory in /var/lib/slipway /etc/haproxy /etc/nginx /run/haproxy; do
  [ -e $directory ] && find $directory \( -type f -o -type d \) ! -name '*.lock' ! \( -type d -path '*/slipway/engine/*' \) \
    -printf '%p %m %U %s %T@\n' | sort
done
docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.Image}}'
docker ps -aq | xargs -r docker inspect --format \
  '{{.Name}} {{.State.Status}} {{.State.StartedAt}} {{.HostConfig.RestartPolicy.Name}}'
docker images --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort
systemctl show haproxy nginx docker --property=MainPID,ActiveState,NRestarts
[ ! -S /run/haproxy/slipway.sock ] || python3 -c '
import socket
link = socket.socket(socket.AF_UNIX)
text = ""
if not link.connect_ex("/run/haproxy/slipway.sock"):  # else left over by a process that had one
    link.sendall(b"show servers state\n")
    text = link.makefile().read()
print("\n".join(" ".join(line.split()[:9]) for line in text.splitlines()))
'
"""


class Container(t.NamedTuple):
    """One container of Slipway's."""

    name: str
    platform: str
    environment: str
    service: str
    side: str
    version: str
    release: str
    running: bool
    restart: str  # the restart policy's name
    memory: int  # bytes, 0 for no limit


def each(machines: t.Iterable[str], action: t.Callable[[str], t.Any]) -> dict[str, t.Any]:
    """Do something on all machines at once; machine to what came of it."""
    names = list(machines)
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(names)) as pool:
        return dict(zip(names, pool.map(action, names)))


def shell(lab: Lab, machine: str, script: str, *args: str, check: bool = True) -> str:
    """Run a script on a machine; its standard output."""
    return lab.exec(machine, ["sh", "-c", script, "sh", *args], check=check).stdout


@contextlib.contextmanager
def broken(lab: Lab, machine: str, script: str, mend: str) -> t.Iterator[None]:
    """A machine with something wrong with it, mended afterwards whatever happens."""
    try:
        shell(lab, machine, script)
        yield
    finally:
        shell(lab, machine, mend)


def reset(lab: Lab, machines: t.Iterable[str]) -> None:
    """Bring machines to where nothing was ever released on them, and heal partitions."""
    each(machines, lab.heal)
    each(machines, lambda machine: shell(lab, machine, _RESET))


def snapshot(lab: Lab, machines: t.Iterable[str]) -> dict[str, list[str]]:
    """All that a release could touch on each machine. Equal before and after means that nothing was touched."""
    return each(machines, lambda machine: shell(lab, machine, _SNAPSHOT).splitlines())


def secret(lab: Lab, machine: str, path: str, where: str = "shop/production") -> str:
    """A secret as a program finds it: ``side/service/NAME``."""
    return lab.exec(machine, ["cat", f"/var/lib/slipway/{where}/secrets/{path}"]).stdout


def containers(lab: Lab, machine: str) -> list[Container]:
    """The containers of Slipway's on a machine, running or not."""
    found = json.loads(shell(lab, machine, _CONTAINERS) or "[]")
    return sorted(_container(one) for one in found)


def journal(lab: Lab, machine: str, platform: str = "shop", environment: str = "production") -> list[dict[str, t.Any]]:
    """The records of a machine's journal; none where there is none."""
    path = f"/var/lib/slipway/{platform}/{environment}/journal.jsonl"
    text = lab.exec(machine, ["cat", path], check=False).stdout
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def _container(one: dict[str, t.Any]) -> Container:
    labels = one["Config"]["Labels"]
    return Container(
        name=one["Name"].lstrip("/"),
        **{key: labels.get(f"slipway.{key}", "") for key in Container._fields[1:7]},
        running=one["State"]["Running"],
        restart=one["HostConfig"]["RestartPolicy"]["Name"],
        memory=one["HostConfig"]["Memory"],
    )
