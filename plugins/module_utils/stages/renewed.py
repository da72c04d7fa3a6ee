# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What certbot starts when it has a new certificate: it is put in, its words for the journal (private to the collection)."""

from __future__ import annotations

import sys

from .traffic_switch import SETTINGS, perform


def main(platform: str, environment: str, provider: str, root: str) -> int:
    """Put in what is new in the files that the platform's certificates are made of; the exit status."""
    order = {
        **dict.fromkeys(SETTINGS),
        "platform": platform,
        "environment": environment,
        "provider": provider,
        "root": root,
        "state": "renewed",
        "proxy": True,
        "release": None,
        "tls": None,
        "secrets": "",
    }
    result = perform(order, False)
    if result.get("failed"):
        # Before the first release there is nowhere to put it, and that release will take it.
        early = (result.get("error") or {}).get("cause") == "structure_unknown"
        sys.stderr.write(f"{result['msg']}\n")
        return 0 if early else 1
    sys.stdout.write(f"{result['said']}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:5]))
