"""From what is missing to a verdict: counts, the first names, the command that mends it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mirror.preflight.interface import Verdict, failed, passed, untold
from mirror.preflight.sought import Gap, Kind
from mirror.preflight.wording import are, counted
from mirror.settings import MAX_GAPS_SHOWN

_WORDS = {
    Kind.MISSING: "not there",
    Kind.REFUSED: "refused without a login",
    Kind.WRONG: "not what is expected",
    Kind.BROKEN: "not to be used",
}
_HINTS = {
    Kind.REFUSED: "let everybody pull: make the project public, and lift rules that forbid it",
    Kind.BROKEN: "ask the registry's operator, or whoever runs a proxy in between",
}
_FAILS = "find out why the registry fails, then run the same command again"


class Tally(NamedTuple):
    """How many things were looked for, and which of them are not as they should be."""

    thing: str
    """Of what kind, in the singular and with an s where there are more: ``image``."""
    asked: int
    gaps: tuple[tuple[str, Gap], ...]
    """Each with the name that people know it by."""
    things: str = ""
    """The plural where it is another."""

    def verdict(self, good: str, mend: str, notes: Iterable[str] = ()) -> Verdict:
        """``good`` is said where nothing is amiss; ``mend`` is the command that brings the rest.

        Silence about one thing is no pass; a gap that was found outweighs it.
        """
        notes = tuple(notes)
        known = [each for each in self.gaps if each[1].kind is not Kind.UNKNOWN]
        silent = [each for each in self.gaps if each[1].kind is Kind.UNKNOWN]
        detail = "\n".join((*named(known), *named(silent), *notes))
        if known:
            kinds = dict.fromkeys(gap.kind for _name, gap in known)
            how = " or ".join(_WORDS[kind] for kind in kinds)
            summary = f"{self._of(len(known))} {how}"
            if silent:
                summary += f", and {len(silent)} gave no usable answer"
            return failed(summary, detail, fix=_fix(known, mend))
        if silent:
            return untold(f"{self._of(len(silent))} not told", detail, fix=_FAILS)
        return passed(good, detail)

    def _of(self, count: int) -> str:
        if self.asked == 1:
            return f"the only {self.thing} is"
        return f"{count} of {counted(self.asked, self.thing, self.things)} {are(count)}"


def named(gaps: Iterable[tuple[str, Gap]]) -> list[str]:
    """A line for each of the first, and how many more there are."""
    gaps = list(gaps)
    lines = [f"{name}: {gap.reason}" for name, gap in gaps[:MAX_GAPS_SHOWN]]
    return lines + more(len(gaps))


def more(count: int) -> list[str]:
    """The line that stands for what is left out of a list."""
    left = count - MAX_GAPS_SHOWN
    return [f"and {left} more"] if left > 0 else []


def _fix(gaps: Iterable[tuple[str, Gap]], mend: str) -> str:
    """What mends them all: a push does not help where pulling is refused."""
    found = [gap for _name, gap in gaps]
    hints = (gap.hint or _HINTS.get(gap.kind, "") for gap in found)
    pushed = [mend] if any(gap.kind in (Kind.MISSING, Kind.WRONG) for gap in found) else []
    return "; ".join((*dict.fromkeys(filter(None, hints)), *pushed))
