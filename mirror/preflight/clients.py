"""Whether docker, containerd, skopeo, crane and imgpkg could pull without a login. Pure.

Each client has its own way to find out how to log in, and stumbles over other answers. Their ways
are written down here as they are in their sources and were measured: docker 20.10, containerd 1.6,
skopeo 1.9, go-containerregistry 0.21 (crane, and imgpkg 0.43, which asks anonymously for the Tanzu
CLI). All five read a challenge by the same few lines of Go, which ``challenges_of`` repeats.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from mirror.oci.mediatypes import DOCKER_SCHEMA1_PREFIX, MANIFESTS
from mirror.registry.challenge import Challenge
from mirror.registry.probe import Answer
from mirror.settings import MAX_CHALLENGES

# What skopeo sends where it is asked for Basic and has no login: a user and password of nothing.
NOBODY = "Basic Og=="
# Those by which TKG pulls; skopeo is what people look with.
OF_TKG = frozenset({"docker", "containerd", "crane", "imgpkg"})

# How a client fares, as in Outcome.
_Way = tuple[bool | None, str]
# Go's token characters. A value without quotes ends before the first other one, so that of
# realm=https://h/token only "https" is left.
_TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a grammar, no secret
_SCHEME = re.compile(rf"({_TOKEN})[ \t]*")
_PARAMETER = re.compile(
    rf"""[ \t]*(?P<name>{_TOKEN})=(?:(?P<plain>{_TOKEN})|"(?P<quoted>(?:[^"\\]|\\.)+)")[ \t]*"""
)


class Dance(NamedTuple):
    """One Bearer challenge followed as a stranger follows it.

    ``trouble`` says why its token service is no place to ask, ``unsure`` that a client might ask
    there all the same. ``token`` is what the service answered, ``manifest`` what the registry
    answered with the token; None where that was not asked.
    """

    challenge: Challenge
    trouble: str = ""
    unsure: bool = False
    token: Answer | None = None
    manifest: Answer | None = None


class Answers(NamedTuple):
    """What a stranger is answered. All of it is asked about one image."""

    root: Answer
    """GET /v2/ without Authorization."""
    bare: Answer
    """GET of the manifest without Authorization."""
    nobody: Answer | None = None
    """The same with NOBODY; None where no Basic challenge makes skopeo send that."""
    dances: tuple[Dance, ...] = ()
    """Each Bearer challenge of ``root`` and ``bare``, once."""
    head: Answer | None = None
    """A HEAD of the manifest with the Authorization with which a GET is let in; None for none."""


class Outcome(NamedTuple):
    """How one client fares: ``works`` is None where only it could tell; ``why`` it does not."""

    client: str
    works: bool | None
    why: str = ""

    def __str__(self) -> str:
        word = {True: "ok", False: "fails", None: "not told"}[self.works]
        return f"{self.client}: {word}" + (f", {self.why}" if self.why else "")


def outcomes(found: Answers) -> tuple[Outcome, ...]:
    """One for each client, in a fixed order."""
    return tuple(Outcome(name, *way(found)) for name, way in CLIENTS.items())


def let_in(answer: Answer | None) -> bool:
    """True where rights are no obstacle: it is there, it is missing, or a rule stops everybody.

    A 200 that brings no manifest is none of these: a portal's login form comes with one, and some
    servers answer whatever they are asked with OK.
    """
    if answer is None or (answer.status == 200 and not _is_manifest(answer)):
        return False
    return answer.status in (200, 404, 412)


def _is_manifest(answer: Answer) -> bool:
    """By its type, or by its words: of a large one only the beginning was read."""
    named = answer.media_type in MANIFESTS or answer.media_type.startswith(DOCKER_SCHEMA1_PREFIX)
    return named or "schemaVersion" in answer.object()


