# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform after the rollback: the first version everywhere."""

from __future__ import annotations

import json
import typing as t

Host: t.TypeAlias = t.Any

testinfra_hosts = ["ansible://all"]


def test_the_version_that_was_gone_back_to_runs_and_answers(host: Host) -> None:
    with host.sudo():
        if host.run("docker ps --all --quiet --filter label=slipway.platform=shop").stdout:
            running = host.check_output(
                "docker ps --filter label=slipway.platform=shop --format '{{.Label \"slipway.version\"}}'"
            )
            assert running.split() == ["1.0.0"]
        else:
            answers = [json.loads(host.check_output("curl --silent --fail 127.0.0.1/version")) for _request in range(6)]
            assert {answer["version"] for answer in answers} == {"1.0.0"}
            assert len({answer["name"] for answer in answers}) == 2
