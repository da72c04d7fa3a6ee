# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that end with whoever has started them."""

from __future__ import annotations

import pathlib
import subprocess

from ansible_collections.slipway.deploy.plugins.module_utils.lifeline import with_us


def test_a_program_is_started_with_its_words() -> None:
    words = ["printf", "%s.", "a b", "$0", "-e"]
    assert subprocess.run([*with_us("TERM"), *words], check=True, capture_output=True, text=True).stdout == "a b.$0.-e."


def test_nothing_is_begun_for_somebody_who_has_ended_before_the_kernel_was_asked(tmp_path: pathlib.Path) -> None:
    begun = tmp_path / "begun"
    by_another = ["sh", "-c", '"$@"; exit $?', "sh", *with_us("TERM"), "touch", str(begun)]
    assert subprocess.run(by_another, check=False).returncode == 143
    assert not begun.exists()