def challenges_of(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Challenges as Go's clients read them: one a header line, and values end where quotes miss.

    Distribution's ``parseValueAndParams``, which all five have a copy of.
    """
    found = []
    for header in (*headers,)[:MAX_CHALLENGES]:
        match = _SCHEME.match(header[:4096])
        if match:
            found.append(Challenge(match[1].lower(), _parameters(header[match.end() : 4096])))
    return tuple(found)


def first_of(answer: Answer, *schemes: str) -> Challenge | None:
    """The first challenge of one of these schemes, as Go's clients read it."""
    given = challenges_of(answer.headers.get("www-authenticate", ()))
    return next((each for each in given if each.scheme in schemes), None)


def dance_of(found: Answers, challenge: Challenge) -> Dance:
    """The one that followed this challenge."""
    return next(each for each in found.dances if each.challenge == challenge)


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while match := _PARAMETER.match(text, position):
        value = match["plain"] or re.sub(r"\\(.)", r"\1", match["quoted"] or "")
        found[match["name"].lower()] = value
        position = match.end()
        if text[position : position + 1] != ",":
            break
        position += 1
    return found


# --- the ways -----------------------------------------------------------------------------


def _docker(found: Answers) -> _Way:
    """Asks /v2/ first, and heeds what a 401 there says; a Basic challenge is the end of it."""
    if found.root.status != 401:
        return _got(found.bare)
    if first_of(found.root, "basic"):
        return False, "GET /v2/ asks for Basic: no basic auth credentials"
    challenge = first_of(found.root, "bearer")
    return _danced(dance_of(found, challenge)) if challenge else _got(found.bare)


def _containerd(found: Answers) -> _Way:
    """Asks for the manifest by HEAD, and for a token only where that is refused."""
    answer: Answer | None = found.bare
    way = _got(found.bare)
    challenge = first_of(found.bare, "bearer") if found.bare.status == 401 else None
    if challenge:
        dance = dance_of(found, challenge)
        answer, way = dance.manifest, _danced(dance)
    # 405 makes it ask again by GET.
    if way[0] and found.head and answer and found.head.status not in (405, answer.status):
        got = f"GET of the manifest is answered {answer.status}"
        return False, f"{got}, and HEAD, which it asks first, {found.head.status}"
    return way


def _skopeo(found: Answers) -> _Way:
    """Heeds the first challenge of /v2/ that it knows, with whatever status that came."""
    if found.root.status not in (200, 401):
        return False, f"GET /v2/ is answered {found.root.status}"
    challenge = first_of(found.root, "basic", "bearer")
    if challenge is None:
        return _got(found.bare)
    if challenge.scheme == "basic":
        return _got(found.nobody or found.bare)
    return _danced(dance_of(found, challenge))


def _ggcr(found: Answers) -> _Way:
    """Believes a 200 of /v2/ for good; of a 401, the first challenge that it knows."""
    if found.root.status == 200:
        return _got(found.bare)
    if found.root.status != 401:
        return False, f"GET /v2/ is answered {found.root.status}"
    challenge = first_of(found.root, "basic", "bearer")
    if challenge is None or challenge.scheme == "basic":
        return _got(found.bare)
    return _danced(dance_of(found, challenge))


CLIENTS: Mapping[str, Callable[[Answers], _Way]] = {
    "docker": _docker,
    "containerd": _containerd,
    "skopeo": _skopeo,
    "crane": _ggcr,
    "imgpkg": _ggcr,
}


def _danced(dance: Dance) -> _Way:
    if dance.trouble:
        return (None if dance.unsure else False), dance.trouble
    if dance.token is None or dance.token.status != 200:
        return (
            False,
            f"the token service answers {dance.token.status if dance.token else 'nothing'}",
        )
    if dance.manifest is None:
        return False, "the token service answers without a token"
    return _got(dance.manifest, " with the token")


def _got(answer: Answer, how: str = "") -> _Way:
    if let_in(answer):
        return True, ""
    page = " and a web page" if answer.media_type == "text/html" else ""
    page = page or (" and no manifest" if answer.status == 200 else "")
    return False, f"GET of the manifest{how} is answered {answer.status}{page}"
