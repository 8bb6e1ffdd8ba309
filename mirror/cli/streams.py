"""Where results and talk go, and what happens when nobody takes them."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from typing import TextIO

# Columns below which no table reads, and above which no line does.
_NARROWEST, _WIDEST = 72, 110


def print_result(text: str) -> None:
    """Write a result on standard output.

    Whoever reads it may have heard enough (``tkg-mirror bom images ... | head``): that is no
    fault, and changes nothing about what was done and what the exit code says. A full disk
    behind it is a fault.
    """
    try:
        print(text, flush=True)
    except OSError as cause:
        _mute(sys.stdout)
        if not isinstance(cause, BrokenPipeError):
            raise


def width(default: int) -> int:
    """Columns of the terminal that results go to; ``default`` where they go elsewhere."""
    if not sys.stdout.isatty():
        return default
    return min(max(shutil.get_terminal_size((default, 24)).columns, _NARROWEST), _WIDEST)


def coloured() -> bool:
    """True where results go to a terminal that knows colours and nobody wants none."""
    dull = os.environ.get("TERM") == "dumb" or "NO_COLOR" in os.environ
    return sys.stdout.isatty() and not dull


def say(text: str) -> None:
    """Write on standard error; where that is not possible, the run goes on all the same."""
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        _mute(sys.stderr)


def _mute(stream: TextIO) -> None:
    """Let what is still buffered go nowhere: Python flushes once more at its end, and answers a
    failure of that with an exit code of its own, 120.
    """
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
