"""What the runs say together: medians, ratios of medians, and the bars they are held against."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from scripts.bench.measure import Sample

__all__ = ["BARS", "Bar", "Results"]


@dataclass(frozen=True)
class Bar:
    """A ratio of medians, over / under, and its limit: a ceiling, or else a floor to reach.

    Without a limit the ratio is told and not judged.
    """

    text: str
    over: str
    under: str
    limit: float | None = None
    ceiling: bool = False

    def verdict(self, ratio: float) -> str:
        """Say the bar, and whether the ratio keeps it."""
        if self.limit is None:
            return ""
        met = ratio <= self.limit if self.ceiling else ratio >= self.limit
        return f"bar {'<=' if self.ceiling else '>='} {self.limit:<5} {'met' if met else 'MISSED'}"


BARS = (
    Bar("create, times the floor's time", "create tool", "create floor", 1.35, ceiling=True),
    Bar("create, times faster than skopeo copy", "create skopeo", "create tool", 4.0),
    # Bytes a second once both run: at 2 GB the start of a process is a quarter of the time.
    Bar("verify, share of hashlib's speed", "verify floor, started", "verify tool, started", 0.85),
    Bar("verify, the same with the start of each", "verify floor", "verify tool"),
    Bar("push, times faster than skopeo sync", "push skopeo", "push tool", 2.5),
    Bar("push, times the floor's time", "push tool", "push floor"),
    # What the destination leaves to win: no client can be faster against skopeo than this.
    Bar("push, the floor against skopeo sync", "push skopeo", "push floor"),
)
PEAK_MB = 120.0


class Results:
    """All samples by the name of what ran: "create tool", "push floor" and so on."""

    def __init__(self, facts: dict[str, object]) -> None:
        self.facts = facts
        self.samples: defaultdict[str, list[Sample]] = defaultdict(list)

    def add(self, name: str, sample: Sample) -> None:
        """Keep a sample, and say it at once."""
        self.samples[name].append(sample)
        said = sample.error or f"{sample.seconds:.2f} s"
        print(f"  {name}: {said}", flush=True)

    def good(self, name: str) -> list[Sample]:
        """Return the runs that ended well."""
        return [sample for sample in self.samples.get(name, []) if not sample.error]

    def ratio(self, bar: Bar) -> float | None:
        """Return the ratio of two medians, if both sides ran."""
        over, under = self.good(bar.over), self.good(bar.under)
        if not over or not under:
            return None
        return median(s.seconds for s in over) / median(s.seconds for s in under)

    def text(self) -> str:
        """Return the table and the bars."""
        lines = [f"{'':23} {'seconds':>8} {'cpu s':>7} {'peak MB':>8}  all runs"]
        lines += [self._row(name) for name in sorted(self.samples)]
        return "\n".join([*lines, "", *self._bars()])

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        ratios = {bar.text: self.ratio(bar) for bar in BARS}
        runs = {name: [_lean(s) for s in found] for name, found in self.samples.items()}
        path.write_text(json.dumps({**self.facts, "ratios": ratios, "runs": runs}, indent=1) + "\n")

    def _row(self, name: str) -> str:
        found = self.good(name)
        if not found:
            return f"{name:23} failed"
        seconds = median(s.seconds for s in found)
        cpu, peak = median(s.cpu for s in found), max(s.peak_mb for s in found)
        runs = " ".join(f"{s.seconds:.2f}" for s in found)
        return f"{name:23} {seconds:8.2f} {cpu:7.2f} {peak:8.0f}  {runs}"

    def _bars(self) -> list[str]:
        lines = []
        for bar in BARS:
            ratio = self.ratio(bar)
            if ratio is not None:
                lines.append(f"{bar.text:44} {ratio:6.2f}  {bar.verdict(ratio)}".rstrip())
        peaks = [s.peak_mb for name in self.samples if "tool" in name for s in self.good(name)]
        if peaks:
            mark, text = "met" if max(peaks) < PEAK_MB else "MISSED", "peak memory of the tool, MB"
            lines.append(f"{text:44} {max(peaks):6.0f}  bar <  {PEAK_MB:<5.0f} {mark}")
        return lines


def _lean(sample: Sample) -> dict[str, object]:
    return {name: value for name, value in asdict(sample).items() if name != "output"}
