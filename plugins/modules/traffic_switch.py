#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_switch
short_description: Move traffic between the two sides of a platform
version_added: "0.1.0"
author: "Slipway maintainers (@slipway)"
extends_documentation_fragment:
  - slipway.deploy.platform
  - slipway.deploy.stage
  - slipway.deploy.tls
description:
  - Moves the traffic of a platform between its sides V(blue) and V(green) on the proxy of this machine, by weights.
    Each side gets its share of the requests of every service, however many servers it has.
  - The order is always the same. The proxy itself must see every server healthy that is to get traffic; until then
    nothing that serves is taken away or rerouted. Routes and weights are moved, read back and written down. Then the
    new side is watched by real traffic while the old side drains. When the watch fails, routes, services and weights
    from before come back.
  - With HAProxy the weights move at run time, and a reload happens only for a new structure. When servers are missing
    that are to get traffic, HAProxy is first reloaded with them beside all that is in force. When routes, the address
    to listen on or checks change, or servers leave, one reload changes structure and weights together. The
    configuration and a state file per backend carry the weights over a reload, a restart and a reboot, also when the
    state file is missing, cut or old.
  - With nginx every change is a reload, which closes idle keep-alive connections.
  - With Caddy all traffic moves from one side to the other at run time. A split, another structure and closing change its
    configuration, which closes idle keep-alive connections, and before version 2.7 every WebSocket.
  - What belongs to Slipway lies in files of its own beside a hand-written configuration, which is only read. The file of
    a platform says in comments what it was rendered from, which is how the structure in force is known. Without them
    a new structure is brought first, the weights after it, and a failed watch brings back the weights alone.
attributes:
  check_mode:
    support: full
    description: Reads the proxy and predicts the actions; whether servers are healthy is not predicted.
  diff_mode:
    support: full
    description:
      - Shows the weights and the file of the platform before and after, without the comments that repeat its structure.
        Values of check headers are hidden.
  idempotent:
    support: full
    description: The same weights again send no command that changes anything.
