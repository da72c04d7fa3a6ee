# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker of which there may be one only: it has a lock for as long as it works, and writes down whenever it does not get it."""

from __future__ import annotations

# Its book is in the directory BOOK, by default one of its own. What it waits for is what such a program takes its time for.
ALONE = r"""
import fcntl, os, signal, sys, time
place = os.environ.get("BOOK", "book")
book, lock = open(place + "/lines", "a", buffering=1), open(place + "/lock", "w")
version = os.environ.get("VERSION") or open("version").read().strip()
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    book.write("twice " + version + "\n")
    sys.exit(1)

def end(*_):
    time.sleep(0.5)  # what it has begun
    book.write("end " + version + "\n")
    os._exit(0)

signal.signal(signal.SIGTERM, signal.SIG_IGN if os.environ.get("MODE") == "stubborn" else end)
book.write("start " + version + "\n")
while True:
    time.sleep(0.05)
"""
STATES = ("prepared", "decided", "settled")  # of a module that goes on where one was cut off
