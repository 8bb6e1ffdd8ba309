"""May somebody write? Two questions that leave nothing behind, and what their answers mean.

The first puts a manifest under a digest that is not its own: whoever may write is told that it is
wrong, anybody else that he may not. A pull-through cache answers as if it took writes; the second
puts a manifest whose blobs nobody has, which such a cache refuses in other words than a registry.
An upload that is begun and cancelled would tell the same, and leaves a file at distribution 2.8
(measured): nobody here begins one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import StrEnum, auto
from typing import Any, NamedTuple

from mirror.errors import RegistryFault
from mirror.oci import mediatypes
from mirror.oci.digest import Digest
from mirror.oci.nobody import INCOMPLETE, NOBODYS
from mirror.preflight.scene import Scene
from mirror.registry.probe import Answer, Probe
from mirror.text import printable

# The TKG BOM's own image: whatever the release, a push makes this repository.
_PROBABLE = "tkg-bom"
# Of the specification and of Distribution: what is wrong with a manifest, said after its sender was
# let in. An error without one of them may be a proxy's own, which knows nothing of rights.
_COMPLAINTS = frozenset(
    (
        "BLOB_UNKNOWN",
        "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID",
        "MANIFEST_UNVERIFIED",
        "SIZE_INVALID",
        "TAG_INVALID",
    )
)
_READ_ONLY = ("read only", "read-only", "readonly", "maintenance")
_PROXY_PROJECT = ("proxy project", "proxy cache project")
# What an operator must know where a question could not be taken back.
LEFT = "what it was asked with could not be deleted"
_FULL = "exceed the configured upper limit"


class Reading(StrEnum):
    """What the answer to an attempt to write means."""

    MAY = auto()
    MAY_NOT = auto()
    NO_PROJECT = auto()
    """Harbor: there is no such project."""
    PROXY_PROJECT = auto()
    """Harbor: a proxy cache, which takes no push whoever asks."""
    READ_ONLY = auto()
    CACHE = auto()
    """A pull-through cache of another registry."""
    NO_REPOSITORY = auto()
    """It would have to be made first, as at ECR."""
    BAD_NAME = auto()
    STORED = auto()
    """It believed a digest that is wrong."""
    ODD = auto()


# What the second question may find out that the first did not.
_STANDS = frozenset({Reading.CACHE, Reading.READ_ONLY, Reading.MAY_NOT})


class Attempt(NamedTuple):
    """One attempt to write to a repository. ``left`` says what became of what was stored.

    ``remains`` names what is there still; empty for nothing.
    """

    repository: str
    answer: Answer
    reading: Reading
    left: str = ""
    remains: str = ""

    def __str__(self) -> str:
        told = f"{self.repository}: {self.answer.status} {_words(self.answer)}".strip()
        return f"{told} ({self.left})" if self.left else told


def repositories(scene: Scene) -> tuple[str, ...]:
    """Every repository that a push would write to, sorted; one that any push makes, by default."""
    expected = scene.question.expected
    paths = {image.path for image in expected.images} if expected else set()
    return tuple(sorted(scene.target.repository(path) for path in paths or {_PROBABLE}))


def stranger(scene: Scene) -> Attempt:
    """What somebody without a login is told; use it as ``scene.once(stranger)``."""
    return misnamed(scene.stranger, repositories(scene)[0], "", str)


def stranger_again(scene: Scene) -> Attempt:
    """The second question, where ``stranger`` found that anybody may; once too."""
    return incomplete(scene.stranger, repositories(scene)[0], "", str)


def misnamed(
    probe: Probe, repository: str, authorization: str, eraser: Callable[[], str]
) -> Attempt:
    """Put a manifest under a wrong digest; ``eraser`` gives the right to delete one.

    Registries verify the digest before they store anything (measured: distribution 2.8.2 and 3.1.1,
    Harbor 2.9.5); one that does not is rid of it at once.
    """
    answer = _put(probe, repository, NOBODYS, b"{}", authorization)
    reading = read(answer)
    if reading is Reading.STORED:
        left = _erase(probe, repository, (NOBODYS, Digest.of(b"{}")), eraser)
        return Attempt(repository, answer, reading, *left)
    return Attempt(repository, answer, reading)


def incomplete(
    probe: Probe, repository: str, authorization: str, eraser: Callable[[], str]
) -> Attempt:
    """Put a manifest whose blobs nobody has, by its own digest.

    A registry misses the blobs, 400 or 404; a cache takes no manifest at all, 405 (measured on
    distribution 2.8.2). One that looks for no blobs stores it, which the specification allows. Ask
    only where the first question found somebody who may.
    """
    digest = Digest.of(INCOMPLETE)
    answer = _put(probe, repository, digest, INCOMPLETE, authorization)
    reading, left = read(answer), ("", "")
    if reading is Reading.STORED:
        left = _erase(probe, repository, (digest,), eraser)
    if reading not in _STANDS:
        # In which words blobs are missed is each registry's own; a failure is no word at all.
        settled = reading is Reading.STORED or (400 <= answer.status < 500 and answer.status != 429)
        reading = Reading.MAY if settled else Reading.ODD
    return Attempt(repository, answer, reading, *left)


def _put(probe: Probe, repository: str, digest: Digest, body: bytes, authorization: str) -> Answer:
    path = f"/v2/{repository}/manifests/{digest}"
    headers = {"Content-Type": mediatypes.OCI_MANIFEST}
    return probe.ask("PUT", path, headers=headers, body=body, authorization=authorization)


def _erase(
    probe: Probe, repository: str, digests: Iterable[Digest], eraser: Callable[[], str]
) -> tuple[str, str]:
    """Delete what was stored; in words what came of it, and the first of them if it remains.

    The others are names under which it might be stored as well.
    """
    told, remains = [], []
    for digest in digests:
        try:
            path = f"/v2/{repository}/manifests/{digest}"
            status = probe.ask("DELETE", path, authorization=eraser()).status
            gone, said = status < 300 or status == 404, f"answered {status}"
        except RegistryFault as fault:
            gone, said = False, f"failed: {fault.fact}"
        remains.append("" if gone else f"{repository}@{digest}")
        told.append(f"DELETE of {str(digest)[:14]}... {said}")
    return ", ".join(told), remains[0]


def read(answer: Answer) -> Reading:
    """What an answer to an attempt means; pure.

    Error codes are optional (distribution-spec, "Error Codes"), so statuses come first. Where they
    alone would say yes, or blame the repository, a code must say that a registry spoke: a 400 or
    404 without one is as well a proxy's before it.
    """
    if 200 <= answer.status < 300:
        return Reading.STORED
    rule = _MEANINGS.get(answer.status)
    return rule(answer) if rule else Reading.ODD


def _invalid(answer: Answer) -> Reading:
    """Whoever is told that the content is wrong was let in before."""
    found = _codes(answer)
    if "NAME_INVALID" in found:
        return Reading.BAD_NAME
    return Reading.MAY if found & _COMPLAINTS else Reading.ODD


def _not_found(answer: Answer) -> Reading:
    return Reading.NO_REPOSITORY if _codes(answer) else Reading.ODD


def _codes(answer: Answer) -> frozenset[str]:
    """The codes of an error in the specification's form; none where it has another."""
    found = (each.get("code") for each in _errors(answer))
    return frozenset(code for code in found if isinstance(code, str))