options:
  provider:
    description: The proxy that moves the traffic.
    type: str
    choices: [haproxy, nginx, caddy, traefik]
    default: haproxy
  state:
    description:
      - V(observed) only reads; it needs O(platform) and O(environment) alone.
      - V(configured) brings the structure to what is wanted; the weights of a platform that the proxy knows stay, a new
        one starts with O(weights). A new service of a known platform starts with the share that each side has of the
        others. Nothing is gated.
      - V(switched) also brings the weights to O(weights).
      - V(closed) lets no request reach the platform, as O(closed) says, and V(opened) lets them again. Both need O(platform) and
        O(environment) alone; routes, servers and weights stay as they are. A platform that is closed stays so over a reload,
        a restart, a reboot, and over V(configured) and V(switched).
      - V(renewed) puts in certificates that are new, and changes nothing else. It needs O(platform) and O(environment), and
        O(tls) for certificates that are made of secrets.
    type: str
    choices: [observed, configured, switched, closed, opened, renewed]
    default: switched
  proxy:
    description:
      - Whether this machine has the proxy. With V(false) nothing is done, but O(release) is honoured, so that one task
        over all machines of a platform renews the lease everywhere.
    type: bool
    default: true
  listen:
    description: The port that the proxy listens on for this platform.
    type: int
    default: 80
  bind:
    description:
      - The addresses that the proxy listens on, with commas between them; V(*) means all of IPv4, V(::) all of IPv4 and IPv6.
    type: str
    default: "*"
  routes:
    description:
      - Which requests go to which service. A route with a host goes before one without, then the longest path.
      - A request without a route is answered with status 404.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: A path and all below it; V(/api) means C(/api) and C(/api/…), not C(/apis).
        type: str
        default: /
      service:
        description: A key of O(services).
        type: str
        required: true
      host:
        description: Only requests for this host.
        type: str
  secrets:
    description:
      - Values of the secrets that O(tls) names. By default those of C(slipway_secrets) that it names, and no others. A
        secret that is not given leaves what the balancer has.
    type: str
    default: ""
  services:
    description:
      - The services with traffic, by name. Each has C(health) and C(sides).
      - C(health) is the proxy's own check with C(path) (default C(/)), C(status) (a list, default C([200])), C(headers)
        (a dictionary; C(Host) is the first host of O(routes) or C(localhost) by default) and C(timeout) in seconds
        (default 2).
      - C(sides) has C(blue) and C(green), each a list of servers with C(name) (begins with the side and an underscore),
        C(address) and C(port). A server that has traffic keeps the address it is known by until it is idle.
    type: dict
    default: {}
  weights:
    description:
      - The share of each side, V(0) to V(100); never both zero. Any split is possible. Required for O(state=switched).
    type: dict
    suboptions:
      blue:
        description: The share of blue.
        type: int
        default: 0
      green:
        description: The share of green.
        type: int
        default: 0
  apart:
    description:
      - The shares of single machines, by name, where O(weights) holds for all others, as while a rolling release is under
        way. What a machine gets in all stays as it is, however many servers it has on either side. With 0 for both it is out.
      - A server's machine is what its name has between its side and its number, C(app1) of C(green_app1_1).
      - Servers of the other machines that have traffic are left unchecked while a check differs from the one in force,
        because the old version may not know it.
      - A machine whose shares are all V(0) gets no traffic, and stays where it is otherwise.
    type: dict
    default: {}
  before:
    description:
      - With O(state=switched), what a proxy serves first that does not know the platform yet - C(routes), C(services) and
        C(weights), as the options of these names. So servers that were made by hand go on serving when the proxy takes over from
        another one.
      - It is of no meaning where the proxy knows the platform.
    type: dict
    default: {}
  anew:
    description: Whether servers that are to get traffic must be seen healthy from now on, whatever was known of them before.
    type: bool
    default: false
  batch:
    description: With O(release), what the journal notes of the batch that has moved; C(number), C(of) and C(machines).
    type: dict
    default: {}
  opens:
    description:
      - With O(state=switched), open a platform that was closed for this, once its traffic has moved and before it is watched.
        Every server that is to get requests must be seen healthy anew before that.
    type: bool
    default: false
  spares:
    description:
      - Go on without servers that are not healthy within O(gate), as long as each service has one that is, or that keeps its
        traffic. For the way back, where a machine that has died must not keep the others out.
    type: bool
    default: false
  interrupted:
    description:
      - With O(release), for how many seconds the platform was interrupted, where the caller has measured it; for the journal.
    type: float
  gate:
    description: Seconds in which the proxy must see every server healthy that had no traffic and is to get some.
    type: float
    default: 30.0
  watch:
    description: Judge the new side by real traffic after the shift. Without it nothing is watched.
    type: dict
    suboptions:
      bake:
        description: Seconds to watch for.
        type: float
        default: 10.0
      interval:
        description: Seconds between two looks.
        type: float
        default: 0.5
      max_error_ratio:
        description: Failed requests per request that are tolerated, for each service and for all together.
        type: float
        default: 0.02
      min_requests:
        description: Fewer requests than this are not judged.
        type: int
        default: 50
  revert_on_watch:
    description:
      - Whether structure and weights from before come back at once when the watch fails. Servers that return must be
        seen healthy, those that had left the proxy within five seconds. The module fails either way.
    type: bool
    default: true
  drain:
    description:
      - Wait until the old side, or with O(state=closed) the platform, has no request left. Without it nothing is waited
        for. What remains at the deadline is told in RV(drain.remaining) and is no error; stop the program gracefully
        then.
    type: dict
    suboptions:
      deadline:
        description: Seconds to wait at most, from the shift on.
        type: float
        default: 10.0
  closed:
    description:
      - What those get who ask while the platform is closed. Status 503 with C(Retry-After) and a page; in JSON where they
        accept that and no HTML.
    type: dict
    default: {}
    suboptions:
      retry_after:
        description: Seconds after which they may ask again, as C(Retry-After) tells them.
        type: int
        default: 60
      page:
        description: The page in HTML, 8192 bytes at most. A plain one by default.
        type: str
      paths:
        description:
          - Paths that the proxy itself answers with status 200 meanwhile, so that balancers before it go on sending. By default
            the paths of the services' checks.
        type: list
        elements: str
      hold:
        description:
          - Seconds, 120 at most, that each request waits for the platform to be opened before it is answered with 503. With
            HAProxy only; with the others anything but V(0) is refused.
        type: float
        default: 0.0
  config_dir:
    description:
      - Directory of Slipway's own files, C(/etc/haproxy/slipway.d), C(/etc/nginx/slipway.d), C(/etc/caddy/slipway.d) or
        C(/etc/traefik/slipway.d) by default. What Caddy is started with must import the C(*.caddyfile) in it. HAProxy must
        be started with C(-f) and this directory after its own file. Traefik's file provider must watch it.
    type: path
  main_config:
    description:
      - The hand-written configuration, which is only read. C(/etc/haproxy/haproxy.cfg) by default; with Caddy the Caddyfile
        that the running process was started with.
    type: path
  socket:
    description:
      - The stats socket that Slipway configures in HAProxy, or the admin socket of Caddy. C(/run/haproxy/slipway.sock) or
        C(/run/caddy/admin.sock) by default. With Traefik the address of its API, C(127.0.0.1:8099) by default.
    type: path
  include_file:
    description: The file that includes nginx's O(config_dir). C(/etc/nginx/conf.d/slipway.conf) by default.
    type: path
  pid_file:
    description: nginx's pid file, C(/run/nginx.pid) by default.
    type: path
  log_dir:
    description:
      - Where nginx's or Caddy's access log of the platform is written, C(/var/log/nginx) or C(/var/log/caddy) by default;
        with Traefik where its own C(access.log) is, C(/var/log/traefik).
    type: path
  check_command:
    description:
      - Checks the configuration. C(haproxy -c) (the files follow as C(-f) arguments), C(nginx -t -q), or C(caddy adapt
        --adapter caddyfile --config) (the file follows, JSON is what it prints) by default.
    type: list
    elements: str
  reload_command:
    description: Reloads the proxy. C(systemctl reload haproxy) or C(systemctl reload nginx) by default; not with Caddy.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: All traffic to green, watched and drained
  slipway.deploy.traffic_switch:
    platform: shop
    environment: production
    listen: 80
    routes:
      - path: /api
        service: backend
    services:
      backend:
        health:
          path: /health
        sides:
          blue:
            - name: blue_app1_1
              address: 10.1.2.3
              port: 20000
          green:
            - name: green_app1_1
              address: 10.1.2.3
              port: 20010
    weights:
      blue: 0
      green: 100
    watch:
      bake: 10
    drain:
      deadline: 10

