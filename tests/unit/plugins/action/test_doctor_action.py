# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a machine from being examined, by what Ansible and its shell say."""

from __future__ import annotations

import pytest
from ansible_collections.slipway.deploy.plugins.action import doctor


@pytest.mark.parametrize(
    ("said", "topic"),
    [
        ("Missing sudo password", "become"),
        ("sudo: a password is required", "become"),
        ("ann is not in the sudoers file.", "become"),
        ("The module interpreter '/usr/bin/python3.9' was not found.", "Python"),
        ("/bin/sh: 1: /usr/bin/python3: not found", "Python"),
        ("bash: python3: command not found", "Python"),
        ("/usr/bin/python3: No such file or directory", "Python"),
        ('File "/usr/bin/python3/doctor.py", line 3: FileNotFoundError: No such file or directory: /x', "module"),
        ("PermissionError: /etc/shadow", "module"),
    ],
)
def test_a_module_that_fails_is_not_taken_for_a_missing_python(said, topic):
    assert doctor._unable(said).topic == topic
