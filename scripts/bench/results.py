"""What the runs said: all samples of all scenarios, with the day and the machine, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from scripts.bench.contenders import FLOOR, TOOL
from scripts.bench.measure import Sample

__all__ = ["Results", "Told", "sort_key"]

SCHEMA = "tkg-mirror/bench/v1"
# The order in which tables have them; the floor comes first and the tool beside it.
ORDER = (FLOOR, TOOL)


def sort_key(who: str) -> tuple[int, str]:
    """Put the floor first, the tool second, its variants after it, the others by name."""
    if who in ORDER:
        return ORDER.index(who), who
    return (2 if who.startswith(TOOL) else 3), who


@dataclass
class Told:
    """One scenario as it was run, or why it was not."""

    letter: str
    title: str
    note: str = ""
    facts: dict[str, int] = field(default_factory=dict)
    """images, blobs, mb, jobs, rounds, peer_rounds."""
    skipped: str = ""
    runs: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)
    """By step and contender."""

    @property
    def sizes(self) -> str:
        """How much there was of it, in words."""
        plural = "s" * (self.facts["images"] != 1)
        images = f"{self.facts['images']:,} image{plural}"
        return f"{images}, {self.facts['blobs']:,} blobs, {self.facts['mb']:,} MB"

    def add(self, step: str, who: str, sample: Sample) -> None:
        """Keep a sample."""
        self.runs.setdefault(step, {}).setdefault(who, []).append(sample)

    def who(self, step: str) -> list[str]:
        """Return everyone who tried a step, in the order of tables."""
        return sorted(self.runs.get(step, {}), key=sort_key)

    def good(self, step: str, who: str) -> list[Sample]:
        """Return the runs that ended well."""
        return [s for s in self.runs.get(step, {}).get(who, []) if not s.error]

    def seconds(
        self, step: str, who: str, *, own: bool = False, last: int | None = None
    ) -> float | None:
        """Return the median of the seconds, by the contender's own account if ``own``.

        Of all rounds, or of the ``last`` so many.
        """
        good = self.good(step, who)
        found = [s.own if own else s.seconds for s in good[-(last or len(good)) :]]
        numbers = [number for number in found if number is not None]
        return median(numbers) if numbers else None

    def ratio(self, step: str, over: str, under: str, *, own: bool = False) -> float | None:
        """Return how many times as long one takes as another, if both ended well.

        Of the rounds in which both ran, the last ones: a machine is faster in some than in others.
        """
        both = min(len(self.good(step, over)), len(self.good(step, under)))
        above, below = (self.seconds(step, who, own=own, last=both) for who in (over, under))
        return above / below if above and below else None

    def errors(self) -> Iterator[str]:
        """Yield a line for each run that failed."""
        for step, by_who in self.runs.items():
            for who, samples in by_who.items():
                for error in (s.error for s in samples if s.error):
                    yield f"{step}, {who}: {' '.join(error.split())}"


@dataclass
class Results:
    """A whole run. ``machine`` and ``programs`` are of `scripts.bench.machine`."""

    date: str
    machine: dict[str, str]
    programs: dict[str, str]
    scenarios: list[Told] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.json(), "utf-8")

    def json(self) -> str:
        """Return everything as JSON."""
        told = [_told(scenario) for scenario in self.scenarios]
        whole = {
            "schema": SCHEMA,
            "date": self.date,
            "machine": self.machine,
            "programs": self.programs,
            "scenarios": told,
        }
        return json.dumps(whole, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read what `write` has written; ValueError for anything else."""
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if found.get("schema") != SCHEMA:
            raise ValueError(f"{path} is not {SCHEMA}")
        scenarios = [_read(told) for told in found["scenarios"]]
        return cls(found["date"], found["machine"], found["programs"], scenarios)


def _told(told: Told) -> dict[str, object]:
    runs = {
        step: {who: [_lean(s) for s in samples] for who, samples in by_who.items()}
        for step, by_who in told.runs.items()
    }
    return {**vars(told), "runs": runs}


def _lean(sample: Sample) -> dict[str, object]:
    """Return a sample without its output, to the millisecond and 0.1 MB."""
    lean: dict[str, object] = {
        "seconds": round(sample.seconds, 3),
        "cpu": round(sample.cpu, 2),
        "peak_mb": round(sample.peak_mb, 1),
        "requests": sample.requests,
    }
    if sample.own is not None:
        lean["own"] = round(sample.own, 3)
    if sample.moved is not None:
        lean["moved"] = sample.moved
    if sample.error:
        lean["error"] = sample.error
    return lean


def _read(told: dict[str, Any]) -> Told:
    runs = {
        step: {who: [Sample(**s) for s in samples] for who, samples in by_who.items()}
        for step, by_who in told["runs"].items()
    }
    return Told(**{**told, "runs": runs})
