#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_probe
short_description: Wait until services are healthy, or say why they are not
version_added: "0.1.0"
author: "Slipway maintainers (@slipway)"
description:
  - Probes many targets at the same time from the machine that the module runs on. A target is an HTTP or HTTPS
    address, a TCP port, a command or a Docker container.
  - A target is healthy after O(successes) successes in a row over at least O(minimum) seconds.
  - A target that is not healthy at the O(deadline) fails the task, with a named cause, the evidence for it, and what to
    do about it. The named causes are listed at RV(results[].cause).
  - A target may name the container behind its address (O(targets[].companion)). When that container has exited, ran out
    of memory, cannot be started, has no image, or listens on another port, waiting is of no use, and the wait ends at
    once.
attributes:
  check_mode:
    support: full
    description: A probe changes nothing, so it really runs in check mode too. Commands must not change anything either.
  diff_mode:
    support: none
    description: There is nothing to show, because nothing is changed.
  idempotent:
    support: full
    description: Never changes anything.
requirements:
  - The Docker SDK for Python 5.0.3 or newer (on Debian and Ubuntu the package python3-docker), only for containers
options:
  targets:
    description: What to probe. Every target may have its own O(successes), O(minimum) and so on.
    type: list
    elements: dict
    required: true
    suboptions:
      kind:
        description: One of V(http), V(tcp), V(command) and V(container).
        type: str
        default: http
      name:
        description: How results and messages call the target. By default the address it is reached by.
        type: str
      url:
        description:
          - For V(http), the whole address with V(http://) or V(https://). Redirects are not followed, they are failures
            of their own.
          - A certificate must be valid for the name in the header C(Host), if one is given, else for the host of the
            URL.
        type: str
      method:
        description: For V(http), the request method. V(GET) if not given.
        type: str
      headers:
        description:
          - For V(http), request headers. C(Host) replaces the host of the URL.
          - List secret values in O(secrets) too. Values of headers whose name says that they are secret
            (C(Authorization), C(Cookie), names with C(token), C(secret), C(key) or C(password)) are left out of the
            result in any case.
        type: dict
      body:
        description: For V(http), the request body, sent as UTF-8.
        type: str
      status:
        description: For V(http), the expected status codes. 200 to 299 if not given.
        type: list
        elements: int
      contains:
        description: For V(http), a text that must be in the first 256 KiB of the body.
        type: str
      validate_certs:
        description: For V(http), whether TLS certificates are checked. They are if not given.
        type: bool
      ca_path:
        description:
          - For V(http), a file or a directory of certificates that are trusted instead of those of the machine.
        type: path
      host:
        description: For V(tcp), the host name or address.
        type: str
      port:
        description:
          - For V(tcp), the port.
          - A server that accepts the connection and closes it within 0.2 seconds is not healthy, because that is what
            the proxy of Docker does when nothing listens inside of the container.
        type: int
      argv:
        description: For V(command), the program and its arguments. Exit status 0 is a success. There is no shell.
        type: list
        elements: str
      container:
        description: For V(container), its name. It must run, and be healthy if it has a health check of its own.
        type: str
      companion:
        description: For V(http), V(tcp) and V(command), the name of the container that a failed try is looked for in.
        type: str
      image:
        description: The image of the container, to tell a missing image from a missing container.
        type: str
      successes:
        description: Instead of O(successes).
        type: int
      minimum:
        description: Instead of O(minimum).
        type: float
      interval:
        description: Instead of O(interval).
        type: float
      timeout:
        description: Instead of O(timeout).
        type: float
      deadline:
        description: Instead of O(deadline).
        type: float
      wrong_port_after:
        description: Instead of O(wrong_port_after).
        type: float
  successes:
    description: So many successful tries in a row make a target healthy.
    type: int
    default: 3
  minimum:
    description: Seconds that lie at least between the first and the last of them; may be 0.
    type: float
    default: 2.0
  interval:
    description: Seconds between two tries.
    type: float
    default: 0.5
  timeout:
    description: The most seconds that one try may take, from the connection to the last byte of the answer.
    type: float
    default: 2.0
  deadline:
    description: Seconds after which a target has failed.
    type: float
    default: 60.0
  wrong_port_after:
    description:
      - Seconds that a container must listen on other ports only, the same ones all the time, before the wait ends with
        V(wrong_port). At least two tries see it.
      - Raise it for programs that open a port for metrics or debugging long before the real one.
    type: float
    default: 2.0
  secrets:
    description:
      - Values that must not be shown. They are replaced by stars in messages, bodies, headers and log lines, also
        percent-encoded or as JSON writes them; values of less than four characters only where they stand alone.
      - Passwords inside of URLs are replaced without being listed.
    type: list
    elements: str
    default: []
seealso:
  - module: slipway.deploy.container_deploy
  - module: slipway.deploy.traffic_switch
"""

EXAMPLES = r"""
- name: Wait for two replicas, a database and a worker at once
  slipway.deploy.health_probe:
    deadline: 30
    targets:
      - name: backend/1
        url: http://127.0.0.1:20000/health
        companion: slipway-shop-production-backend-1
      - name: backend/2
        url: http://127.0.0.1:20001/health
        companion: slipway-shop-production-backend-2
      - name: database
        kind: command
        argv: [pg_isready, --host=127.0.0.1]
      - name: worker
        kind: container
        container: slipway-shop-production-worker-1

- name: Is the shop there, by its own name, on a machine that DNS does not point to yet?
  slipway.deploy.health_probe:
    successes: 1
    minimum: 0
    deadline: 5
    targets:
      - url: https://127.0.0.1/api/products
        headers:
          Host: shop.example.com
          Authorization: "Bearer {{ shop_token }}"
        contains: '"items"'
    secrets:
      - "{{ shop_token }}"
"""

RETURN = r"""
results:
  description: One entry for each target, in the same order.
  returned: when the targets were probed
  type: list
  elements: dict
  contains:
    name:
      description: The name of the target, or what it is reached by.
      returned: always
      type: str
      sample: backend/1
    healthy:
      description: Whether it is healthy.
      returned: always
      type: bool
      sample: false
    cause:
      description:
        - The named cause, empty when healthy.
        - Of the network V(dns), V(refused), V(timeout), V(unreachable), V(reset), V(empty) (closed without a word).
        - Of the protocol V(tls), V(protocol) (not HTTP), V(redirect), V(host_rejected), V(status), V(body).
        - Of the container V(exited), V(oom), V(start_failed), V(image_missing), V(wrong_port),
          V(wrong_address) (listens on its own loopback only), V(not_running), V(restarting), V(starting), V(unhealthy).
        - Others are V(command), V(unstable) (successes, but not enough of them in a row before the deadline), V(docker)
          and V(docker_sdk_missing).
      returned: always
      type: str
      sample: wrong_port
    message:
      description: What was found and what was wanted.
      returned: always
      type: str
      sample: the program in container backend listens on another port; found '9000', wanted 8080.
    remedy:
      description: What to do about it, empty when healthy.
      returned: always
      type: str
      sample: Set the port of the service to 9000, or let the program listen on 8080.
    evidence:
      description: The facts that prove it, such as status, headers, body, listening ports and log lines.
      returned: always
      type: dict
      sample:
        container: {name: backend, state: running, exit_code: 0, error: "", restarts: 0}
        listening: ["0.0.0.0:9000"]
        logs: [serving on 9000]
    attempts:
      description: The number of tries.
      returned: always
      type: int
      sample: 4
    seconds:
      description: From the first try to the verdict.
      returned: always
      type: float
      sample: 2.1
actions:
  description: One line for each target that explains its verdict.
  returned: when the targets were probed
  type: list
  elements: str
  sample: ["backend/1: healthy: 3 successes in a row over 2.0 s (3 tries)"]
error:
  description: What failed, on which object, the actual and the wanted value, remedy, cause and evidence.
  returned: when the options are not usable
  type: dict
  sample: {what: unknown kind, object: "targets[2].kind", actual: smtp, cause: bad_input}
"""

import re
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.probe.loop import probe_all
from ansible_collections.slipway.deploy.plugins.module_utils.probe.model import Policy, Result, Target
from ansible_collections.slipway.deploy.plugins.module_utils.system import System

POLICY: dict[str, dict[str, t.Any]] = {
    "successes": {"type": "int", "default": 3},
    "minimum": {"type": "float", "default": 2.0},
    "interval": {"type": "float", "default": 0.5},
    "timeout": {"type": "float", "default": 2.0},
    "deadline": {"type": "float", "default": 60.0},
    "wrong_port_after": {"type": "float", "default": 2.0},
}
OWN_OPTIONS: dict[str, dict[str, dict[str, t.Any]]] = {
    "http": {
        "url": {"type": "str"},
        "method": {"type": "str"},
        "headers": {"type": "dict"},
        "body": {"type": "str"},
        "status": {"type": "list", "elements": "int"},
        "contains": {"type": "str"},
        "validate_certs": {"type": "bool"},
        "ca_path": {"type": "path"},
    },
    "tcp": {"host": {"type": "str"}, "port": {"type": "int"}},
    "command": {"argv": {"type": "list", "elements": "str"}},
    "container": {"container": {"type": "str"}},
}
SECRET_HEADER = re.compile(r"authorization|cookie|token|secret|key|password", re.IGNORECASE)


def argument_spec() -> dict[str, t.Any]:
    """No choices and nothing required inside a target: the engine's own messages name the list index."""
    target: dict[str, t.Any] = {
        "kind": {"type": "str", "default": "http"},
        "name": {"type": "str"},
        "companion": {"type": "str"},
        "image": {"type": "str"},
    }
    for options in OWN_OPTIONS.values():
        target.update(options)
    target.update({name: {"type": option["type"]} for name, option in POLICY.items()})
    return {
        "targets": {"type": "list", "elements": "dict", "required": True, "options": target},
        "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
        **POLICY,
    }


def build_target(index: int, given: dict[str, t.Any], policy: Policy) -> Target:
    """Turn the options of one target into the engine's words, its own policy over that of the task.

    :raises SlipwayError: C(bad_input) for an option of another kind, which would be silently of no effect.
    """
    kind = given["kind"]
    options = {name: value for name, value in given.items() if value is not None and name not in POLICY}
    for other, names in OWN_OPTIONS.items():
        for name in names:
            if other != kind and kind in OWN_OPTIONS and name in options:
                raise SlipwayError(
                    f"has no effect with kind {kind}",
                    obj=f"targets[{index}].{name}",
                    remedy=f"Remove it, or set kind to {other}.",
                    cause="bad_input",
                )
    if "headers" in options:
        options["headers"] = {str(name): str(value) for name, value in options["headers"].items()}
    own = {name: given[name] for name in POLICY if given[name] is not None}
    return Target(**options, policy=policy._replace(**own))


def secret_header_values(targets: t.Sequence[Target]) -> set[str]:
    """Values of headers that are secret by their name, and what follows the scheme in an C(Authorization)."""
    values = {value for target in targets for name, value in target.headers.items() if SECRET_HEADER.search(name)}
    values |= {value.partition(" ")[2] for value in values}
    return {value for value in values if len(value) >= 4}


def summary(results: t.Sequence[Result]) -> str:
    """Every failing target with its cause and its remedy."""
    failed = [result for result in results if not result.healthy]
    parts = [
        f"({number}) {result.name}: {result.cause}: {result.message} {result.remedy}"
        for number, result in enumerate(failed, start=1)
    ]
    return f"{len(failed)} of {len(results)} targets not healthy. {' '.join(parts)}"


def act(module: AnsibleModule) -> list[Result]:
    """Probe all targets. Check mode too: nothing is changed."""
    if not module.params["targets"]:
        raise SlipwayError(
            "is empty", obj="targets", wanted="at least one target", remedy="Name what to probe.", cause="bad_input"
        )
    policy = Policy(**{name: module.params[name] for name in POLICY})
    targets = [build_target(index, given, policy) for index, given in enumerate(module.params["targets"])]
    secret_headers = secret_header_values(targets)
    module.no_log_values.update(secret_headers)
    return probe_all(targets, system=System(), policy=policy, secrets={*module.params["secrets"], *secret_headers})


def main() -> t.NoReturn:
    """One call, one exit."""
    module = AnsibleModule(argument_spec(), supports_check_mode=True)
    try:
        results = act(module)
    except SlipwayError as error:
        module.fail_json(**error.result())
    report: dict[str, t.Any] = {
        "changed": False,
        "results": [result._asdict() for result in results],
        "actions": [
            f"{result.name}: {result.message if result.healthy else result.cause} ({result.attempts} tries)"
            for result in results
        ],
    }
    if not all(result.healthy for result in results):
        module.fail_json(msg=summary(results), **report)
    module.exit_json(**report)


if __name__ == "__main__":
    main()
