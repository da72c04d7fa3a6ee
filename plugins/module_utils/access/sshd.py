# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drop-in of the SSH server: would the user who brings it get in again? (private to the collection)."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import grp
import ipaddress
import os
import pwd
import re
import tempfile
import typing as t

from ..errors import SlipwayError
from .connection import Connection
from .guard import Guard, locked_out

MAIN = "/etc/ssh/sshd_config"
_INCLUDE = re.compile(r"\s*Include[\s=]+(.*)", re.IGNORECASE)


class Account(t.NamedTuple):
    """What of a user decides whether sshd lets it in."""

    name: str
    groups: frozenset[str]
    has_key: bool  # a public key in one of its files, or something else that brings them
    has_password: bool


class SshdGuard(Guard):
    """Asks sshd itself what would hold for this user (C(sshd -T -C), sshd(8)), and compares that with its account."""

    main = MAIN

    def inspect(self, path: str, candidate: str | None, connection: Connection | None) -> None:
        with _file(assembled(self.main, path, candidate)) as whole:
            criteria = connection or Connection("root", "127.0.0.1", 22)
            argv = ["/usr/sbin/sshd", "-T", "-f", whole, "-C"]
            said = self.passes([*argv, f"user={criteria.user},host={criteria.client},addr={criteria.client}"], path)
        if connection is None:
            return
        effective = parse(said)
        reasons = reasons_against(effective, connection, account(connection.user, effective))
        if reasons:
            raise locked_out(
                path, connection, reasons, "Let that user in, or connect as another one that would stay in."
            )


def assembled(main: str, path: str, candidate: str | None) -> str:
    """The main configuration with the candidate where the drop-in would be, in the order in which sshd reads.

    :raises SlipwayError: C(not_included).
    """
    with open(main, encoding="utf-8", errors="surrogateescape") as stream:
        lines = stream.read().splitlines()
    included, text = False, []
    for line in lines:
        found = _INCLUDE.fullmatch(line)
        if found is None:
            text.append(line)
            continue
        for pattern in found.group(1).split():
            absolute = pattern.strip('"') if pattern.startswith(("/", '"/')) else f"/etc/ssh/{pattern}"
            files = set(glob.glob(absolute))
            if fnmatch.fnmatch(path, absolute):
                included = True
                files |= {path}
            wanted = [candidate if one == path else one for one in sorted(files)]
            text += [f"Include {one}" for one in wanted if one]
    if not included:
        raise SlipwayError(
            "does not include the drop-in",
            obj=main,
            wanted=f"Include {os.path.dirname(path)}/*.conf",
            remedy="Put that line at the top of it.",
            cause="not_included",
        )
    return "\n".join(text) + "\n"


def parse(said: str) -> dict[str, list[str]]:
    """What C(sshd -T) prints: each keyword in small letters with all its values, those of several lines together."""
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        keyword, _blank, value = line.partition(" ")
        found.setdefault(keyword.lower(), []).extend(value.split())
    return found


def reasons_against(effective: t.Mapping[str, list[str]], connection: Connection, who: Account) -> list[str]:
    """Why sshd would not let this user in again; empty where it would.

    The rules are those of sshd_config(5): DenyUsers, AllowUsers, DenyGroups, AllowGroups, all of which must pass; then
    one way of logging in that both sides have.
    """
    reasons = []
    if str(connection.port) not in effective.get("port", [str(connection.port)]):
        reasons.append(f"sshd would listen on {', '.join(effective['port'])}, not on {connection.port}")
    if _listed(effective.get("denyusers", []), who.name, connection.client):
        reasons.append("DenyUsers names it")
    allowed = effective.get("allowusers", [])
    if allowed and not _listed(allowed, who.name, connection.client):
        reasons.append(f"AllowUsers is {' '.join(allowed)}")
    if any(_listed(effective.get("denygroups", []), group, "") for group in who.groups):
        reasons.append("DenyGroups names a group of it")
    groups = effective.get("allowgroups", [])
    if groups and not any(_listed(groups, group, "") for group in who.groups):
        reasons.append(f"AllowGroups is {' '.join(groups)}")
    return reasons + _without_a_way(effective, who)


def _without_a_way(effective: t.Mapping[str, list[str]], who: Account) -> list[str]:
    root = effective.get("permitrootlogin", ["yes"])[0] if who.name == "root" else "yes"
    if root in ("no", "forced-commands-only"):
        return [f"PermitRootLogin is {root}"]
    by_key = who.has_key and effective.get("pubkeyauthentication") != ["no"]
    asks = any(effective.get(name) == ["yes"] for name in ("passwordauthentication", "kbdinteractiveauthentication"))
    if by_key or (who.has_password and asks and root == "yes"):
        return []
    if not who.has_key:
        return ["it has no authorized key, and no password would be asked for"]
    return ["PubkeyAuthentication is no, and no password would be asked for"]


def _listed(patterns: t.Sequence[str], name: str, client: str) -> bool:
    """Whether a list of patterns names it; a negated pattern that matches ends the search (ssh_config(5), PATTERNS)."""
    listed = False
    for pattern in patterns:
        negated = pattern.startswith("!")
        user, _at, host = pattern.lstrip("!").partition("@")
        if fnmatch.fnmatchcase(name, user) and (not host or _is_from(client, host)):
            if negated:
                return False
            listed = True
    return listed


def _is_from(client: str, pattern: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(client) in ipaddress.ip_network(pattern, strict=False)
    return fnmatch.fnmatchcase(client, pattern)


def account(name: str, effective: t.Mapping[str, list[str]]) -> Account:
    """The account of a user on this machine."""
    entry = pwd.getpwnam(name)
    groups = {grp.getgrgid(entry.pw_gid).gr_name, *(one.gr_name for one in grp.getgrall() if name in one.gr_mem)}
    files = effective.get("authorizedkeysfile", [".ssh/authorized_keys"])
    paths = [os.path.join(entry.pw_dir, _expanded(one, entry)) for one in files if one != "none"]
    elsewhere = any(
        effective.get(option, ["none"])[0] != "none" for option in ("authorizedkeyscommand", "trustedusercakeys")
    )
    return Account(name, frozenset(groups), elsewhere or any(map(_has_a_key, paths)), _has_password(name))


def _expanded(text: str, entry: pwd.struct_passwd) -> str:
    tokens = {"%h": entry.pw_dir, "%u": entry.pw_name, "%U": str(entry.pw_uid), "%%": "%"}
    return re.sub("%[huU%]", lambda found: tokens[found.group()], text)


def _has_a_key(path: str) -> bool:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
        return any(line.strip() and not line.lstrip().startswith("#") for line in stream)
    return False


def _has_password(name: str) -> bool:
    """Whether its password can be used at all: a locked one begins with C(!) or C(*) (shadow(5))."""
    with contextlib.suppress(OSError), open("/etc/shadow", encoding="utf-8", errors="replace") as stream:
        for line in stream:
            words = line.split(":")
            if words[0] == name and len(words) > 1:
                return bool(words[1]) and words[1][0] not in "!*"
    return False


@contextlib.contextmanager
def _file(text: str) -> t.Iterator[str]:
    with tempfile.NamedTemporaryFile("w", prefix="slipway-sshd-", errors="surrogateescape") as stream:
        stream.write(text)
        stream.flush()
        yield stream.name
