"""A name with several addresses is as good as the worst of them: one verdict about all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mirror.preflight.chains import Chain
from mirror.preflight.handshakes import Trial, hands, others, places, trial
from mirror.preflight.interface import Status, Verdict, untold
from mirror.preflight.scene import Scene

_GRAVEST = (Status.FAIL, Status.WARN, Status.SKIP, Status.PASS)


def of_chains(scene: Scene, judge: Callable[[Chain], Verdict]) -> Verdict:
    """The worst of what is said of each address's certificates; equal ones are judged once.

    Raises what ``trial`` raises where nothing is to be seen of the first one's.
    """
    found = [("", judge(scene.once(trial).chain))]
    for address, each in scene.once(others):
        seen = judge(each.chain) if isinstance(each, Trial) else untold(UNSEEN)
        found.append((address, seen))
    return worst(scene, found)


# TLS-1 fails there, and says why.
UNSEEN = "nothing is to be seen of its certificates: see TLS-1"


def worst(scene: Scene, found: Sequence[tuple[str, Verdict]]) -> Verdict:
    """The gravest of several addresses' verdicts, the first of equals; it says where that is.

    The first one's own address is empty, where all that differ are named.
    """
    address, gravest = min(found, key=lambda each: _GRAVEST.index(each[1].status))
    if address:
        gravest = gravest._replace(summary=f"at {address}: {gravest.summary}")
    known = scene.once(places)
    if len(known) == 1:
        return gravest
    # One that takes no connection is the matter of NET-6, and one that shakes no hands of TLS-1.
    seen = [each.address for each in scene.once(hands) if each.error is None]
    looked = f"looked at {', '.join(seen)}"
    if len(seen) < len(known):
        looked += f", and not at {len(known) - len(seen)} more"
        if gravest.status is Status.PASS:
            more = f" (at {len(seen)} of {len(known)} addresses)"
            gravest = gravest._replace(summary=f"{gravest.summary}{more}")
    return gravest._replace(detail=f"{gravest.detail}\n{looked}".strip())
