# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What service_run does on a machine, without Ansible: one command in the code of a service (private to the collection).

What it says goes into a file, line by line and without secrets, from where the controller shows it. Whoever started it may be gone
meanwhile: the command runs on to its end, or its time is over, and nothing of it is left.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import typing as t

from ..container.log import shown
from ..errors import SlipwayError
from ..masking import mask
from ..process.one_off import Client, script_client, unit_client
from ..state.journal import file_errors
from ..system import System
from .one_side import read_secrets
from .service_logs import kept_secrets

STALE = 86400.0  # seconds after which an output is removed that nobody has fetched
KEY = "run:{platform}/{environment}"  # runs of one platform do not exclude each other; its name is for those who look

Params = t.Mapping[str, t.Any]


def perform(params: dict[str, t.Any], check: bool) -> dict[str, t.Any]:
    """What the module returns, C(failed) included.

    :param params: by C(service_arguments.SERVICE_RUN), with every default filled in.
    """
    try:
        return run(params, System(), check)
    except SlipwayError as error:
        return {"failed": True, **error.result()}


def run(params: Params, system: System, check: bool) -> dict[str, t.Any]:
    """Everything but the exit."""
    secrets = read_secrets(params["secrets"])
    program = params["command"][0]
    if check:
        return {
            "changed": True,
            "actions": [f"run {program} beside {params['replica'] or params['image']}, and remove what it ran in"],
            "exit_code": None,
        }
    began = system.monotonic()
    hidden = [*secrets.values(), *kept_secrets(system, params)]
    with _output(system, params) as say, _client(params, system, secrets) as client:
        status = _follow(client.argv, client.reads, params["timeout"], lambda text: say(shown(mask(text, hidden))))
    if status is None:
        raise SlipwayError(
            f"it was ended: it had {params['timeout']:g} s", obj=program,
            remedy="Give it more with -e slipway_run_timeout=…", cause="timeout",
        )  # fmt: skip
    seconds = round(system.monotonic() - began, 1)
    return {"changed": True, "actions": [f"{program} ended with {status}"], "exit_code": status, "seconds": seconds}


@contextlib.contextmanager
def _client(params: Params, system: System, secrets: t.Mapping[str, str]) -> t.Iterator[Client]:
    """The command of this machine that runs it; nothing of it is left afterwards."""
    if params["model"] == "process":
        name = f"slipway-once-{os.path.basename(params['output'])}"
        given = {"name": name, "command": params["command"], "timeout": params["timeout"]}
        if params["manager"] == "systemd":
            yield unit_client(system, params["replica"], **given)
        else:
            base = os.path.join(params["code_root"], params["platform"], params["environment"])
            yield script_client(system, base, params["replica"], **given)
        return
    from ..container.engine import Engine
    from ..container.one_off import OneOffs, scope_of
    from ..container.spec import parse_services

    service = parse_services({"service": params["service"]}, "blue")[0]
    scope = scope_of(KEY.format(**params), params["platform"], params["environment"], params["version"])
    runs = OneOffs(Engine(), system, scope, _settings(params, service, secrets))
    runs.keeps = False
    with runs.tidied(), runs.entered(params["command"], "", {}, ()) as argv:
        yield Client(argv)


def _settings(params: Params, service: t.Any, secrets: t.Mapping[str, str]) -> t.Any:
    """As the service's own replicas have it, but for ports and what concerns a program that goes on."""
    from ..container.one_off import Settings

    missing = [name for name in [*service.secrets, *service.env_secrets] if name not in secrets]
    if missing:
        raise SlipwayError(
            "no value for a secret", obj="slipway_secrets", actual=", ".join(missing),
            remedy="Add it to slipway_secrets.", cause="secret_missing",
        )  # fmt: skip
    own = {"network", "network_mode"} & set(service.container)
    return Settings(
        image=params["image"],
        env=service.env,
        secrets={name: secrets[name] for name in service.secrets},
        env_secrets={name: secrets[name] for name in service.env_secrets},
        network="" if own else "bridge",  # of the engine, as a service without one gets it
        keywords=service.container,
        pull="never",
    )


def _follow(argv: t.Sequence[str], reads: bytes, timeout: float, say: t.Callable[[str], None]) -> int | None:
    """Run it and hand on each line; its exit status, None when it was ended because its time was over."""
    over = threading.Event()
    with subprocess.Popen(  # pylint: disable=ansible-bad-function  # it is read while it runs
        argv, stdin=subprocess.PIPE if reads else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as client:

        def end() -> None:
            over.set()
            client.kill()

        timer = threading.Timer(timeout, end)
        timer.start()
        try:
            if client.stdin:
                client.stdin.write(reads)
                client.stdin.close()
            for line in client.stdout or ():
                say(line.decode("utf-8", "replace").rstrip("\n"))
            status = client.wait()
        finally:
            timer.cancel()
    return None if over.is_set() else status


@contextlib.contextmanager
def _output(system: System, params: Params) -> t.Iterator[t.Callable[[str], None]]:
    """Writes lines to the file that the controller reads; nobody but who acts can read it."""
    path = params["output"]
    base = os.path.join(params["root"], params["platform"], params["environment"], "runs")
    if not path or os.path.dirname(path) != base or not re.fullmatch("[0-9a-f]{16}", os.path.basename(path)):
        wanted = f"{base}/ and 16 hexadecimal digits"
        raise SlipwayError("not a place for it", obj="output", actual=path, wanted=wanted, cause="invalid")
    system.make_directory(base, mode=0o700)
    _sweep(system, base)
    with file_errors(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as stream:

        def say(text: str) -> None:
            stream.write(f"{text}\n")
            stream.flush()

        yield say


def _sweep(system: System, base: str) -> None:
    for name in os.listdir(base):
        path = os.path.join(base, name)
        with contextlib.suppress(OSError):
            if system.wall() - os.lstat(path).st_mtime > STALE:
                os.unlink(path)
