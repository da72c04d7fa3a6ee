# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a machine's facts is not as releases need it, and why that matters; pure functions (private to the collection)."""

from __future__ import annotations

import time
import typing as t

from .finding import ERROR, WARNING, Finding

OLDEST_PYTHON = (3, 9)
OLDEST_SYSTEMD = 245  # of Ubuntu 20.04; nothing older was ever tried
SESSIONS = 4  # of one SSH connection: what Ansible has open at once, and one for a person
STARTUPS = 10  # what sshd itself begins to refuse at, when nobody has changed it
DAY = 86400.0

Facts = t.Mapping[str, t.Any]


def judge(facts: Facts, days: int) -> list[Finding]:
    """Everything that is wrong, errors first.

    :param facts: those of C(facts.gather), and those that C(stages.doctor) adds.
    :param days: for so many a certificate must still be valid.
    """
    checks = (_python, _root, _systemd, _locale, _clock, _security, _cgroups, _state, _local_ports, _sshd, _reboot)
    found = [finding for check in checks for finding in check(facts)]
    found += [*_names(facts), *_database(facts), *_programs(facts), *_certificates(facts, days)]
    return sorted(found, key=lambda finding: finding.severity != ERROR)


def _python(facts: Facts) -> t.Iterator[Finding]:
    version = tuple(int(part) for part in str(facts["python"]).split(".")[:2])
    if version < OLDEST_PYTHON:
        yield Finding(
            ERROR, "Python", "it is too old", facts["python"], "3.9 or later",
            "The modules of this collection run by it on the machine.",
            "Install a newer python3, and name it in ansible_python_interpreter where it is not /usr/bin/python3.",
        )  # fmt: skip


def _root(facts: Facts) -> t.Iterator[Finding]:
    if facts["uid"] != 0:
        yield Finding(
            ERROR, "become", "modules do not run as root", f"user id {facts['uid']}", "user id 0",
            "Engines, units and the state of releases belong to root.",
            "Connect as root, or set ansible_become: true for this machine.",
        )  # fmt: skip


def _systemd(facts: Facts) -> t.Iterator[Finding]:
    version = facts["systemd"]
    if version is None:
        yield Finding(
            ERROR, "systemd", "it is not there", "no systemctl", f"systemd {OLDEST_SYSTEMD} or later",
            "Proxies, engines and timers of backups are units of it.", "Use a distribution that has it.",
        )  # fmt: skip
    elif version < OLDEST_SYSTEMD:
        yield Finding(
            WARNING, "systemd", "it is older than any that was tried", str(version), f"{OLDEST_SYSTEMD} or later",
            "Units of this collection use what newer ones know.", "Upgrade the distribution.",
        )  # fmt: skip


def _locale(facts: Facts) -> t.Iterator[Finding]:
    if facts["locale"] == "":
        yield Finding(
            WARNING, "locale", "there is none in UTF-8", "none in `locale -a`", "C.UTF-8, or any other",
            "Ansible and the tools of migrations read and write texts by it; without one, letters beyond ASCII fail.",
            "Install the package locales, or glibc-langpack-en.",
        )  # fmt: skip


def _clock(facts: Facts) -> t.Iterator[Finding]:
    if facts["time"]["synchronized"] is False:
        yield Finding(
            WARNING, "clock", "nobody keeps it", "not synchronized", "synchronized with a time server",
            "Reports, backups and certificates bear its time, and a release refuses a clock that is far off.",
            "Run provision, which installs a time service, and let the machine reach its servers.",
        )  # fmt: skip


def _security(facts: Facts) -> t.Iterator[Finding]:
    lsm = facts["security"]
    if lsm["selinux"]:
        yield Finding(
            WARNING, "SELinux", "it is enforced, with which releases were never tried", "enforcing",
            "permissive, or tried by you",
            "It may keep a proxy from its sockets and ports, which looks like a fault of the proxy.",
            "Release to a machine for trials first, and look for denials in `ausearch -m avc`.",
        )  # fmt: skip
    if lsm["apparmor"] and not lsm["apparmor_parser"] and facts["engine"]:
        yield Finding(
            ERROR, "AppArmor", "it is on, and the program that loads its profiles is missing", "no apparmor_parser",
            "apparmor_parser",
            "Docker gives every container a profile, and cannot start one without it.",
            "Install the package apparmor, and restart Docker.",
        )  # fmt: skip


