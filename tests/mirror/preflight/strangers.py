"""A preflight of one registry on loopback, without a login: what its tests ask for.

found = examined(f"{harbor.host}/tkg")
found["REG-1"].status, found["REG-1"].summary     # its verdict
fares(found["REG-1"])                             # "ynyyy": docker, containerd, skopeo, ...
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from mirror.errors import Side
from mirror.oci.digest import Digest
from mirror.preflight.catalogue import CHECKS
from mirror.preflight.interface import Verdict
from mirror.preflight.run import Rules, examine
from mirror.preflight.scene import Awaited, Expected, Question, Scene, Target
from mirror.registry.access import Access
from mirror.registry.credentials import CredentialStore

FAMILIES = ("API-1", "API-2", "API-3", "REG-1", "REG-2")
_LETTERS = {"ok": "y", "fails": "n", "not told": "?"}


@contextmanager
def scene_of(
    dest: str,
    *paths: str,
    allowed: frozenset[tuple[str, str]] = frozenset(),
    plain_http: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Scene]:
    """A scene of DEST; ``paths`` are images that are awaited, ``path:tag`` or ``path@digest``."""
    target = Target.parse(dest, plain_http=plain_http)
    access = Access(
        Side.DESTINATION,
        plain_http=plain_http,
        credentials=CredentialStore(environment={}),
        allowed=allowed,
    )
    expected = Expected("bundle.tar", tuple(map(_awaited, paths))) if paths else None
    with Scene(Question(target, access, expected), clock=clock) as scene:
        yield scene


def _awaited(text: str) -> Awaited:
    path, _, digest = text.partition("@")
    path, _, tag = path.partition(":")
    return Awaited(text, path, tag or None, Digest.parse(digest) if digest else None)


def examined(
    dest: str,
    *paths: str,
    allowed: frozenset[tuple[str, str]] = frozenset(),
    plain_http: bool = True,
) -> Mapping[str, Verdict]:
    """The verdicts of the checks that need nothing but a stranger's questions."""
    checks = [check for check in CHECKS if check.id in FAMILIES]
    with scene_of(dest, *paths, allowed=allowed, plain_http=plain_http) as scene:
        findings = examine(scene, checks, Rules()).findings
    for finding in findings:
        verdict = finding.verdict
        assert verdict.summary == " ".join(verdict.summary.split()), "one line"
        assert verdict.fix or verdict.status.value in ("pass", "skip"), "what mends it is told"
    return {finding.check.id: finding.verdict for finding in findings}


def fares(verdict: Verdict) -> str:
    """A letter for each client of the detail, in its order: y, n, or ? where it is not told."""
    found = re.findall(r"^\w+: (ok|fails|not told)\b", verdict.detail, re.MULTILINE)
    return "".join(_LETTERS[word] for word in found)
