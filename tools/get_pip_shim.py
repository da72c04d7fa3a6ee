# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for get-pip.py, which ansible-test would download for each of its environments.

Installs the pip that Python itself bundles, then what get-pip was asked for with it. tools/lint.sh puts this file where
ansible-test keeps its downloads.
"""

from __future__ import annotations

import subprocess
import sys


def main() -> int:
    """Do what get-pip does with these arguments."""
    wanted = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
    if not any(argument.startswith("pip") for argument in wanted):
        wanted.append("pip")
    bundled = subprocess.call([sys.executable, "-m", "ensurepip", "--upgrade"], stdout=subprocess.DEVNULL)
    return bundled or subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", *wanted])


if __name__ == "__main__":
    sys.exit(main())
