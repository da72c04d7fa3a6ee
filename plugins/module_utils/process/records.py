# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases this machine keeps, and which of them may go (private to the collection).

A file of each release, written before its processes are defined; of a service it has the service whose code it runs.
"""

from __future__ import annotations

from ..side.records import Shelf

SHELF = Shelf("processes.json", str, str)
