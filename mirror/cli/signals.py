"""Ctrl-C and SIGTERM: the first one ends a run in order, the second one at once."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

INTERRUPTED = 130
"""The exit code of the contract, as a shell gives it for SIGINT: 128 and the signal's number."""

_AT_ONCE = b"ended at once; what was finished is kept\n"
# Bars hide the cursor while they are drawn, and nobody else would show it again.
_SHOW_CURSOR = b"\x1b[?25h\n"


def heed() -> None:
    """Take over both signals, but not one that is ignored: nohup and shells ask for that."""
    stop = _Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


class _Stop:
    """The handler of both signals, which counts them together."""

    def __init__(self) -> None:
        self._asked = False

    def __call__(self, _number: int, _frame: object) -> None:
        """Raises KeyboardInterrupt, once; from then on whatever hangs is left behind."""
        if not self._asked:
            self._asked = True
            raise KeyboardInterrupt
        # Not through sys.stderr: the signal may have come in the middle of a line of its own.
        with suppress(OSError):
            os.write(2, (_SHOW_CURSOR if os.isatty(2) else b"") + _AT_ONCE)
        os._exit(INTERRUPTED)
