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
        mute(sys.stdout)
        if not isinstance(cause, BrokenPipeError):
            raise


def width(default: int) -> int:
    """Columns of the terminal that results go to; ``default`` where they go elsewhere."""
    if not is_terminal(sys.stdout):
        return default
    return min(max(shutil.get_terminal_size((default, 24)).columns, _NARROWEST), _WIDEST)


def coloured() -> bool:
    """True where results go to a terminal that knows colours and nobody wants none."""
    dull = os.environ.get("TERM") == "dumb" or "NO_COLOR" in os.environ
    return is_terminal(sys.stdout) and not dull


def is_terminal(stream: TextIO | None) -> bool:
    """True for a terminal. Python has None for what its caller closed (``2>&-``)."""
    return stream is not None and stream.isatty()


def say(text: str) -> None:
    """Write on standard error; where that is not possible, the run goes on all the same."""
    if sys.stderr is None:
        # To print, None is standard output, where a script reads a result.
        return
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        mute(sys.stderr)


def mute(stream: TextIO) -> None:
    """Let what is still buffered go nowhere: Python flushes once more at its end, and answers a
    failure of that with an exit code of its own, 120.
    """
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
