"""Columns that stay within 80 characters, so that they read in a terminal and in an e-mail."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from mirror.settings import MAX_CELL_SHOWN
from mirror.text import printable

WIDTH = 80
# Characters a column is made wide for. Of 85 component names in real BOMs two are longer (35 and
# 37); made for them, the column would leave room for one version a line where many have three.
_COLUMN = 34
_GAP = "  "


def columns(rows: Sequence[Sequence[str]], indent: int = 0) -> list[str]:
    """Lines of a table. The last column is wrapped between words, the others are as they are.

    A row whose names are longer than their columns goes on in a line of its own. Only a word
    longer than a whole line makes a longer one: a reference that was broken could not be copied.
    """
    table = [[printable(cell, MAX_CELL_SHOWN) for cell in row] for row in rows]
    longest = [max(map(len, column)) for column in zip(*table, strict=True)]
    widths = [min(width, _COLUMN) for width in longest[:-1]]
    return [line for row in table for line in _row(row, widths, indent)]


def _row(row: Sequence[str], widths: Sequence[int], indent: int) -> list[str]:
    *names, text = row
    if not names:
        return [" " * indent + line for line in _wrapped(text, indent)]
    start = indent + sum(width + len(_GAP) for width in widths)
    cells = (name.ljust(width) + _GAP for name, width in zip(names, widths, strict=True))
    head = " " * indent + "".join(cells)
    if len(head + text) <= WIDTH or not text:
        return [(head + text).rstrip()]
    if len(head) == start and max(map(len, text.split())) <= WIDTH - start:
        first, *others = _wrapped(text, start)
        return [head + first, *(" " * start + line for line in others)]
    left = indent + 2 * len(_GAP)
    return [head.rstrip(), *(" " * left + line for line in _wrapped(text, left))]


def _wrapped(text: str, left: int) -> list[str]:
    return textwrap.wrap(text, WIDTH - left, break_long_words=False, break_on_hyphens=False)
