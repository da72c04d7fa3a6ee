# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order machines are rebooted, and when."""

from __future__ import annotations

import calendar

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.preflight.reboot import order, parse_window


def test_balancers_are_last():
    assert order({"lb1", "app2", "app1"}, ["lb1"]) == ["app1", "app2", "lb1"]


def at(day, hour, minute=0):
    """A time of the week that begins on Monday, 2026-11-23."""
    return float(calendar.timegm((2026, 11, 23 + day, hour, minute, 0)))


@pytest.mark.parametrize(
    ("window", "moment", "is_open"),
    [
        ({"from": "02:00", "to": "05:00"}, at(0, 2), True),
        ({"from": "02:00", "to": "05:00"}, at(0, 5), False),
        ({"from": "02:00", "to": "05:00", "days": ["sun"]}, at(0, 3), False),
        ({"from": "02:00", "to": "05:00", "days": ["Sunday"]}, at(6, 3), True),
        ({"from": "23:00", "to": "01:30", "days": ["sat"]}, at(5, 23, 30), True),
        ({"from": "23:00", "to": "01:30", "days": ["sat"]}, at(6, 1), True),
        ({"from": "23:00", "to": "01:30", "days": ["sat"]}, at(5, 1), False),
        ({"from": "23:00", "to": "01:30", "days": ["sun"]}, at(7, 1), True),
    ],
)
def test_a_window_is_open_on_its_days_and_past_midnight(window, moment, is_open):
    assert parse_window(window).open(moment) is is_open


def test_without_a_window_there_is_none():
    assert parse_window({}) is None


@pytest.mark.parametrize("window", [{"from": "2 am", "to": "05:00"}, {"from": "02:00"}, {"from": 120, "to": "5:00"}])
def test_a_window_that_says_no_time_is_refused(window):
    """02:00 without quotes is the number 120 in YAML."""
    with pytest.raises(SlipwayError) as refused:
        parse_window(window)
    assert refused.value.obj.startswith("vm_provision_reboot_window.")


def test_a_day_that_is_none_is_refused():
    with pytest.raises(SlipwayError) as refused:
        parse_window({"from": "02:00", "to": "05:00", "days": ["caturday"]})
    assert refused.value.actual == ["cat"]
