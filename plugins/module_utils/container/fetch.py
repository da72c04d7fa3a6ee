# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a release here before anything is stopped or moved for it (private to the collection)."""

from __future__ import annotations

from ..side.parallel import parallel
from ..side.records import last_settled
from ..system import System
from .engine import Engine
from .plan import Plan
from .prepare import Preparation, refuse_unknown_keywords
from .records import SHELF
from .report import Report
from .spec import Order


def fetch(order: Order, system: System, engine: Engine, *, check: bool = False) -> Report:
    """Images are here, kept under the release's name and in its record, and so are its assets; no container of it is made.

    The old version serves the new one's assets from now on: a page of a machine that is updated already may ask for them here.

    :raises SlipwayError: C(image_missing), C(assets_missing), C(invalid).
    """
    preparation = Preparation(order, system, engine)
    refuse_unknown_keywords(order, engine)
    with preparation.report.timed("images"):
        resolved = preparation.resolve_images(check)
    if not check:
        live = last_settled(SHELF.read(system, order.scope.directory))
        preparation.record(resolved, Plan([], [], []), "prepared")
        parallel(preparation.keep_image, resolved)
        with preparation.report.timed("assets"):
            parallel(lambda item: preparation.lay_out_assets(item, live), resolved)
    return preparation.report