- name: One machine of three has the new version
  slipway.deploy.traffic_switch:
    platform: shop
    environment: production
    routes: "{{ routes }}"
    services: "{{ services }}"
    weights:
      blue: 100
      green: 0
    apart:
      app1:
        blue: 0
        green: 100

- name: Closed, with requests that wait up to ten seconds
  slipway.deploy.traffic_switch:
    platform: shop
    environment: production
    state: closed
    closed:
      hold: 10
    drain:
      deadline: 10

- name: Open again
  slipway.deploy.traffic_switch:
    platform: shop
    environment: production
    state: opened

- name: New certificates alone
  slipway.deploy.traffic_switch:
    platform: shop
    environment: production
    state: renewed
    tls:
      certificates:
        - chain: SHOP_CHAIN
          key: SHOP_KEY

- name: What is live
  slipway.deploy.traffic_switch:
    platform: shop
    environment: production
    state: observed
"""

RETURN = r"""
actions:
  description: Every decision in words.
  returned: when something may be changed
  type: list
  elements: str
  sample: ["slipway_shop_production_backend/green_app1_1 weight 0 to 100"]
weights_before:
  description: The share of each side of each service before, read back.
  returned: when something may be changed
  type: dict
  sample: {"backend": {"blue": 100, "green": 0}}
weights:
  description: The share of each side of each service now (in check mode, as it would be), in percent.
  returned: success
  type: dict
  sample: {"backend": {"blue": 0, "green": 100}}
live_side:
  description: The side with all traffic, V(mixed), or nothing when the proxy does not know the platform.
  returned: success
  type: str
  sample: green
reloaded:
  description: Whether the proxy was reloaded (in check mode, would be), which closes idle keep-alive connections.
  returned: when something may be changed
  type: bool
  sample: false
switched_ms:
  description:
    - Milliseconds until the move was read back, from the command, or from the reload when it moved routes too; nothing
      when nothing had to move.
  returned: O(state=switched), not in check mode
  type: float
  sample: 0.9
