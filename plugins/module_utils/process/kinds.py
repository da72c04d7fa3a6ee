# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is to choose from, for the schema and the modules as for the factory (private to the collection)."""

from __future__ import annotations

MANAGERS = ("systemd", "supervisor", "pm2")
BUILD_ON = ("each", "one")  # machines
SOURCES = ("archive", "directory", "git", "npm", "wheel")