def _errors(answer: Answer) -> list[dict[str, Any]]:
    listed = answer.object().get("errors")
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _words(answer: Answer) -> str:
    """The first error's code and message, else all that was said; without what was sent."""
    first = next(iter(_errors(replace(answer, body=answer.told or answer.body))), {})
    told = [first.get(name) for name in ("code", "message")]
    named = [each for each in told if isinstance(each, str) and each]
    return printable(": ".join(named)) or answer.text


def _unauthorized(answer: Answer) -> Reading:
    """Harbor's sign for a project that is not there is an empty challenge (measured)."""
    empty = answer.headers.get("www-authenticate") == ("",)
    return Reading.NO_PROJECT if empty else Reading.MAY_NOT


def _forbidden(answer: Answer) -> Reading:
    words = answer.text.lower()
    if any(sign in words for sign in _READ_ONLY):
        return Reading.READ_ONLY
    if any(sign in words for sign in _PROXY_PROJECT):
        return Reading.PROXY_PROJECT
    # A project that is full to its last byte: its quota is asked after the rights.
    return Reading.MAY if _FULL in words else Reading.MAY_NOT


def _not_allowed(answer: Answer) -> Reading:
    """Distribution answers a bare 405 in maintenance, UNSUPPORTED as a cache (measured)."""
    return Reading.CACHE if "UNSUPPORTED" in answer.text else Reading.READ_ONLY


_MEANINGS: dict[int, Callable[[Answer], Reading]] = {
    400: _invalid,
    401: _unauthorized,
    403: _forbidden,
    404: _not_found,
    405: _not_allowed,
}
