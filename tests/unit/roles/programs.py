# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that provisioning puts on machines, as modules."""

from __future__ import annotations

import importlib.machinery
import types
from pathlib import Path

FILES = Path(__file__).resolve().parents[3] / "roles" / "vm_provision" / "files"


def program(name: str) -> types.ModuleType:
    """One of them; its file has no ending."""
    module = types.ModuleType(name.replace("-", "_"))
    importlib.machinery.SourceFileLoader(module.__name__, str(FILES / name)).exec_module(module)
    return module
