"""Which faults a round has: drawn from its seed, in the order in which requests come.

``gentle`` breaks single requests in ways that a second attempt survives. ``rough`` also cuts every
blob from the source after 1 to 8 MB, so that a long one arrives only if what has come is kept, and
every fourth upload likewise: Distribution 2.8.2 forgets an upload whose connection was cut, so that
no client could survive a cut of each. ``none`` is for comparison.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import (
    Action,
    Go,
    answer,
    chunked,
    cut_request,
    cut_response,
    drop_response,
    hang_up,
    in_turn,
    random_cuts,
    reset,
    strip_header,
    throttle,
)
from tests.fakes.proxy_message import Answer, Question

__all__ = ["LEVELS", "disturb"]

LEVELS = ("none", "gentle", "rough")

# One request in so many is hit. An upload takes four of them, so that in rough times more than half
# of all attempts fail, and 41 in a row (40 retries) once in 10 billion.
RARITY = 8
# In rough times one upload in so many is cut.
CUT_UPLOADS = 4
# Bytes up to which a single cut comes: most blobs of a world are longer.
EARLY = 1 << 18
# Bytes a second of a slow line.
SLOW = 4_000_000

Draw = Callable[[random.Random], Action]

# A Retry-After of 0 keeps the round short; that longer ones are heeded is for the tests to show.
_REFUSALS: tuple[Draw, ...] = (
    lambda _dice: answer(503, "UNAVAILABLE", Retry_After="0"),
    lambda _dice: answer(429, "TOOMANYREQUESTS", Retry_After="0"),
    lambda _dice: answer(500),
    lambda _dice: answer(502, body=b"<html>bad gateway</html>"),
    lambda _dice: hang_up(),
    lambda _dice: reset(),
    lambda _dice: drop_response(),
)
_READS: tuple[Draw, ...] = (
    *_REFUSALS,
    lambda dice: cut_response(dice.randrange(EARLY)),
    lambda dice: reset(dice.randrange(EARLY)),
    lambda _dice: throttle(SLOW),
    lambda _dice: chunked(),
    lambda _dice: strip_header("Docker-Content-Digest"),
)
_WRITES: tuple[Draw, ...] = (
    *_REFUSALS,
    lambda dice: cut_request(dice.randrange(EARLY)),
    lambda _dice: throttle(SLOW),
)


def disturb(proxy: FaultProxy, level: str, seed: str) -> None:
    """Give a proxy the rules of a level."""
    if level == "rough":
        proxy.on("GET", "/blobs/", random_cuts(f"{seed} answers"))
        for method in ("PATCH", "PUT"):
            cuts = random_cuts(f"{seed} {method}", requests=True)
            proxy.on(method, "/blobs/uploads/", in_turn(CUT_UPLOADS, cuts))
    if level != "none":
        proxy.on("GET", "", _now_and_then(seed + " reads", _READS))
        for method in ("HEAD", "POST"):
            proxy.on(method, "", _now_and_then(f"{seed} {method}", _REFUSALS))
        for method in ("PUT", "PATCH"):
            proxy.on(method, "", _now_and_then(f"{seed} {method}", _WRITES))


def _now_and_then(seed: str, menu: tuple[Draw, ...]) -> Action:
    dice, lock = random.Random(seed), threading.Lock()

    def act(question: Question, go: Go) -> Answer:
        with lock:
            action = dice.choice(menu)(dice) if dice.randrange(RARITY) == 0 else None
        return action(question, go) if action else go(question)

    return act
