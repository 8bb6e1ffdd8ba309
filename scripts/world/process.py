"""Child processes that cannot outlive the one who started them."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

__all__ = ["die_with_parent"]

_PR_SET_PDEATHSIG = 1


def die_with_parent(last: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """Return a `preexec_fn` that makes Linux kill the child when its parent ends, however it ends.

    A test run killed with SIGKILL runs no fixture's end, so the kernel has to keep this promise. It
    goes by the parent *thread*: start such children from a thread that lives as long as they shall.
    `last` is SIGTERM for a child that has children of its own to end.
    """
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork: the child may not import
    parent = os.getpid()

    def in_child() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, last, 0, 0, 0)
        if os.getppid() != parent:  # the parent went between fork and prctl
            os._exit(1)

    return in_child
