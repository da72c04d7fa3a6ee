# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program is told from outside: environment variables and secrets in files."""

from __future__ import annotations

import socket
import typing as t
from pathlib import Path

VARIANTS = ("ok", "unhealthy", "errors", "crash", "slow-start")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it and says what is wanted."""


class Settings(t.NamedTuple):
    """Everything that may differ between two places this program runs in."""

    database_url: str
    version: str
    variant: str
    name: str
    port: int
    grace: float
    start_delay: float
    job_seconds: float
    log_level: str
    site: Path | None  # of the pages, where the back end serves them itself

    def at_least(self, wanted: str) -> bool:
        """Whether this build is of version *wanted* or newer; a feature asks this instead of a copy of the source."""
        return version_key(self.version) >= version_key(wanted)


def load(env: t.Mapping[str, str]) -> Settings:
    """Read the settings out of *env*.

    :raises SettingsError: naming the variable, when one is missing or cannot be used.
    """
    variant = env.get("SHOP_VARIANT", "ok")
    if variant not in VARIANTS:
        raise SettingsError(f"SHOP_VARIANT is {variant!r}, wanted one of {', '.join(VARIANTS)}")
    log_level = env.get("LOG_LEVEL", "info").upper()
    if log_level not in LOG_LEVELS:
        raise SettingsError(f"LOG_LEVEL is {log_level!r}, wanted one of {', '.join(LOG_LEVELS)}")
    return Settings(
        database_url=secret(env, "DATABASE_URL"),
        version=env.get("SHOP_VERSION", "0.0.0"),
        variant=variant,
        name=env.get("HOSTNAME") or socket.gethostname(),
        port=int(number(env, "PORT", 8080)),
        # A second less than the ten that `docker stop` gives by default: we want to end by ourselves.
        grace=number(env, "GRACE_SECONDS", 9),
        start_delay=number(env, "START_DELAY_SECONDS", 5) if variant == "slow-start" else 0.0,
        job_seconds=number(env, "JOB_SECONDS", 0.01),
        log_level=log_level,
        site=Path(env["SHOP_SITE"]) if env.get("SHOP_SITE") else None,
    )


def secret(env: t.Mapping[str, str], name: str) -> str:
    """Return the secret *name*: out of the file that ``<name>_FILE`` names, else out of ``<name>`` itself."""
    path = env.get(name + "_FILE")
    if path:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"{name}_FILE: cannot read {path}: {error.strerror}") from error
        if not value:
            raise SettingsError(f"{name}_FILE: {path} is empty")
        return value
    value = env.get(name, "")
    if not value:
        raise SettingsError(f"neither {name}_FILE nor {name} is set")
    return value


def number(env: t.Mapping[str, str], name: str, default: float) -> float:
    """Return the number in variable *name*, zero or more."""
    text = env.get(name, "")
    try:
        value = float(text) if text else float(default)
    except ValueError as error:
        raise SettingsError(f"{name} is {text!r}, wanted a number") from error
    if not 0 <= value < float("inf"):
        raise SettingsError(f"{name} is {text!r}, wanted zero or more")
    return value


def version_key(version: str) -> tuple[int, ...]:
    """Return ``(1, 10, 0)`` for ``1.10.0-rc1``: what comes after the numbers does not choose features."""
    numbers = []
    for part in version.partition("-")[0].split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)
