"""Large documents: read by a few threads of their own, whoever asks for them.

Each may have 4 MiB, several times over while it is read, and what a thread once had is not all
given back (glibc keeps an arena for each): 25 of them took 165 MB where sixteen threads read them,
and take 105 with two. Honest manifests have a few KiB, and whoever asks for one reads it: on a long
link, sixteen at a time take a quarter of the time that four do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from mirror.settings import LARGE_AT_A_TIME

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Read = TypeVar("Read")

# Held until whoever asked is awake again: else finished documents would wait for busy threads.
_TURN = threading.BoundedSemaphore(LARGE_AT_A_TIME)


def in_turn(read: Callable[[], Read]) -> Read:
    """What ``read`` gives or raises, in a thread of the few."""
    with _TURN:
        # In the caller's context: how long it may take at all is part of that.
        return _readers().submit(copy_context().run, read).result()


@cache
def _readers() -> ThreadPoolExecutor:
    # Imported here: most runs meet no such document.
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(LARGE_AT_A_TIME, "large")
