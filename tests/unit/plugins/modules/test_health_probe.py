# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The glue: options into the engine's words, results into one message."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.probe.model import Policy, Result, Target
from ansible_collections.slipway.deploy.plugins.modules import health_probe


def options(**given: t.Any) -> dict[str, t.Any]:
    spec = health_probe.argument_spec()["targets"]["options"]
    return {**dict.fromkeys(spec), "kind": "http", **given}


def test_a_target_has_its_own_policy_over_that_of_the_task() -> None:
    target = health_probe.build_target(
        0, options(url="http://h/", successes=1, minimum=0.0, headers={"X-Try": 1}), Policy(deadline=9.0)
    )
    assert target == Target(
        "http", url="http://h/", headers={"X-Try": "1"}, policy=Policy(successes=1, minimum=0.0, deadline=9.0)
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"kind": "tcp", "host": "h", "port": 1, "contains": "x"},
            r"targets\[2\]\.contains: has no effect with kind tcp",
        ),
        ({"url": "http://h/", "argv": ["x"]}, r"targets\[2\]\.argv: .* set kind to command"),
        ({"kind": "container", "container": "c", "validate_certs": False}, r"targets\[2\]\.validate_certs"),
    ],
)
def test_an_option_of_another_kind_is_refused(given: dict[str, t.Any], message: str) -> None:
    with pytest.raises(SlipwayError, match=message):
        health_probe.build_target(2, options(**given), Policy())


def test_an_unknown_kind_is_left_to_the_engine_to_refuse() -> None:
    assert health_probe.build_target(0, options(kind="smtp", host="h"), Policy()).kind == "smtp"


def test_headers_that_are_secret_by_name_are_hidden() -> None:
    headers = {"Authorization": "Bearer abcdef", "X-Api-Key": "k3y-value", "Host": "shop.test", "X-Key-Id": "1"}
    target = Target("http", url="http://h/", headers=headers)
    assert health_probe.secret_header_values([target]) == {"Bearer abcdef", "abcdef", "k3y-value"}


def test_the_message_lists_every_failing_target_with_cause_and_remedy() -> None:
    results = [
        Result("a", True, "", "healthy.", {}, 3, 2.0),
        Result("b", False, "refused", "nothing listens.", {}, 9, 60.0, "Start it."),
        Result("c", False, "oom", "out of memory.", {}, 1, 0.1, "Raise mem_limit."),
    ]
    assert health_probe.summary(results) == (
        "2 of 3 targets not healthy. (1) b: refused: nothing listens. Start it."
        " (2) c: oom: out of memory. Raise mem_limit."
    )


def test_documentation_and_policy_have_the_same_defaults() -> None:
    documented = yaml.safe_load(health_probe.DOCUMENTATION)["options"]
    assert Policy() == Policy(**{name: documented[name]["default"] for name in Policy._fields})
    assert Policy() == Policy(**{name: health_probe.POLICY[name]["default"] for name in Policy._fields})