watch:
  description: How real traffic judged the new side; nothing without O(watch).
  returned: O(state=switched), not in check mode
  type: dict
  contains:
    ok:
      description: Whether it passed.
      returned: always
      type: bool
      sample: true
    cause:
      description: V(watch_errors), V(watch_down), V(watch_weights), or empty.
      returned: always
      type: str
      sample: ""
    evidence:
      description: What proves the cause.
      returned: always
      type: dict
      sample: {}
    judged:
      description: Whether there were enough requests to judge by.
      returned: always
      type: bool
      sample: true
    seconds:
      description: How long it was watched.
      returned: always
      type: float
      sample: 10.0
    requests:
      description: Requests sent to the new side since the shift.
      returned: always
      type: int
      sample: 4321
    errors:
      description: Those that failed.
      returned: always
      type: int
      sample: 0
    services:
      description: The same by service, with the kinds of failure.
      returned: always
      type: dict
      sample: {"backend": {"requests": 4321, "5xx": 0, "failed_connections": 0, "failed_responses": 0}}
drain:
  description: How the old side, or the platform that was closed, became empty; nothing without O(drain).
  returned: O(state=switched) and O(state=closed), not in check mode
  type: dict
  contains:
    empty:
      description: Whether it did before the deadline.
      returned: always
      type: bool
      sample: true
    seconds:
      description: When, counted from the shift; nothing when it did not.
      returned: always
      type: float
      sample: 0.31
    remaining:
      description: Sessions that remained, by server.
      returned: always
      type: dict
      sample: {"slipway_shop_production_backend/blue_app1_1": 2}
reverted:
  description: Whether structure and weights from before were brought back because the watch failed.
  returned: O(state=switched), not in check mode, also on a failed watch
  type: bool
  sample: false
closed:
  description: How the platform is closed; nothing when it is open.
  returned: O(state=observed), O(state=closed) and O(state=opened)
  type: dict
  contains:
    since:
      description: When it was closed, in seconds since the epoch.
      returned: always
      type: float
      sample: 1795490100.0
    seconds:
      description: How long ago that was.
      returned: always
      type: float
      sample: 42.1
    retry_after:
      description: See O(closed.retry_after).
      returned: always
      type: int
      sample: 60
    hold:
      description: See O(closed.hold).
      returned: always
      type: float
      sample: 0.0
    paths:
      description: See O(closed.paths).
      returned: always
      type: list
      elements: str
      sample: [/health]
closed_seconds:
  description: For how long it had been closed; nothing when it was open.
  returned: O(state=opened), and O(state=switched) with O(opens=true)
  type: float
  sample: 42.1
said:
  description: What was done, for people.
  returned: O(state=closed), O(state=opened), O(state=renewed), and O(state=switched) with O(opens=true)
  type: str
  sample: opened after 42.1 s
running:
  description: Whether the proxy runs and answers.
  returned: O(state=observed)
  type: bool
  sample: true
version:
  description: The proxy's version.
  returned: O(state=observed)
  type: str
  sample: 2.6.12-1+deb12u4
problems:
  description: What would stop a release, each with C(cause), C(message) and C(remedy), with which the message ends.
  returned: O(state=observed)
  type: list
  elements: dict
  sample: [{"cause": "proxy_not_running", "message": "HAProxy is not running. Start it.", "remedy": "Start it."}]
notices:
  description: What one should know before a release.
  returned: O(state=observed)
  type: list
  elements: str
  sample: []
certificates:
  description: The certificates that the proxy has for the platform.
  returned: O(state=observed)
  type: list
  elements: dict
  sample: [{"name": "SHOP-CHAIN-0a1b2c", "hosts": ["shop.example.com"], "until": 1803340800.0, "seconds_left": 7776000}]
servers:
  description: The servers as the proxy has them.
  returned: O(state=observed)
  type: list
  elements: dict
  sample: [{"service": "backend", "name": "green_app1_1", "side": "green", "weight": 100, "status": "UP"}]
error:
  description: The parts of the message (C(what), C(object), C(actual), C(wanted), C(remedy), C(cause), C(evidence)).
  returned: failure
  type: dict
  sample: {"cause": "gate", "object": "slipway_shop_production_backend/green_app1_1"}
"""

from ansible_collections.slipway.deploy.plugins.module_utils.module import run_module
from ansible_collections.slipway.deploy.plugins.module_utils.stages.arguments import TRAFFIC_SWITCH
from ansible_collections.slipway.deploy.plugins.module_utils.stages.traffic_switch import perform


def main() -> None:
    run_module(TRAFFIC_SWITCH, perform)


if __name__ == "__main__":
    main()
