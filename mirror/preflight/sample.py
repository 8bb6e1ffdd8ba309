"""One image to ask for where any image will do, and what a stranger is told who asks for it."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from mirror.errors import Misbehaved, RegistryFault, Unreachable
from mirror.preflight.scene import Scene
from mirror.registry.probe import Answer
from mirror.registry.wire import declines, pause_of
from mirror.text import printable

Refusal = TypeVar("Refusal", bound=RegistryFault)

# The first image that a Tanzu CLI asks for, whatever release it is of: every registry that holds
# one has the repository. The tag is the oldest; where it is missing the answer says that alone.
_PROBABLE = ("tkg-compatibility", "v1")


class Sample(NamedTuple):
    """An image of the registry: ``name`` is a tag, or a digest where it has none."""

    repository: str
    name: str
    awaited: bool
    """True for one that a bundle, plan or BOM names; else it is only a probable one."""

    def __str__(self) -> str:
        return f"{self.repository}{'@' if ':' in self.name else ':'}{self.name}"


def sample(scene: Scene) -> Sample:
    """The first image that is expected, or the one that TKG asks for first.

    Harbor gives no right at all to a repository of one component (measured): one of two or more
    is preferred.
    """
    images = scene.question.expected.images if scene.question.expected else ()
    named = [
        Sample(scene.target.repository(image.path), image.tag or str(image.digest), awaited=True)
        for image in images
        if image.tag or image.digest
    ]
    deep = (each for each in named if "/" in each.repository)
    path, tag = _PROBABLE
    probable = Sample(scene.target.repository(path), tag, awaited=False)
    return next(deep, named[0] if named else probable)


def bare(scene: Scene) -> Answer:
    """What a GET of its manifest answers to a stranger without a token."""
    at = scene.once(sample)
    return settled(scene, scene.stranger.manifest(at.repository, at.name), f"GET {at}")


def words(answer: Answer, authorization: str = "") -> str:
    """What an answer says for people, in one printable line.

    Without the token that was sent with the question, which a registry might repeat.
    """
    errors = answer.object().get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    told = first.get("message") if isinstance(first, dict) else None
    text = told if isinstance(told, str) else answer.body.decode("utf-8", "replace")
    secret = authorization.rpartition(" ")[2]
    return printable(text.replace(secret, "***") if secret else text)


def settled(scene: Scene, answer: Answer, asked: str, authorization: str = "") -> Answer:
    """The answer, where it is one that stands; ``asked`` says for people what it answers.

    Raises Unreachable for one that may be another later (429, 5xx), and Misbehaved for a
    redirect: clients follow it, and what they find there is not this registry's word.
    """
    if answer.status >= 400 and not declines(answer.status):
        raise _later(scene, answer, asked, words(answer, authorization))
    if 300 <= answer.status < 400:
        place = printable(answer.header("location"), 100) or "nowhere"
        fact = f"{asked} answered {answer.status}, a redirect to {place}"
        raise _fault(scene, Misbehaved, fact, "name the address it redirects to as DEST")
    return answer


def _later(scene: Scene, answer: Answer, asked: str, told: str) -> RegistryFault:
    headers = {name: values[0] for name, values in answer.headers.items() if values}
    pause = pause_of(headers)
    told = f" ({told})" if told else ""
    hint = f"run it again in {pause:.0f} s" if pause else "run it again; its own log says why"
    fault = _fault(scene, Unreachable, f"{asked} answered {answer.status}{told}", hint)
    fault.answered = True
    return fault


def _fault(scene: Scene, kind: type[Refusal], fact: str, hint: str) -> Refusal:
    what = "a preflight's question was not answered"
    return kind(scene.question.access.side, scene.target.authority, what, fact=fact, hint=hint)
