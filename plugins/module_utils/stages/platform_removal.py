# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What platform_removal does on a machine, without Ansible (private to the collection)."""

from __future__ import annotations

import contextlib
import glob
import os
import typing as t

from ..errors import SlipwayError
from ..state.machine import Machine, ReleaseToken
from ..system import System

UNITS = "/etc/systemd/system"
TIMERS = ("backup", "prove", "drill", "acme")  # as backup_schedule calls them, and vm_provision
# What vm_provision writes beside the timer of a certificate.
ACME = ("/usr/local/sbin/slipway-acme-{name}", "/etc/slipway/acme/{name}.balancers")
CERTBOT = "/etc/letsencrypt/live/slipway-{name}"
COMMAND_SECONDS = 60.0

Params = t.Mapping[str, t.Any]


class Part(t.NamedTuple):
    """Something of the platform on this machine."""

    removes: list[str]
    stays: list[str]
    remove: t.Callable[[], None]


def perform(params: dict[str, t.Any], check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(removal_arguments.PLATFORM_REMOVAL), with every default filled in.
    """
    try:
        return run(params, System(), check)
    except SlipwayError as error:
        return {"failed": True, **error.result()}


def run(
    params: Params, system: System, check: bool, *, find: t.Callable[..., list[Part]] | None = None
) -> dict[str, t.Any]:
    """Everything but the exit.

    :param find: what the platform has here; only tests hand in another.
    """
    machine = Machine(system, root=params["root"], platform=params["platform"], environment=params["environment"])
    find = find or parts_of
    parts = find(params, system)
    state = [machine.directory] if params["state"] == "removed" and os.path.isdir(machine.directory) else []
    removes = [line for part in parts for line in part.removes] + state
    result = {
        "changed": bool(removes),
        "removes": removes,
        "stays": [line for part in parts for line in part.stays],
        "actions": [f"remove {line}" for line in removes],
        "diff": {"before": "".join(f"{line}\n" for line in removes), "after": ""},
    }
    release = ReleaseToken.parse(params["release"]) if params["release"] else None
    if check or (release is None and not removes):
        return result
    with stage(machine, params):
        for part in parts:
            if part.removes:
                part.remove()
        expect_nothing([line for part in find(params, system) for line in part.removes])
    if params["state"] == "removed":
        from ..state.removal import delete_state

        delete_state(machine, release)
    return result


@contextlib.contextmanager
def stage(machine: Machine, params: Params) -> t.Iterator[None]:
    """The stage of the release, or this machine's flock alone."""
    release = params["release"]
    how: t.ContextManager[t.Any] = (
        machine.stage(ReleaseToken.parse(release), release["stage"], release["deadline"])
        if release
        else machine.alone()
    )
    with how:
        yield


def expect_nothing(left: t.Sequence[str]) -> None:
    """Read back that all is gone.

    :raises SlipwayError: C(not_removed).
    """
    if left:
        raise SlipwayError(
            "is there still, after it was removed",
            obj=", ".join(left),
            remedy="Find out who has made it anew, then run it again.",
            cause="not_removed",
        )


# What there is ------------------------------------------------------------------------------------------------


def parts_of(params: Params, system: System) -> list[Part]:
    """All that is to go, in the order in which it goes: first where clients come in."""
    proxy = [of_proxy(params, system)] if "proxy" in params["parts"] else []
    if params["state"] == "unrouted":
        return proxy
    app = [of_model(params, system)] if "app" in params["parts"] else []
    return [*proxy, *app, of_timers(params, system)]


def of_proxy(params: Params, system: System) -> Part:
    """The platform's part of the balancer."""
    from ..traffic.factory import provider

    names = {"platform": params["platform"], "environment": params["environment"]}
    proxy = provider(params["provider"], system, settings={"root": params["root"]}, **names)

    def remove() -> None:
        with proxy.lock():
            proxy.remove()

    return Part(proxy.belongings(), proxy.keeps(), remove)


def of_model(params: Params, system: System) -> Part:
    """What runs, and what could run again; only that model is imported."""
    if params["model"] == "process":
        from ..process import removal as of_processes
        from ..process.factory import make_manager
        from .process_deploy import make_scope

        scope = make_scope(params)
        manager = make_manager(params["manager"], system, scope.base)
        found = of_processes.belongings(scope, manager)
        return Part(found.told(), found.shared, lambda: of_processes.remove(found, scope, manager))
    from ..container import removal as of_containers
    from ..container.engine import Engine
    from ..container.spec import Scope

    engine, names = Engine(), (params["platform"], params["environment"])
    gone = of_containers.belongings(Scope(*names, os.path.join(params["root"], *names)), system, engine)
    volumes = [f"volume {name}" for name in gone.volumes]
    return Part(gone.told(), volumes, lambda: of_containers.remove(gone, engine))


def of_timers(params: Params, system: System) -> Part:
    """The timers of its backups and of its certificate, and what they have of it; no backup, and nothing of certbot's own."""
    from ..backup.factory import STATE

    name = f"{params['platform']}-{params['environment']}"
    units = [f"{UNITS}/slipway-{kind}-{name}.{end}" for kind in TIMERS for end in ("timer", "service")]
    order = os.path.join(params["root"], STATE, f"{name}.order.json")
    own = [order, *(path.format(name=name) for path in ACME)]
    there = [path for path in [*units, *own] if os.path.lexists(path)]

    def remove() -> None:
        timers = [os.path.basename(path) for path in there if path.endswith(".timer")]
        if timers:
            system.run(["systemctl", "disable", "--now", *timers], timeout=COMMAND_SECONDS)
        for path in there:
            system.unlink(path)
        if set(there) & set(units):
            system.run(["systemctl", "daemon-reload"], timeout=COMMAND_SECONDS)

    kept = sorted(set(glob.glob(os.path.join(params["root"], STATE, f"{glob.escape(name)}.*"))) - {order})
    certificate = CERTBOT.format(name=name)
    return Part(there, [*kept, *([certificate] if os.path.isdir(certificate) else [])], remove)
