"""Where results go."""

from __future__ import annotations

import os
import sys
from contextlib import suppress


def print_result(text: str) -> None:
    """Write a result on standard output.

    Whoever reads it may have heard enough (``tkg-mirror bom images ... | head``): that is no
    fault, and changes nothing about what was done and what the exit code says.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python tries to flush once more at its end, and complains if it cannot.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
