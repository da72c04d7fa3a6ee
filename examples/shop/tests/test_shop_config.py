# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the back end reads at its start."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from shop import config

URL = "postgresql://shop:secret@db/shop"


def test_the_secret_in_a_file_wins_over_the_environment(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(URL + "\n", encoding="utf-8")
    env = {"DATABASE_URL_FILE": str(tmp_path / "url"), "DATABASE_URL": "postgresql://other"}
    assert config.load(env).database_url == URL


def test_without_a_file_the_environment_is_read() -> None:
    assert config.load({"DATABASE_URL": URL}).database_url == URL


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({}, "neither DATABASE_URL_FILE nor DATABASE_URL"),
        ({"DATABASE_URL_FILE": "/nowhere/url"}, "cannot read /nowhere/url"),
        ({"DATABASE_URL_FILE": "/dev/null"}, "/dev/null is empty"),
        ({"DATABASE_URL": URL, "PORT": "http"}, "PORT is 'http'"),
        ({"DATABASE_URL": URL, "GRACE_SECONDS": "-1"}, "GRACE_SECONDS is '-1'"),
        ({"DATABASE_URL": URL, "JOB_SECONDS": "nan"}, "JOB_SECONDS is 'nan'"),
        ({"DATABASE_URL": URL, "LOG_LEVEL": "loud"}, "LOG_LEVEL is 'LOUD'"),
        ({"DATABASE_URL": URL, "SHOP_VARIANT": "odd"}, "SHOP_VARIANT is 'odd'"),
    ],
)
def test_a_bad_setting_is_named_and_the_secret_is_not(env: dict[str, str], named: str) -> None:
    with pytest.raises(config.SettingsError) as raised:
        config.load(env)
    assert named in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("version", "wanted", "answer"),
    [
        ("1.1.0", "1.1", True),
        ("1.10.0", "1.9", True),
        ("1.0.9", "1.1", False),
        ("1.1.0-rc1", "1.1", True),
        ("x", "0", False),
    ],
)
def test_features_follow_the_version_by_number(version: str, wanted: str, answer: bool) -> None:
    assert config.load({"DATABASE_URL": URL, "SHOP_VERSION": version}).at_least(wanted) is answer


@pytest.mark.parametrize(("variant", "delay"), [("ok", 0.0), ("slow-start", 5.0)])
def test_only_the_slow_variant_starts_slowly(variant: t.Any, delay: float) -> None:
    assert config.load({"DATABASE_URL": URL, "SHOP_VARIANT": variant}).start_delay == delay
