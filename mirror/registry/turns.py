"""Large documents: read by a few threads of their own, whoever asks for them.

Each may have 4 MiB, several times over while it is read, and what a thread once had is not all
given back (glibc keeps an arena for each): 25 of them took 165 MB where sixteen threads read them,
and take 105 with two. Honest manifests have a few KiB, and whoever asks for one reads it: on a long
link, sixteen at a time take a quarter of the time that four do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from mirror.settings import LARGE_AT_A_TIME

Read = TypeVar("Read")

# Its threads begin with the first document that needs them, which most runs do not meet.
_READERS = ThreadPoolExecutor(LARGE_AT_A_TIME, "large")
# Held until whoever asked is awake again: else finished documents would wait for busy threads.
_TURN = threading.BoundedSemaphore(LARGE_AT_A_TIME)


def in_turn(read: Callable[[], Read]) -> Read:
    """What ``read`` gives or raises, in a thread of the few."""
    with _TURN:
        # In the caller's context: how long it may take at all is part of that.
        return _READERS.submit(copy_context().run, read).result()
