# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a machine's facts is wrong, how that is said, and what a machine is examined for."""

from __future__ import annotations

import base64
import os
import time

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.preflight import looks
from ansible_collections.slipway.deploy.plugins.module_utils.preflight.facts import reboot_wanted
from ansible_collections.slipway.deploy.plugins.module_utils.preflight.finding import ERROR, WARNING, Finding
from ansible_collections.slipway.deploy.plugins.module_utils.preflight.judge import judge
from ansible_collections.slipway.deploy.plugins.module_utils.preflight.order import order
from ansible_collections.slipway.deploy.plugins.module_utils.preflight.report import lines, verdict
from ansible_collections.slipway.deploy.plugins.module_utils.stages.doctor import DOCTOR, perform

NOW = 1_800_000_000.0
GOOD = {
    "python": "3.11.2",
    "uid": 0,
    "time": {"wall": NOW, "synchronized": True},
    "systemd": 252,
    "locale": "C.utf8",
    "security": {"selinux": False, "apparmor": True, "apparmor_parser": True},
    "engine": True,
    "memory_limits": True,
    "read_only": [],
    "first_local_port": 32768,
    "publishes": [20000, 20019],
    "sshd": {"maxsessions": "10", "maxstartups": "10:30:100"},
    "reboot": [],
    "unresolved": {},
    "database": {"10.0.0.9:5432": ""},
    "missing": [],
    "certificates": {"/etc/ssl/shop.pem": NOW + 40 * 86400},
}
# A fault a line: what differs from a good machine, and what is said of it.
FAULTS = [
    ({"python": "3.8.10"}, ERROR, "Python", "3.8.10"),
    ({"uid": 1000}, ERROR, "become", "user id 1000"),
    ({"systemd": None}, ERROR, "systemd", "no systemctl"),
    ({"systemd": 237}, WARNING, "systemd", "237"),
    ({"locale": ""}, WARNING, "locale", "none in"),
    ({"time": {"wall": NOW, "synchronized": False}}, WARNING, "clock", "not synchronized"),
    ({"security": {**GOOD["security"], "selinux": True}}, WARNING, "SELinux", "enforcing"),
    ({"security": {**GOOD["security"], "apparmor_parser": False}}, ERROR, "AppArmor", "no apparmor_parser"),
    ({"memory_limits": False}, WARNING, "control groups", "no memory controller"),
    ({"read_only": ["/var/lib/slipway"]}, ERROR, "file system", "mounted read-only"),
    ({"first_local_port": 20010}, WARNING, "ports", "from 20010 on; services are published on 20019 to 20019"),
    ({"sshd": {"maxsessions": "2", "maxstartups": "10"}}, WARNING, "sshd", "MaxSessions 2"),
    ({"sshd": {"maxsessions": "10", "maxstartups": "3:30:100"}}, WARNING, "sshd", "MaxStartups 3:30:100"),
    ({"reboot": ["updated: linux-image"]}, WARNING, "reboot", "updated: linux-image"),
    ({"unresolved": {"db.internal": "Name or service not known"}}, ERROR, "names", "Name or service not known"),
    ({"database": {"10.0.0.9:5432": "timed out"}}, ERROR, "database", "timed out"),
    ({"missing": ["pg_dump"]}, ERROR, "programs", "not on PATH"),
    ({"certificates": {"/x.pem": NOW + 13 * 86400}}, WARNING, "certificate", "valid until 2027-01-28 08:00 UTC"),
    ({"certificates": {"/x.pem": NOW - 60}}, ERROR, "certificate", "valid until 2027-01-15 07:59 UTC"),
]


def test_nothing_is_wrong_with_a_good_machine():
    assert judge(GOOD, 14) == []


@pytest.mark.parametrize(("fault", "severity", "topic", "actual"), FAULTS, ids=[f"{one[2]} {one[3]}" for one in FAULTS])
def test_each_fault_is_one_finding_that_says_all(fault, severity, topic, actual):
    (finding,) = judge({**GOOD, **fault}, 14)
    assert (finding.severity, finding.topic) == (severity, topic)
    assert actual in finding.actual
    assert finding.what and finding.wanted and finding.why.endswith(".") and finding.remedy.endswith(".")


