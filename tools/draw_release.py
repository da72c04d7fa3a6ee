# Copyright: (c) 2026, Slipway maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws docs/images/release.svg: one release over two application machines and a balancer, from left to right.

With --check it writes nothing, and ends with 1 when the file is not what would be written.
"""

from __future__ import annotations

import argparse
import sys
import typing as t
from pathlib import Path
from xml.sax.saxutils import escape

TARGET = Path(__file__).resolve().parents[1] / "docs" / "images" / "release.svg"

WIDTH, HEIGHT = 1160, 616
LEFT, RIGHT = 176, 1132  # of the timeline
LANE_TOP, LANE_GAP = 140, 14
BAR = 22


class Stage(t.NamedTuple):
    """One column of the timeline."""

    name: str
    about: str
    width: int


class Lane(t.NamedTuple):
    """One machine."""

    name: str
    about: str
    top: int
    height: int

    @property
    def bottom(self) -> int:
        """Where it ends."""
        return self.top + self.height


STAGES = (
    Stage("read", "what is live", 106),
    Stage("lock", "a lease each", 100),
    Stage("prepare", "create, start, health, smoke", 226),
    Stage("decision", "in every journal", 126),
    Stage("shift", "gate, move, read back, watch, drain", 246),
    Stage("settle", "stop, keep, record", 152),
)
BALANCER = Lane("lb1", "balancer", LANE_TOP, 92)
APPS = (
    Lane("app1", "application", BALANCER.bottom + LANE_GAP, 92),
    Lane("app2", "application", BALANCER.bottom + 2 * LANE_GAP + 92, 92),
)
FOOT = APPS[-1].bottom + 28

STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: #1f2933 }
  .title { font-size: 19px; font-weight: 650 }
  .machine { font-size: 15px; font-weight: 650 }
  .stage { font-size: 13.5px; font-weight: 650 }
  .small { font-size: 11.5px; fill: #5b6773 }
  .on { fill: #ffffff; font-weight: 600; font-size: 12px }
  .page { fill: #ffffff }
  .lane { fill: #f4f6f9 }
  .chip { fill: #e6ebf1 }
  .grid { stroke: #d5dce4; stroke-width: 1; stroke-dasharray: 2 4 }
  .blue { fill: #2f6fde }
  .green { fill: #12946a }
  .ending { fill: #2f6fde; fill-opacity: .3 }
  .starting { fill: #12946a; fill-opacity: .16; stroke: #12946a; stroke-width: 1.3; stroke-dasharray: 5 4 }
  .ready { fill: #12946a; fill-opacity: .38 }
  .kept { fill: url(#kept); stroke: #2f6fde; stroke-opacity: .55; stroke-width: 1 }
  .hatch { stroke: #2f6fde; stroke-opacity: .45; stroke-width: 2 }
  .commit { stroke: #c2410c; stroke-width: 2 }
  .commits { fill: #c2410c; font-weight: 650; font-size: 12.5px }
  .lines { fill: none; stroke: #5b6773; stroke-width: 1.4 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9aa7b4 }
    .page { fill: #0d1117 }
    .lane { fill: #161c24 }
    .chip { fill: #232b35 }
    .grid { stroke: #333d48 }
    .on { fill: #ffffff }
    .blue { fill: #3f7ff0 }
    .green { fill: #179c72 }
    .ending { fill: #6a9dff }
    .starting { fill: #2dbd8f; stroke: #2dbd8f }
    .ready { fill: #2dbd8f }
    .kept, .hatch { stroke: #6a9dff }
    .commit { stroke: #ff8a4c }
    .commits { fill: #ff8a4c }
    .lines { stroke: #9aa7b4 }
  }
"""


