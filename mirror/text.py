"""Text from outside, made safe to print."""

from __future__ import annotations

import re
import unicodedata

from mirror.settings import KIB, MAX_ERROR_SHOWN


def printable(text: str, limit: int = MAX_ERROR_SHOWN) -> str:
    """One line without control, escape or direction characters, at most ``limit`` long.

    A registry's error body or an annotation may carry terminal escapes that rewrite what the
    operator sees. Unicode category C covers controls, bidirectional overrides, surrogates and
    private use; each run of blanks becomes one space.
    """
    if len(text) <= limit and text.isprintable() and " " not in text:
        # A name, as nearly every text is; there are 100,000 of them in a run.
        return text
    safe = "".join(
        " " if c.isspace() else c
        for c in text[: 4 * limit]
        if c.isspace() or unicodedata.category(c)[0] != "C"
    )
    line = " ".join(safe.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def human_size(size: int) -> str:
    """Bytes as people write them, in binary units: ``1.4 GiB``."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < KIB:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= KIB
    return f"{value:.1f} TiB"


def starred(text: str) -> str:
    """A ``FROM=TO`` of an option without the name and password that may stand before a host."""
    return re.sub("[^=]*@", "***@", text)
