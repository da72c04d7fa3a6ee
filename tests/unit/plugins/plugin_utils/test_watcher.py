# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a terminal shows while a long module runs."""

from __future__ import annotations

import threading

from ansible_collections.slipway.deploy.plugins.plugin_utils.progress import Watcher, reader


class Looks:
    """Says one thing after the other, the last one for ever; an exception is raised."""

    def __init__(self, *things):
        self.things = list(things)
        self.seen = threading.Event()

    def __call__(self):
        if len(self.things) == 1:
            self.seen.set()
            return self.things[0]
        found = self.things.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def shown_of(*things):
    looks, shown = Looks(*things), []
    with Watcher(looks, shown.append, every=0.001):
        assert looks.seen.wait(timeout=60)
    return shown


def test_what_is_new_is_shown_once():
    assert shown_of("", "1 of 4", "1 of 4", "2 of 4", "") == ["1 of 4", "2 of 4"]


def test_a_look_that_fails_stops_neither_the_task_nor_the_looking():
    assert shown_of(OSError("no route"), "3 of 4", "") == ["3 of 4"]


class Connection:
    """An SSH connection whose task acts as root."""

    def __init__(self, status=0, output=b"dumped: 1 of 4\n"):
        self.become, self.status, self.output, self.asked = "sudo", status, output, []

    def exec_command(self, command, in_data=None, sudoable=True):
        self.asked.append((command, self.become, sudoable))
        return self.status, self.output, b""


def test_the_file_is_read_beside_the_task_and_without_its_rights():
    connection = Connection()
    assert reader(connection, "/run/slipway/a b.progress")() == "dumped: 1 of 4"
    assert connection.asked == [("cat '/run/slipway/a b.progress' 2>/dev/null", None, False)]
    assert connection.become == "sudo"


def test_a_file_that_is_not_there_says_nothing():
    assert reader(Connection(status=1), "/run/slipway/shop.progress")() == ""


def test_a_machine_cannot_send_commands_to_the_terminal():
    assert reader(Connection(output=b"\x1b[2Jgone\r\n"), "/run/slipway/shop.progress")() == "[2Jgone"
