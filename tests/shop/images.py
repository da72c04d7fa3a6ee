# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shop's images, built by its own script and pushed to the lab's registry."""

from __future__ import annotations

import subprocess
import sys
import typing as t
from pathlib import Path

from tests.lab import Registry, base_image

SHOP = Path(__file__).resolve().parents[2] / "examples" / "shop"
SERVICES = ("backend", "frontend")


def build(versions: t.Sequence[str], *, variant: str = "") -> None:
    """Build the images ``shop/backend:VERSION`` and ``shop/frontend:VERSION`` on the lab's base image."""
    command = [sys.executable, str(SHOP / "build.py"), *versions, "--base", base_image()]
    subprocess.run([*command, "--variant", variant] if variant else command, check=True, stdout=subprocess.DEVNULL)


def push(registry: Registry, versions: t.Sequence[str]) -> str:
    """Push them, and return what ``shop_registry`` has to be: everything before ``/backend:VERSION``."""
    references = [registry.push(f"shop/{service}:{version}") for version in versions for service in SERVICES]
    return references[0].rpartition("/")[0]
