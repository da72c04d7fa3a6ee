# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a platform has in the Docker Engine of this machine, and taking it away (private to the collection)."""

from __future__ import annotations

import re
import typing as t

from ..errors import SlipwayError
from ..side.parallel import parallel
from ..side.records import Record
from ..system import System
from .engine import Engine, Found
from .records import SHELF
from .spec import Scope

_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


class Belongings(t.NamedTuple):
    """What goes, and the volumes that stay because somebody has named them."""

    containers: list[Found]
    tags: list[str]  # those that keep an image
    references: list[str]  # pulled by Slipway, and nobody else's
    volumes: list[str]

    def told(self) -> list[str]:
        """What goes, one line each."""
        images = [f"image {reference}" for reference in [*self.tags, *self.references]]
        return [*(f"container {item.name}" for item in self.containers), *images]


def belongings(scope: Scope, system: System, engine: Engine) -> Belongings:
    """Read back from the engine; the records only tell which images Slipway has brought here.

    :raises SlipwayError: where the engine cannot be asked.
    """
    containers = engine.containers(scope.labels)
    records = _records(scope, system)
    services = [service for record in records for service in record.services.values()]
    tags = {service.kept for service in services}
    tags |= {scope.kept_image(item.label("service"), item.label("release")) for item in containers}
    mine = sorted(tag for tag in tags if engine.image(tag) is not None)
    volumes = {name for item in containers for name in engine.volumes(item) if not _ANONYMOUS.fullmatch(name)}
    references = _references({service.image for service in services if service.pulled}, containers, set(mine), engine)
    return Belongings(containers, mine, references, sorted(volumes))


def remove(gone: Belongings, engine: Engine) -> None:
    """Stop what runs, all at once and each with its own grace, then remove containers and images."""
    running = [item for item in gone.containers if item.running]
    parallel(lambda item: engine.stop(item, float(item.label("grace") or 10)), running)
    parallel(engine.remove, gone.containers)
    for reference in [*gone.tags, *gone.references]:
        engine.untag(reference)


def _records(scope: Scope, system: System) -> list[Record]:
    """None where they are damaged: what they would tell is no reason to keep a platform."""
    try:
        return SHELF.read(system, scope.directory)
    except SlipwayError:
        return []


def _references(pulled: set[str], containers: t.Sequence[Found], tags: set[str], engine: Engine) -> list[str]:
    """Of those that Slipway has pulled for this platform the ones whose image nobody else has named or uses."""
    ours = {item.id for item in containers}
    found = []
    for reference in sorted(pulled):
        image = engine.image(reference)
        if image is not None and set(image.tags) <= {*pulled, *tags} and not engine.users_of(image.id) - ours:
            found.append(reference)
    return found