def _cgroups(facts: Facts) -> t.Iterator[Finding]:
    if facts["memory_limits"] is False:
        yield Finding(
            WARNING, "control groups", "the kernel does not limit memory", "no memory controller", "the memory controller",
            "mem_limit of a service has no effect, so one service can take the memory of all others.",
            "Boot with cgroup_enable=memory, or with the unified hierarchy.",
        )  # fmt: skip


def _state(facts: Facts) -> t.Iterator[Finding]:
    for path in facts["read_only"]:
        yield Finding(
            ERROR, "file system", f"{path} cannot be written", "mounted read-only", "writable",
            "Journal and lock of releases are kept there.", "Look in `dmesg` why; mount it for writing.",
        )  # fmt: skip


def _local_ports(facts: Facts) -> t.Iterator[Finding]:
    first, ports = facts["first_local_port"], facts["publishes"]
    inside = [port for port in ports if first is not None and port >= first]
    if inside:
        yield Finding(
            WARNING, "ports", "the kernel gives ports of services to outgoing connections",
            f"from {first} on; services are published on {min(inside)} to {max(inside)}", f"a first port above {max(ports)}",
            "A port that is taken by chance keeps a new side from starting.",
            "Run provision (net.ipv4.ip_local_port_range), or set publish_from of these services lower.",
        )  # fmt: skip


def _sshd(facts: Facts) -> t.Iterator[Finding]:
    limits = facts["sshd"]
    sessions, startups = limits.get("maxsessions", ""), limits.get("maxstartups", "").partition(":")[0]
    if sessions.isdigit() and int(sessions) < SESSIONS:
        yield Finding(
            WARNING, "sshd", "one connection may have few sessions", f"MaxSessions {sessions}", f"{SESSIONS} or more",
            "Ansible keeps one connection and opens a session for each task; at the limit, tasks fail as unreachable.",
            "Raise MaxSessions (vm_provision_ssh.max_sessions).",
        )  # fmt: skip
    if startups.isdigit() and int(startups) < STARTUPS:
        yield Finding(
            WARNING, "sshd", "few connections may be logging in at once", f"MaxStartups {limits['maxstartups']}",
            f"{STARTUPS} or more",
            "A machine that is reached through this one, or by several runs at once, is refused by chance.",
            "Raise MaxStartups (vm_provision_ssh.max_startups).",
        )  # fmt: skip


def _reboot(facts: Facts) -> t.Iterator[Finding]:
    if facts["reboot"]:
        yield Finding(
            WARNING, "reboot", "the machine wants to be rebooted", "; ".join(facts["reboot"]), "what is installed runs",
            "Security updates of the kernel and of libraries are not in force before.",
            "Run the playbook slipway.deploy.reboot, which takes one machine after the other.",
        )  # fmt: skip


def _names(facts: Facts) -> t.Iterator[Finding]:
    for name, reason in facts["unresolved"].items():
        yield Finding(
            ERROR, "names", f"{name} has no address here", reason, "an address",
            "This machine has to reach it in a release.",
            "Correct the resolver (/etc/resolv.conf), or write an IP address in its place.",
        )  # fmt: skip


def _database(facts: Facts) -> t.Iterator[Finding]:
    for where, reason in facts["database"].items():
        if reason:
            yield Finding(
                ERROR, "database", f"no connection to {where} can be opened", reason, "a connection within 3 s",
                "Backups, rehearsals and migrations of a release go over it.",
                "Start it, let this machine through its firewall, or correct slipway_database.url.",
            )  # fmt: skip


def _programs(facts: Facts) -> t.Iterator[Finding]:
    for names in facts["missing"]:
        yield Finding(
            ERROR, "programs", f"{names} is missing", "not on PATH", names,
            "Backups of the database are taken and restored by it.",
            "Install the client programs of the database, of the server's version or a later one.",
        )  # fmt: skip


def _certificates(facts: Facts, days: int) -> t.Iterator[Finding]:
    now = float(facts["time"]["wall"])
    for path, ends in facts["certificates"].items():
        left = (ends - now) / DAY
        if left < days:
            yield Finding(
                ERROR if left < 0 else WARNING, "certificate", f"{path} {'is' if left < 0 else 'will soon be'} out of date",
                f"valid until {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(ends))}", f"valid for {days} days more",
                "Clients refuse a certificate that is out of date, and see the platform as down.",
                "Renew it and reload the proxy; if something renews it by itself, look why that did not happen.",
            )  # fmt: skip
