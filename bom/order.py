"""The order in which people expect versions: v1.9 before v1.10."""

from __future__ import annotations

import re
from typing import TypeAlias

_NUMBER = re.compile(r"([0-9]+)")

NaturalKey: TypeAlias = tuple[tuple[tuple[int, int, str], ...], str]


def natural(text: str) -> NaturalKey:
    """A key for ``sorted``: runs of digits count as numbers, all else as text.

    A shorter version stands before a longer one with the same beginning, so ``v1.6.0`` comes
    before ``v1.6.0-fips.1``, and before ``v1.6.0-rc.1`` too. Numbers are compared by length and
    digits rather than as integers: Python refuses to read one of more than 4,300 digits. The text
    itself comes last, so that ``v01`` and ``v1`` have an order too.
    """
    return tuple(_key(part) for part in _NUMBER.split(text) if part), text


def _key(part: str) -> tuple[int, int, str]:
    if not _NUMBER.fullmatch(part):
        return 0, 0, part
    digits = part.lstrip("0")
    return 1, len(digits), digits
