"""Large documents: read by a few threads of their own, whoever asks for them.

Each may have 4 MiB, several times over while it is read, and what a thread once had is not all
given back (glibc keeps an arena for each): 25 of them took 165 MB where sixteen threads read them,
and take 95 with two. Honest manifests have a few KiB, and whoever asks for one reads it: on a long
link, sixteen at a time take a quarter of the time that four do.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import httpx

from mirror.settings import LARGE_AT_A_TIME, MAX_SMALL_JSON

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Read = TypeVar("Read")


def in_turn(response: httpx.Response, read: Callable[[], Read]) -> Read:
    """What ``read`` makes of an answer's body; what it raises is raised.

    The body is small where its length is stated so: no more than that comes by HTTP/1.1.
    """
    stated = response.headers.get("content-length", "")
    if stated.isdecimal() and len(stated) < 10 and int(stated) <= MAX_SMALL_JSON:
        return read()
    # In the caller's context: how long it may take at all is part of that.
    return _readers().submit(copy_context().run, read).result()


@cache
def _readers() -> ThreadPoolExecutor:
    # Imported here: most runs meet no such document.
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(LARGE_AT_A_TIME, "large")
