#!/usr/bin/python
# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: guarded_file
short_description: Put a file in place that could lock you out, and take it back unless you can still connect
version_added: 0.1.0
author: Slipway maintainers (@slipway)
description:
  - For a drop-in of the SSH server and for rules of a firewall. A mistake in either is found out when nobody can correct it any
    more.
  - Before anything is changed, the program itself checks the file, and the connection by which this module came is compared with
    what would hold. A file that would end it is refused.
  - Then a timer is armed on the machine that puts the file from before in force again, the new one is put in place and applied,
    the connection is closed, and a new one confirms the file. Where none can be opened, the machine takes the file back by itself.
  - A machine that is rebooted before the file is confirmed has forgotten the timer, and keeps the file.
options:
  path:
    description: The file.
    type: path
    required: true
  state:
    description: Whether it is to be there.
    type: str
    choices: [present, absent]
    default: present
  content:
    description: All that it has. Required with O(state=present).
    type: str
  mode:
    description: Its mode, in octal digits. It belongs to root.
    type: str
    default: "0644"
  guard:
    description:
      - What kind of file it is. V(sshd) is a drop-in that C(sshd_config) includes; the user that has connected must still be
        allowed, and have a way to log in.
      - V(firewall) are rules of nftables, and O(admits) says what they let in.
    type: str
    choices: [sshd, firewall]
    required: true
  admits:
    description: With O(guard=firewall), what the rules let in. One entry must hold for the connection.
    type: list
    elements: dict
    default: []
    suboptions:
      ports:
        description: Ports, or ranges like V(8000-8010).
        type: list
        elements: str
        required: true
      protocol:
        description: The protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      from:
        description: Addresses and networks; none is everybody.
        type: list
        elements: str
        default: []
      comment:
        description: For people.
        type: str
        default: ""
  apply:
    description: The command that brings the file into force.
    type: list
    elements: str
    required: true
  withdraw:
    description: The command that takes it out of force where there is no file (any more). O(apply) by default.
    type: list
    elements: str
  undo_after:
    description: Seconds after which an unconfirmed file is taken back, V(10) to V(600).
    type: float
    default: 60
  confirm:
    description: Only confirm it. The action plugin does, over a new connection.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Lets the program check the file and compares the connection with it; changes nothing.
  diff_mode:
    support: full
    description: Shows the file before and after.
  idempotent:
    support: full
    description: A file that is there already is left alone; one that waits to be confirmed is confirmed.
"""

EXAMPLES = r"""
- name: Let in only those with a key
  slipway.deploy.guarded_file:
    path: /etc/ssh/sshd_config.d/10-slipway.conf
    content: |
      PasswordAuthentication no
    mode: "0600"
    guard: sshd
    apply: [systemctl, reload, ssh]
"""

RETURN = r"""
actions:
  description: Each decision, in words; with check mode those that would be taken.
  returned: success
  type: list
  elements: str
  sample: ["write /etc/ssh/sshd_config.d/10-slipway.conf, to be taken back unless a new connection confirms it"]
pending:
  description: Whether the file waits to be confirmed.
  returned: success
  type: bool
  sample: false
error:
  description: What failed. With C(locked_out), C(evidence) has the connection and the reasons.
  returned: failure
  type: dict
  sample: {cause: locked_out, object: /etc/ssh/sshd_config.d/10-slipway.conf}
"""

from ansible_collections.slipway.deploy.plugins.module_utils.module import run_module
from ansible_collections.slipway.deploy.plugins.module_utils.stages.guarded_file import GUARDED_FILE, perform


def main() -> None:
    run_module(GUARDED_FILE, perform)


if __name__ == "__main__":
    main()
