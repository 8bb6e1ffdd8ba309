"""The results as a picture: everyone's time as a multiple of the tool's, by step and scenario.

matplotlib draws it. Only `make bench` installs that (requirements-bench.lock); nothing else needs
it, so it is imported where it is used, and its absence is told before anything is measured. The
picture carries the checksum of the results it shows.
"""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.bench.contenders import FLOOR, TOOL
from scripts.bench.results import Results, sort_key

__all__ = ["Dot", "checksum", "dots", "draw", "require", "source_of"]

PANELS = ("create", "push", "push again", "verify", "show")
SOURCE = "Source"
_OURS = "#c03028"
_COLOURS = ("#888888", "#e07060", "#f0a090", "#2060a0", "#209070", "#b08000", "#7050a0", "#50a0c0")


@dataclass(frozen=True)
class Dot:
    """A contender's median time in one step of one scenario, as a multiple of the tool's."""

    step: str
    scenario: str
    who: str
    times: float


def dots(results: Results) -> list[Dot]:
    """Return everything that the picture shows besides the tool, which is at 1."""
    return [
        Dot(step, told.letter, who, times)
        for told in results.scenarios
        for step in PANELS
        for who in told.who(step)
        if who != TOOL and (times := told.ratio(step, who, TOOL))
    ]


def require() -> None:
    """Leave at once, and say what to do, where matplotlib is not there."""
    if importlib.util.find_spec("matplotlib") is None:
        sys.exit(
            "error: the plot needs matplotlib, which is not installed\n"
            "`make bench` installs it, or: pip install -r requirements-bench.lock"
        )


def draw(results: Results, path: Path) -> None:
    """Write the picture as PNG."""
    require()
    from matplotlib.figure import Figure

    shown = dots(results)
    letters = [told.letter for told in results.scenarios if told.runs]
    steps = [s for s in PANELS if any(dot.step == s for dot in shown)]
    figure: Any = Figure(figsize=(3 + 2.2 * len(steps), 1.6 + 0.42 * len(letters)), dpi=120)
    panels = figure.subplots(1, max(len(steps), 1), sharey=True, squeeze=False)[0]
    people = sorted({dot.who for dot in shown}, key=sort_key)
    colours = dict(zip(people, itertools.cycle(_COLOURS), strict=False))
    for panel, step in zip(panels, steps, strict=False):
        _panel(panel, step, letters, [dot for dot in shown if dot.step == step], colours)
    names = [f"{told.letter}  {told.title}" for told in results.scenarios if told.runs]
    panels[0].set_yticks(range(len(letters)), names)
    panels[0].invert_yaxis()
    _legend(figure, people, colours)
    figure.savefig(path, metadata={SOURCE: checksum(results.json().encode())})


def _panel(
    panel: Any, step: str, letters: list[str], shown: list[Dot], colours: dict[str, str]
) -> None:
    panel.set_title(step, fontsize=10)
    panel.set_xscale("log")
    panel.axvline(1, color=_OURS, linewidth=2, zorder=1)
    for dot in shown:
        mark = "|" if dot.who == FLOOR else "o"
        size, place = (140 if dot.who == FLOOR else 34), letters.index(dot.scenario)
        panel.scatter(dot.times, place, s=size, marker=mark, color=colours[dot.who], zorder=2)
    panel.set_xlim(
        min([0.45, *(d.times * 0.8 for d in shown)]), max([2.2, *(d.times * 1.3 for d in shown)])
    )
    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100) if _within(panel, t)]
    panel.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=8)
    panel.minorticks_off()
    panel.grid(axis="both", color="#e4e4e4", zorder=0)
    panel.set_axisbelow(True)


def _within(panel: Any, tick: float) -> bool:
    low, high = panel.get_xlim()
    return bool(low <= tick <= high)


def _legend(figure: Any, people: list[str], colours: dict[str, str]) -> None:
    from matplotlib.lines import Line2D

    shapes = [Line2D([], [], color=_OURS, linewidth=2)]
    for who in people:
        mark: Any = {"marker": "|", "markersize": 11} if who == FLOOR else {"marker": "o"}
        shapes.append(Line2D([], [], linestyle="", color=colours[who], **mark))
    names = [TOOL, *people]
    figure.legend(shapes, names, loc="lower center", ncols=len(names), fontsize=9, frameon=False)
    figure.suptitle(f"time as a multiple of {TOOL}'s; left is faster", fontsize=11)
    figure.tight_layout(rect=(0, 0.07, 1, 1))


def checksum(data: bytes) -> str:
    """Return what a picture of these results carries."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def source_of(picture: bytes) -> str:
    """Return the checksum that a picture carries, or nothing (PNG 11.3.4.3: tEXt)."""
    for kind, data in _chunks(picture):
        key, _, text = data.partition(b"\0")
        if kind == b"tEXt" and key == SOURCE.encode():
            return text.decode("latin-1")
    return ""


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = 8
    while position + 8 <= len(picture):
        size, kind = struct.unpack(">I4s", picture[position : position + 8])
        yield kind, picture[position + 8 : position + 8 + size]
        position += 12 + size
