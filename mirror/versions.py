"""Versions of TKG and of TKrs, as texts: what is the same, which is higher. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from bom.errors import ReferenceFault, shown
from bom.reference import check_tag
from mirror.errors import UsageFault
from mirror.settings import MAX_FACT_SHOWN, MAX_NAMES_SHOWN
from mirror.text import printable


def tag(version: str) -> str:
    """The tag of a version's image: OCI tags have no plus."""
    return version.replace("+", "_")


def check(version: str) -> None:
    """UsageFault for a text that can be no version's tag."""
    try:
        check_tag(tag(version))
    except ReferenceFault as cause:
        raise UsageFault("not a version", fact=f"{shown(version)}: {cause.reason}") from None


def same(one: str, other: str) -> bool:
    """One version in two spellings: with the leading v or without, with ``+`` or ``_``."""
    return bare(one) == bare(other)


def bare(version: str) -> str:
    """What all spellings of a version have in common: no leading v, and no plus."""
    return tag(version).removeprefix("v")


def listed(versions: Collection[str]) -> str:
    """Versions for a message, v1.9 before v1.10; of many the highest."""
    found = sorted(versions, key=_natural)[-MAX_NAMES_SHOWN:]
    more = f" and {len(versions) - len(found)} more" if len(versions) > len(found) else ""
    return printable(", ".join(found), MAX_FACT_SHOWN) + more or "none"


def _natural(version: str) -> list[tuple[int, str]]:
    """Numbers by their size, and whatever is around them as text."""
    # Bounded: Python refuses to read a number of thousands of digits.
    parts = re.split("([0-9]{1,18})", version)
    return [(int(part) if part.isdecimal() else 0, part) for part in parts]