@pytest.mark.parametrize(
    "unknown", [{"time": {"wall": NOW, "synchronized": None}}, {"locale": None}, {"memory_limits": None}, {"sshd": {}}]
)
def test_what_cannot_be_told_is_no_finding(unknown):
    assert judge({**GOOD, **unknown}, 14) == []


def test_an_apparmor_without_its_parser_matters_to_containers_alone():
    fault = {"security": {**GOOD["security"], "apparmor_parser": False}, "engine": False}
    assert judge({**GOOD, **fault}, 14) == []


def test_this_very_machine_can_be_examined():
    """Every look, for real; whatever it finds, it says it in full, and it changes nothing."""
    defaults = {name: option["default"] for name, option in DOCTOR.options.items()}
    result = perform(
        {**defaults, "reaches": ["127.0.0.1:1"], "names": ["nowhere.invalid"], "programs": ["no or nope"]}, False
    )
    assert not result["changed"] and set(GOOD) <= set(result["facts"])
    topics = {finding["topic"] for finding in result["findings"]}
    assert {"database", "names", "programs"} <= topics


# --- looks


def test_a_reboot_is_wanted_for_an_update_or_because_the_kernel_is_gone(tmp_path):
    root = f"{tmp_path}/"
    assert reboot_wanted(root) == []
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "reboot-required").touch()
    assert reboot_wanted(root) == ["an update asks for it"]
    (tmp_path / "run" / "reboot-required.pkgs").write_text("linux-image\nlibc6\nlibc6\n")
    (tmp_path / "lib" / "modules" / "9.9.9").mkdir(parents=True)
    assert reboot_wanted(root) == [
        "updated: libc6, linux-image",
        f"kernel {os.uname().release} runs, installed is 9.9.9",
    ]
    (tmp_path / "lib" / "modules" / os.uname().release).mkdir()
    (tmp_path / "run" / "reboot-required").unlink()
    assert reboot_wanted(root) == []


@pytest.mark.parametrize(
    ("files", "limits"),
    [
        ({"sys/fs/cgroup/cgroup.controllers": "cpu io memory"}, True),
        ({"sys/fs/cgroup/cgroup.controllers": "cpu io"}, False),
        ({"proc/cgroups": "#subsys_name hierarchy num_cgroups enabled\nmemory 5 90 1\n"}, True),
        ({"proc/cgroups": "memory 0 1 0\n"}, False),
        ({}, None),
    ],
)
def test_memory_is_limited_by_either_kind_of_control_groups(tmp_path, files, limits):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    assert looks.memory_limits(f"{tmp_path}/") is limits


def pem(*times):
    """What of a certificate is looked at: two times, in DER."""
    der = b"\x30\x82" + b"".join(bytes([kind, len(text)]) + text.encode() for kind, text in times)
    body = base64.encodebytes(der).decode()
    return f"key before\n-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("last", "ends"),
    [((0x17, "270115080000Z"), NOW), ((0x18, "20270115080000Z"), NOW), ((0x17, "490101000000Z"), 2493072000.0)],
)
def test_the_end_of_a_certificate_is_its_second_time(last, ends):
    """UTCTime with two digits of the year up to 2049, GeneralizedTime after it (RFC 5280, section 4.1.2.5)."""
    assert looks.certificate_ends(pem((0x17, "200101000000Z"), last)) == ends


@pytest.mark.parametrize("text", ["", "no certificate", pem((0x17, "200101000000Z"))])
def test_what_is_no_certificate_has_no_end(text):
    assert looks.certificate_ends(text) is None


def test_certificates_are_those_that_proxies_name(tmp_path):
    (tmp_path / "own.pem").write_text(pem((0x17, "200101000000Z"), (0x17, "270115080000Z")))
    (tmp_path / "haproxy.cfg").write_text(f"  bind :443 ssl crt {tmp_path}/own.pem alpn h2\n  server crt /no\n")
    (tmp_path / "site.conf").write_text(f"ssl_certificate {tmp_path}/own.pem;\nssl_certificate_key {tmp_path}/none;\n")
    assert looks.certificates([f"{tmp_path}/*.cfg", f"{tmp_path}/*.conf"]) == {f"{tmp_path}/own.pem": NOW}


