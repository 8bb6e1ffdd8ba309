"""API: is the token service that its challenge names a place where anybody should be sent?"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from mirror.errors import RegistryFault
from mirror.preflight.interface import Check, Verdict, failed, passed, skipped
from mirror.preflight.scene import Scene
from mirror.preflight.service import root
from mirror.registry.challenge import Challenge
from mirror.text import printable

# Where each product takes the realm from; a wrong one is nearly always one of these.
_SETTING = (
    "set the registry's own address (Harbor: external_url in harbor.yml;"
    " Distribution: auth.token.realm)"
)
_PLAIN = re.compile(r"[a-z0-9.:\[\]-]{1,260}")
_FORWARDED = "set X-Forwarded-Proto: https and Host in the reverse proxy before it"


class Trouble(NamedTuple):
    """Why a realm is no place to ask. ``unsure``: a client might ask there all the same."""

    what: str
    fix: str
    unsure: bool = False


def trouble(scene: Scene, challenge: Challenge) -> Trouble | None:
    """What is wrong with where a Bearer challenge sends people; None for nothing.

    The rule is the one that every transfer keeps (``policy.realm``): nothing here asks a place
    that it refuses. Go's clients also need the whole URL, which that rule does not.
    """
    realm = challenge.parameters.get("realm", "")
    if not realm:
        return Trouble("its challenge names no token service (no realm)", _SETTING)
    try:
        parts = urlsplit(realm)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole or realm != printable(realm, len(realm)):
        return Trouble(f"its realm is no URL of a token service: {printable(realm, 80)}", _SETTING)
    try:
        scene.stranger.realm(challenge)
    except RegistryFault:
        return _refused(scene, parts)
    return None


def _refused(scene: Scene, parts: SplitResult) -> Trouble:
    """What to do about a realm that the rule refuses."""
    place = _place(parts)
    if parts.username is not None:
        return Trouble(f"its realm has a user name in it, at {place}", _SETTING)
    if parts.scheme == "http" and not scene.question.access.plain_http:
        # nexus-public#435: it does not know that TLS ends before it.
        what = f"it is asked over https, and sends clients to {place} for a token"
        return Trouble(what, f"{_FORWARDED}; {_SETTING}")
    authority = scene.target.authority
    other = parts.netloc.lower()
    # The registry wrote it, and somebody will paste it into a shell.
    option = f"--allow-host {authority}={other}" if _PLAIN.fullmatch(other) else "--allow-host"
    what = f"its token service is not at its own address {authority}, but at {place}"
    return Trouble(what, f"{_SETTING}; where it is meant to be there: {option}", unsure=True)


def _place(parts: SplitResult) -> str:
    """A realm without what may be secret in it."""
    return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", 120)


def sane(scene: Scene) -> Verdict:
    """API-3. Credentials go to the realm, so scheme, host and port are the registry's own."""
    asked = [each for each in scene.once(root).challenges if each.scheme == "bearer"]
    if not asked:
        return skipped("it sends nobody to a token service")
    for challenge in asked:
        if wrong := trouble(scene, challenge):
            return failed(wrong.what, _said(challenge), fix=wrong.fix)
    place = _place(urlsplit(asked[0].parameters["realm"]))
    return passed(f"its token service is where it may be: {place}", _said(asked[0]))


def _said(challenge: Challenge) -> str:
    pairs = (f"{name}={text}" for name, text in challenge.parameters.items() if name != "realm")
    return printable("; ".join(pairs))


CHECKS = (
    Check(
        "API-3",
        "it sends logins nowhere but to itself",
        sane,
        needs=("API-1",),
    ),
)
