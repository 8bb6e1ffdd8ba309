"""Where results and talk go, and what happens when nobody takes them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO


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
