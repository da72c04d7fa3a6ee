# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is run once: its name, what a shell is told, and whose it is."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.slipway.deploy.plugins.module_utils.container import one_off
from ansible_collections.slipway.deploy.plugins.module_utils.container.engine import Engine
from ansible_collections.slipway.deploy.plugins.module_utils.container.one_off import LABEL, OneOffs, Settings, scope_of
from ansible_collections.slipway.deploy.plugins.module_utils.errors import SlipwayError
from ansible_collections.slipway.deploy.plugins.module_utils.system import System


def test_a_name_that_says_what_it_is_about_and_no_label_of_a_side() -> None:
    found = scope_of("key", "shop", "production", "r/1")
    assert found.name == "slipway-shop-production-one-off"
    assert found.labels == {
        f"{LABEL}.platform": "shop",
        f"{LABEL}.environment": "production",
        f"{LABEL}.release": "r/1",
    }
    assert not {"slipway.platform", "slipway.environment"} & set(found.labels)
    assert scope_of("key", "", "", "").name == "slipway-one-off"


@pytest.mark.parametrize("value", ["it's", 'a "b" $HOME `id` \\', "two\nlines", "", "wörd"])
def test_a_shell_is_told_every_value_as_it_is(tmp_path: pathlib.Path, value: str) -> None:
    (tmp_path / "environment").write_text("".join(one_off._exported({"WORD": value, "_a1": "x"})), encoding="utf-8")
    words = one_off.RUN.replace(one_off.ROOM, str(tmp_path))
    program = [sys.executable, "-c", "import os, sys; sys.stdout.buffer.write(os.environb[b'WORD'])"]
    done = subprocess.run(["sh", "-c", words, "sh", *program], capture_output=True, check=True)
    assert done.stdout.decode() == value


@pytest.mark.parametrize("name", ["a.b", "1a", "", "a;id", "naïve"])
def test_a_name_that_no_shell_can_set_is_refused(name: str) -> None:
    with pytest.raises(SlipwayError, match="no name of a variable"):
        list(one_off._exported({name: "x"}))


@pytest.mark.parametrize("keyword", ["restart_policy", "name", "ports", "auto_remove"])
def test_a_keyword_of_its_own_is_refused(keyword: str) -> None:
    with pytest.raises(SlipwayError, match="cannot be set"):
        OneOffs(Engine(), System(), scope_of("k", "", "", ""), Settings("i", keywords={keyword: 1}))


def test_whose_it_is_is_known_by_number_and_start() -> None:
    mine = one_off._owner()
    assert one_off._alive(mine)
    assert not one_off._alive(f"{os.getpid()}:1") and not one_off._alive("") and not one_off._alive("0:")
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert not one_off._start(child)  # it has ended, and nobody has asked for it yet
    os.waitpid(child, 0)
