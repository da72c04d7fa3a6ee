# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real Flyway, as people run it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import typing as t

from tests.integration_local.backup.conftest import PASSWORD, Server

JARS = pathlib.Path(__file__).parents[3] / ".cache" / "tools" / "flyway"


def flyway(
    server: Server, database: str, location: pathlib.Path, command: str, *options: str, expect: bool = True
) -> dict[str, t.Any]:
    """One of its commands; what it answers.

    :param expect: whether it is to end well.
    """
    java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{JARS}/*"]
    # With another lock CREATE INDEX CONCURRENTLY would wait for ever.
    always = ["-skipCheckForUpdate", "-postgresql.transactional.lock=false", f"-locations=filesystem:{location}"]
    environment = {
        **os.environ,
        "FLYWAY_URL": f"jdbc:postgresql://127.0.0.1:{server.port}/{database}",
        "FLYWAY_USER": "admin",
        "FLYWAY_PASSWORD": PASSWORD,
        "REDGATE_DISABLE_TELEMETRY": "true",
        "LC_ALL": "C.UTF-8",
    }
    words = [*java, "org.flywaydb.commandline.Main", *always, *options, "-outputType=json", command]
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=environment)
    answer: dict[str, t.Any] = json.loads(done.stdout)
    well = done.returncode == 0 and not answer.get("error")  # of a script that failed, it ends with 0 all the same
    assert well == expect, done.stdout[-2000:] + done.stderr[-2000:]
    return answer