def main() -> int:
    """Write the picture, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args().check
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == picture():
        return 0
    print(f"{'stale' if check else 'written'}: {TARGET.name}")
    if not check:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(picture(), encoding="utf-8")
    return int(check)


def picture() -> str:
    """The whole picture."""
    about = (
        "One release: every machine is read, locked and prepared while the old version serves; the decision is written "
        "to every journal; the balancer moves the traffic; the old version is stopped and kept."
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="t d">',
        f'<title id="t">A release of Slipway</title><desc id="d">{escape(about)}</desc>',
        f"<style>{STYLE}</style>",
        '<defs><pattern id="kept" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line class="hatch" x1="0" y1="0" x2="0" y2="8"/></pattern></defs>',
        rect("page", 0, 0, WIDTH, HEIGHT, radius=14),
        text("title", 28, 44, "One release: 1.0.0 on blue becomes 1.1.0 on green"),
        text("small", 28, 66, "A stage is one task over all machines at once, and one verdict over all their results."),
        *stages(),
        *lanes(),
        *balancer(),
        *(part for lane in APPS for part in application(lane)),
        *commit_point(),
        *courses(),
        *legend(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


# -- the timeline ---------------------------------------------------------------------------------------------------


def start(name: str) -> int:
    """Where a stage begins."""
    x = LEFT
    for stage in STAGES:
        if stage.name == name:
            return x
        x += stage.width
    raise KeyError(name)


def end(name: str) -> int:
    """Where a stage ends."""
    return start(name) + next(stage.width for stage in STAGES if stage.name == name)


def moved() -> int:
    """Where, inside of the shift, the traffic moves: when the balancer has seen the new side healthy."""
    return start("shift") + 46


def stages() -> t.Iterator[str]:
    """The names above the columns, and the lines between these."""
    for stage in STAGES:
        x = start(stage.name)
        yield rect("chip", x + 3, 84, stage.width - 6, 44, radius=9)
        yield text("stage", x + stage.width / 2, 103, stage.name, "middle")
        yield text("small", x + stage.width / 2, 119, stage.about, "middle")
        if x > LEFT:
            yield line("grid", x, 132, x, APPS[-1].bottom)


def lanes() -> t.Iterator[str]:
    """One for each machine, with its name."""
    for lane in (BALANCER, *APPS):
        yield rect("lane", 28, lane.top, RIGHT - 28, lane.height, radius=10)
        yield text("machine", 46, lane.top + lane.height / 2 - 3, lane.name)
        yield text("small", 46, lane.top + lane.height / 2 + 15, lane.about)
    # The lanes have covered the lines.
    for stage in STAGES[1:]:
        yield line("grid", start(stage.name), 132, start(stage.name), APPS[-1].bottom)


def balancer() -> t.Iterator[str]:
    """All requests, first to blue, then to green; those that blue has begun, it ends."""
    top, x, last = BALANCER.top + 14, moved(), RIGHT - 10
    yield rect("blue", LEFT + 6, top, x - LEFT - 6, 30, radius=7)
    yield text("on", (LEFT + x) / 2, top + 20, "all new requests to blue, 1.0.0", "middle")
    yield rect("green", x, top, last - x, 30, radius=7)
    yield text("on", (x + last) / 2, top + 20, "all new requests to green, 1.1.0", "middle")
    drained = end("shift") - 62
    yield f'<path class="blue" d="M{x} {top + 38} L{drained} {top + 46} L{drained} {top + 48} L{x} {top + 60} Z"/>'
    yield text("small", drained + 8, top + 51, "blue ends what it has begun")


def application(lane: Lane) -> t.Iterator[str]:
    """The old version until it is settled, and the new one from its preparation on."""
    blue, green = lane.top + 16, lane.top + 54
    stopped, last = start("settle") + 34, RIGHT - 10
    yield rect("blue", LEFT + 6, blue, moved() - LEFT - 6, BAR, radius=6)
    yield text("on", LEFT + 20, blue + 15, "blue 1.0.0 serves")
    yield rect("ending", moved(), blue, stopped - moved(), BAR, radius=6)
    yield text("small", moved() + 14, blue + 15, "no new requests")
    yield rect("kept", stopped, blue, last - stopped, BAR, radius=6)
    yield text("small", stopped + (last - stopped) / 2, blue + BAR + 13, "stopped, kept", "middle")
    born, healthy = start("prepare") + 14, start("prepare") + 122
    yield rect("starting", born, green, healthy - born, BAR, radius=6)
    yield text("small", (born + healthy) / 2, green + 15, "green 1.1.0 starts", "middle")
    yield rect("ready", healthy, green, moved() - healthy, BAR, radius=6)
    yield text("small", (healthy + moved()) / 2, green + 15, "healthy, nobody sees it yet", "middle")
    yield rect("green", moved(), green, last - moved(), BAR, radius=6)
    yield text("on", moved() + 14, green + 15, "green 1.1.0 serves, watched for errors")


def commit_point() -> t.Iterator[str]:
    """The line that a run which finds an interrupted release looks for first."""
    x = end("decision")
    yield line("commit", x, 132, x, APPS[-1].bottom + 6)
    yield text("commits", x, APPS[-1].bottom + 22, "the commit point", "middle")


# -- below it -------------------------------------------------------------------------------------------------------


def courses() -> t.Iterator[str]:
    """What becomes of a release that fails or is interrupted, by how far it came."""
    y = FOOT + 14
    yield text("machine", 28, y + 34, "If it fails")
    yield text("small", 28, y + 52, "or is interrupted")
    decided, settling = end("decision"), start("settle")
    yield from course(LEFT + 6, decided - 8, y, "put back: green is stopped and kept", "blue never stopped serving")
    again = "interrupted: verified, watched again first"
    yield from course(decided + 8, settling - 6, y, "traffic back to blue", again)
    yield from course(settling + 6, RIGHT - 10, y, "forward only", "to the end")


def course(left: float, right: float, y: float, what: str, then: str) -> t.Iterator[str]:
    """A bracket under a part of the timeline, with what it means."""
    middle = (left + right) / 2
    yield f'<path class="lines" d="M{left} {y} v8 H{right} v-8 M{middle} {y + 8} v8"/>'
    yield text("stage", middle, y + 34, what, "middle")
    yield text("small", middle, y + 52, then, "middle")


def legend() -> t.Iterator[str]:
    """What the colours mean."""
    x, y = float(LEFT + 6), HEIGHT - 40
    entries = (
        ("blue", "the old side", 118),
        ("starting", "the new side starts", 162),
        ("ready", "verified", 98),
        ("green", "the new side serves", 164),
        ("kept", "stopped and kept: a rollback starts these containers again", 0),
    )
    for name, meaning, width in entries:
        yield rect(name, x, y, 22, 14, radius=4)
        yield text("small", x + 30, y + 11, meaning)
        x += width


# -- shapes ---------------------------------------------------------------------------------------------------------


def rect(name: str, x: float, y: float, width: float, height: float, *, radius: float) -> str:
    """A rectangle with round corners."""
    return f'<rect class="{name}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}"/>'


def line(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """A line."""
    return f'<line class="{name}" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def text(name: str, x: float, y: float, words: str, anchor: str = "start") -> str:
    """Words at a place."""
    return f'<text class="{name}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


if __name__ == "__main__":
    sys.exit(main())
