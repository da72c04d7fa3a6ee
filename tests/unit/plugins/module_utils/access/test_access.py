# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a user would get in again, by what sshd says of itself; and by which connection one has come."""

from __future__ import annotations

import os

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.access.connection import Connection, own_connection
from ansible_collections.slipway.deploy.plugins.module_utils.access.firewall import admitted
from ansible_collections.slipway.deploy.plugins.module_utils.access.sshd import (
    Account,
    assembled,
    parse,
    reasons_against,
)
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError

ANN = Account("ann", frozenset({"ann", "staff"}), has_key=True, has_password=False)
ROOT = Account("root", frozenset({"root"}), has_key=True, has_password=False)
FROM = Connection("ann", "10.1.2.3", 22)
# As OpenSSH 9.2 of Debian 12 prints it, shortened.
SAID = """\
port 22
permitrootlogin without-password
pubkeyauthentication yes
passwordauthentication no
kbdinteractiveauthentication no
authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2
"""


def against(more, who=ANN, connection=FROM):
    effective = {**parse(SAID), **parse(more)}
    return reasons_against(effective, connection, who)


def test_with_a_key_nothing_speaks_against_it():
    assert against("") == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("allowusers bob", "AllowUsers is bob"),
        ("allowusers ann@10.9.*", "AllowUsers is ann@10.9.*"),
        ("allowusers a* !ann", "AllowUsers is a* !ann"),
        ("denyusers an?", "DenyUsers names it"),
        ("allowgroups wheel", "AllowGroups is wheel"),
        ("denygroups staff", "DenyGroups names a group of it"),
        ("pubkeyauthentication no", "PubkeyAuthentication is no, and no password would be asked for"),
        ("port 2222", "sshd would listen on 2222, not on 22"),
        ("allowusers bob\nallowusers ann", None),
        ("allowusers ann@10.1.0.0/16", None),
        ("allowgroups wheel staff", None),
    ],
)
def test_each_directive_that_would_shut_it_out_is_a_reason(more, reason):
    """sshd_config(5); several lines of one directive add up, and a negated pattern ends the search."""
    assert against(more) == ([reason] if reason else [])


def test_without_a_key_a_password_must_still_be_asked_for():
    nothing = ANN._replace(has_key=False)
    assert against("", nothing) == ["it has no authorized key, and no password would be asked for"]
    assert against("passwordauthentication yes", nothing) != []
    assert against("passwordauthentication yes", nothing._replace(has_password=True)) == []


@pytest.mark.parametrize(
    ("permits", "lost"), [("no", True), ("forced-commands-only", True), ("without-password", False), ("yes", False)]
)
def test_root_must_be_permitted(permits, lost):
    assert bool(against(f"permitrootlogin {permits}", ROOT)) is lost
    assert against(f"permitrootlogin {permits}") == []  # which is nothing to anybody else


def test_the_candidate_stands_where_the_drop_in_would_be_read(tmp_path):
    (tmp_path / "d").mkdir()
    for name in ("05-first.conf", "50-cloud.conf", "10-ours.conf"):
        (tmp_path / "d" / name).write_text("")
    main = tmp_path / "sshd_config"
    main.write_text(f"Include {tmp_path}/d/*.conf\nPort 22\n")
    ours = str(tmp_path / "d" / "10-ours.conf")
    wanted = [f"Include {tmp_path}/d/05-first.conf", "Include /new", f"Include {tmp_path}/d/50-cloud.conf", "Port 22"]
    assert assembled(str(main), ours, "/new").splitlines() == wanted
    assert assembled(str(main), ours, None).splitlines() == [one for one in wanted if one != "Include /new"]
    os.unlink(ours)
    assert assembled(str(main), ours, "/new").splitlines() == wanted  # also where there is none yet


def test_a_drop_in_that_is_not_read_is_refused(tmp_path):
    main = tmp_path / "sshd_config"
    main.write_text("Port 22\n")
    with pytest.raises(SlipwayError) as refused:
        assembled(str(main), "/etc/ssh/sshd_config.d/10-ours.conf", "/new")
    assert refused.value.cause == "not_included"


@pytest.mark.parametrize(
    ("rule", "lets_in"),
    [
        ({"ports": ["22"]}, True),
        ({"ports": ["80", "20-30"]}, True),
        ({"ports": ["80"]}, False),
        ({"ports": ["22"], "protocol": "udp"}, False),
        ({"ports": ["22"], "from": ["10.1.0.0/16"]}, True),
        ({"ports": ["22"], "from": ["10.2.0.0/16", "fd00::/8"]}, False),
    ],
)
def test_a_rule_holds_for_the_connection_or_does_not(rule, lets_in):
    assert admitted(rule, FROM) is lets_in


@pytest.mark.parametrize("rule", [{"ports": ["ssh"]}, {"ports": ["22"], "from": ["controller"]}])
def test_a_rule_that_cannot_be_compared_is_refused(rule):
    with pytest.raises(SlipwayError) as refused:
        admitted(rule, FROM)
    assert refused.value.cause == "invalid"


def process(proc, pid, parent, environment):
    directory = proc / str(pid)
    directory.mkdir(parents=True)
    (directory / "stat").write_text(f"{pid} (a) b) S {parent} 0 0")
    (directory / "environ").write_text("\0".join(environment) + "\0")


def test_the_connection_is_found_through_sudo(tmp_path):
    """sudo takes SSH_CONNECTION away; the outermost process that has it is the one that logged in."""
    process(tmp_path, 40, 30, ["HOME=/root"])
    process(tmp_path, 30, 20, ["SUDO_USER=ann"])
    process(tmp_path, 20, 10, ["SSH_CONNECTION=10.1.2.3 50000 10.1.2.4 22"])
    process(tmp_path, 10, 1, [])
    found = own_connection(str(tmp_path), 40)
    assert (found.client, found.port) == ("10.1.2.3", 22)


def test_who_has_not_come_over_ssh_has_no_connection(tmp_path):
    process(tmp_path, 40, 10, ["SSH_CONNECTION=odd"])
    process(tmp_path, 10, 1, [])
    assert own_connection(str(tmp_path), 40) is None
