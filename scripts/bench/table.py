"""The results on a terminal: a table a scenario, and the bars they are held against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from scripts.bench.contenders import FLOOR, TOOL
from scripts.bench.results import Results, Told
from scripts.bench.scenarios import FULL_MB

__all__ = ["BARS", "PEAK_MB", "Bar", "bars", "table"]


@dataclass(frozen=True)
class Bar:
    """A ratio of medians in scenario a, over / under, and its limit: a ceiling, or else a floor.

    ``own`` compares what programs say themselves, without their start.
    """

    text: str
    step: str
    over: str
    under: str
    limit: float
    ceiling: bool = False
    own: bool = False

    def verdict(self, ratio: float) -> str:
        """Say the bar, and whether the ratio keeps it."""
        met = ratio <= self.limit if self.ceiling else ratio >= self.limit
        return f"bar {'<=' if self.ceiling else '>='} {self.limit:<5} {'met' if met else 'MISSED'}"


BARS = (
    Bar("create, times the floor's time", "create", TOOL, FLOOR, 1.35, ceiling=True),
    Bar("create, times faster than skopeo copy", "create", "skopeo", TOOL, 4.0),
    # Bytes a second once both run: at 2 GB the start of a process is a quarter of the time.
    Bar("verify, share of hashlib's speed", "verify", FLOOR, TOOL, 0.85, own=True),
    Bar("push, times faster than skopeo sync", "push", "skopeo", TOOL, 2.5),
)
PEAK_MB = 120.0
_HEAD = f"  {'':11} {'':25} {'seconds':>8} {'x ours':>7} {'cpu s':>7} {'MB':>5} {'requests':>8}"


def table(told: Told) -> str:
    """Return one scenario's table: a line a contender, in the order of the steps."""
    return "\n".join([_title(told), *_body(told)])


def _title(told: Told) -> str:
    """Return what a scenario is, and how much of it there was."""
    note = f" ({told.note})" if told.note else ""
    return f"{told.letter}  {told.title}: {told.sizes}{note}"


def _body(told: Told) -> Iterator[str]:
    if told.skipped:
        yield f"  skipped: {told.skipped}"
        return
    yield f"{_HEAD}  all runs"
    for step in told.runs:
        for who in told.who(step):
            yield _row(told, step, who)
    yield from (f"  failed: {error}" for error in told.errors())


def _row(told: Told, step: str, who: str) -> str:
    found, seconds = told.good(step, who), told.seconds(step, who)
    if seconds is None:
        return f"  {step:11} {who:25} failed"
    cpu, peak = median(s.cpu for s in found), max(s.peak_mb for s in found)
    times = told.ratio(step, who, TOOL)
    figures = f"{seconds:8.2f} {f'{times:.2f}' if times else '':>7} {cpu:7.2f} {peak:5.0f}"
    runs = " ".join(f"{sample.seconds:.2f}" for sample in found)
    return f"  {step:11} {who:25} {figures} {median(s.requests for s in found):8.0f}  {runs}"


def bars(results: Results) -> str:
    """Return each bar that scenario a has figures for; in a small world starts count for most."""
    first = [t for t in results.scenarios if t.letter == "a" and t.facts["mb"] >= FULL_MB * 0.9]
    lines = []
    for told in first:
        for bar in BARS:
            ratio = told.ratio(bar.step, bar.over, bar.under, own=bar.own)
            if ratio is not None:
                lines.append(f"{bar.text:44} {ratio:6.2f}  {bar.verdict(ratio)}")
        peaks = [s.peak_mb for step in told.runs for s in told.good(step, TOOL)]
        if peaks:
            mark, text = "met" if max(peaks) < PEAK_MB else "MISSED", "peak memory of the tool, MB"
            lines.append(f"{text:44} {max(peaks):6.0f}  bar <  {PEAK_MB:<5.0f} {mark}")
    return "\n".join(lines)
