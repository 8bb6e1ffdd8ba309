"""Words that verdicts have in common: how many there are, and what to do about no answer. Pure."""

from __future__ import annotations

from mirror.errors import Fault, Full, IntegrityFault, Unreachable

# What helps here. The hints of faults themselves speak to transfers, which go on where they were.
_NO_ANSWER = (
    "see whether it is up, what its own log says, and who stands between (routes, firewalls,"
    " proxies); then run the preflight again"
)
_ADVICE: tuple[tuple[type[Fault], str], ...] = (
    (Unreachable, _NO_ANSWER),
    (Full, "make room: look at its disk and the project's quota"),
    (IntegrityFault, "find out who changed these bytes: the registry, or a proxy before it"),
)


def counted(count: int, one: str, many: str = "") -> str:
    """``1 image``, ``3 images``; ``many`` where it is not ``one`` with an s."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def every(count: int, one: str, many: str = "") -> str:
    """All of them: ``the only image``, ``all 3 images``."""
    return f"the only {one}" if count == 1 else f"all {counted(count, one, many)}"


def are(count: int) -> str:
    """The verb for so many."""
    return "is" if count == 1 else "are"


def advice(fault: Fault) -> str:
    """What an operator can do about a fault of a question: its own hint, where it has one."""
    if fault.hint != type(fault).hint:
        return fault.hint
    return next((text for kind, text in _ADVICE if isinstance(fault, kind)), fault.hint)
