# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An order to the engine, as a machine gets it, in a process that tells how much memory it had (standard error, MiB)."""

from __future__ import annotations

import sys

from ansible_collections.slipway.deploy.plugins.module_utils.stages.entry import main

from .peak import peak

if __name__ == "__main__":
    main()
    print(peak(), file=sys.stderr)
