# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The back end of the example shop: a JSON API (``python3 -m shop``) and a worker (``python3 -m shop.worker``)."""

import os
import signal
import sys

# Process 1 of a container has no default action for SIGTERM. Until the program has its own, stop at once.
if os.getpid() == 1:
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(0))
