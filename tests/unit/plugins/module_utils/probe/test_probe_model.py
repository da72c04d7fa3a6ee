# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before anything is probed, and how text from outside is made fit to be shown."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.probe.model import Clean, Policy, Target, validate
from hypothesis import given
from hypothesis import strategies as st

GOOD = Target("http", url="https://[::1]:8443/health?full=1")


def http(url: str = "http://host/", **options: object) -> Target:
    return Target("http", url=url)._replace(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Target("smtp"), r"targets\[1\]\.kind: unknown kind; found 'smtp'"),
        (http("127.0.0.1:20000/health"), r"targets\[1\]\.url: needs the scheme http or https"),
        (http("localhost:20000/health"), r"targets\[1\]\.url: needs the scheme"),
        (http("ftp://host/"), r"targets\[1\]\.url: needs the scheme"),
        (http("http:///health"), r"targets\[1\]\.url: needs a host"),
        (http("http://host:0/"), r"targets\[1\]\.url: needs a host, and a port"),
        (http("http://host:70000/"), r"targets\[1\]\.url: not a URL"),
        (http("http://[::1/"), r"targets\[1\]\.url: not a URL"),
        (http("http://host/a b"), r"targets\[1\]\.url: has a character"),
        (http("http://host/\n"), r"targets\[1\]\.url: has a character"),
        (http("http://host/ä"), r"targets\[1\]\.url: has a character"),
        (http("http://user:s3cret@host/"), r"targets\[1\]\.url: has a user name.*user:\*{8}@host"),
        (http(method="GET /"), r"targets\[1\]\.method: not an HTTP method"),
        (http(headers={"X Y": "1"}), r"targets\[1\]\.headers: not a header name"),
        (http(headers={"X-Y": "1\r\nZ: 2"}), r"targets\[1\]\.headers\.X-Y: the value has a line break"),
        (http(status=[200, 99]), r"targets\[1\]\.status: not an HTTP status; found 99"),
        (Target("tcp", port=80), r"targets\[1\]\.host: missing"),
        (Target("tcp", host="h", port=0), r"targets\[1\]\.port: not a TCP port; found 0"),
        (Target("tcp", host="h", port=65536), r"targets\[1\]\.port: not a TCP port"),
        (Target("command"), r"targets\[1\]\.argv: missing"),
        (Target("command", argv=["a\0b"]), r"targets\[1\]\.argv: has a NUL"),
        (Target("container"), r"targets\[1\]\.container: missing"),
        (http(policy=Policy(successes=0)), r"targets\[1\]\.successes: too small; found 0"),
        (http(policy=Policy(timeout=0.0)), r"targets\[1\]\.timeout: not a usable duration; found 0"),
        (http(policy=Policy(deadline=1.0)), r"targets\[1\]\.deadline: too short: 3 successes 0.5 s apart"),
    ],
)
def test_bad_targets_are_refused_by_index_and_key(target: Target, message: str) -> None:
    with pytest.raises(SlipwayError, match=message) as caught:
        validate([GOOD, target], Policy())
    assert caught.value.cause == "bad_input"
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("policy", "key"),
    [
        (Policy(successes=-1), "successes"),
        (Policy(minimum=-1.0), "minimum"),
        (Policy(interval=0.0), "interval"),
        (Policy(timeout=float("nan")), "timeout"),
        (Policy(deadline=float("inf")), "deadline"),
        (Policy(wrong_port_after=-0.1), "wrong_port_after"),
        (Policy(successes=5, interval=2.0, deadline=8.0), "deadline"),
    ],
)
def test_a_policy_that_cannot_be_met_is_refused(policy: Policy, key: str) -> None:
    with pytest.raises(SlipwayError, match=rf"policy\.{key}: "):
        validate([], policy)


def test_what_can_work_passes() -> None:
    validate(
        [
            GOOD,
            http(headers={"Host": "shop.example.com", "X-Forwarded-Proto": "https"}, status=[200, 302]),
            Target("tcp", host="::1", port=5432),
            Target("command", argv=["pg_isready"]),
            Target("container", container="worker"),
        ],
        Policy(successes=1, minimum=0.0, wrong_port_after=0.0),
    )


def test_a_secret_is_masked_before_the_text_is_cut() -> None:
    assert Clean(["0123456789"])("x" * 5 + "0123456789", 10) == "x" * 5 + "*****…"


@given(st.binary(max_size=200), st.integers(1, 50))
def test_shown_text_is_short_and_printable(raw: bytes, limit: int) -> None:
    shown = Clean()(raw, limit)
    assert len(shown) <= limit + 1
    assert all(c.isprintable() or c in "\n\t" for c in shown)