# --- what a machine is examined for

CONFIG = {
    "state_root": "/var/lib/slipway",
    "machines": {
        "app1": {"parts": ["app", "db"], "address": "app1.internal", "services": ["backend"], "ports": [20000]},
        "lb1": {"parts": ["proxy"], "address": "10.0.0.3", "services": [], "ports": []},
    },
    "database": {
        "engine": "postgresql",
        "url": "postgresql://shop:********@db.internal/shop",
        "backup": {"host": "app1"},
    },
    "migrations": {"host": "app1", "options": {}},
}


def test_each_machine_is_examined_for_its_part():
    assert order(CONFIG, "app1") == {
        "root": "/var/lib/slipway",
        "names": ["db.internal"],
        "publishes": [20000],
        "reaches": ["db.internal:5432"],
        "programs": ["pg_dump", "pg_restore", "psql"],
        "engine": True,
    }
    of_proxy = order(CONFIG, "lb1")
    assert (of_proxy["names"], of_proxy["reaches"], of_proxy["programs"]) == (["app1.internal"], [], [])


def test_processes_need_no_engine():
    assert not order({**CONFIG, "model": "process"}, "app1")["engine"]


def test_without_a_configuration_or_a_part_only_what_all_need_is_looked_at():
    assert order({}, "app1") == {} == order(CONFIG, "stranger")


IN_CONTAINER = {"backup": {"host": "app1", "run_in": {"image": "x"}}}


@pytest.mark.parametrize(
    ("database", "migrations", "reaches"),
    [
        (IN_CONTAINER, {"host": "app1", "options": {"container": {"image": "x"}}}, []),
        (IN_CONTAINER, {"host": "app1", "options": {}}, ["db.internal:5432"]),
        (IN_CONTAINER, None, []),
        ({"url": "/var/lib/shop.db", "engine": "sqlite"}, None, []),
        ({"url": "********"}, None, []),
        ({"url": "mysql://u:p@10.0.0.9:3307/x", "engine": "mysql"}, None, ["10.0.0.9:3307"]),
    ],
)
def test_only_who_works_with_the_database_itself_must_reach_it(database, migrations, reaches):
    config = {**CONFIG, "database": {**CONFIG["database"], **database}, "migrations": migrations}
    assert order(config, "app1")["reaches"] == reaches


# --- the report

BROKEN = Finding(ERROR, "names", "db has no address here", "unknown", "an address", "It is asked for.", "Correct it.")
SLOW = Finding(WARNING, "clock", "nobody keeps it", "not synchronized", "synchronized", "Reports.", "Run provision.")


def test_errors_come_first_and_what_machines_share_is_said_once():
    text = lines("doctor: shop/test, 3 machines", {"app1": [SLOW, BROKEN], "app2": [SLOW], "lb1": []})
    assert text[2].startswith("ERROR   app1: names: db has no address here")
    assert [line for line in text if "clock" in line] == ["warning app1, app2: clock: nobody keeps it"]
    assert "        mend    Run provision." in text
    assert text[-2:] == ["nothing wrong with lb1", "1 error, 1 warning: the next release would be refused, or fail."]


def test_warnings_alone_hold_no_release_up():
    assert verdict({"app1": [SLOW]}) == "0 errors, 1 warning: the next release can go out."


def test_a_message_of_several_lines_stays_that():
    finding = BROKEN._replace(actual="4 problems:\n  1. this\n  2. that")
    text = lines("", {"the site": [finding]})
    at = next(number for number, line in enumerate(text) if "4 problems" in line)
    assert [line.strip() for line in text[at : at + 3]] == ["found   4 problems:", "1. this", "2. that"]


def test_times_are_those_of_no_zone(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        (finding,) = judge({**GOOD, "certificates": {"/x.pem": NOW - 60}}, 14)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert "07:59 UTC" in finding.actual
