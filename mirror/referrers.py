"""Signatures, attestations and whatever else refers to images: found where the images were found.

What is found becomes ordinary images of the run: those that cosign names by a tag under the same
tag in the image's repository, those that name the image as their subject by digest alone.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, Protocol

from bom.images import WantedImage
from bom.reference import Reference
from mirror.errors import Fault, Misbehaved, NotFound, Refused, Side
from mirror.events import ItemEnded, PhaseStarted
from mirror.expand import Found
from mirror.oci import mediatypes
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.oci.referrers import companion_tags, list_tag
from mirror.resolve import Resolved, Resolver, found_under
from mirror.settings import MAX_COMPANION_TAGS_OF_RUN, MAX_REFERRERS_OF_RUN
from mirror.text import printable

_SHOWN = 3
_WAY_OUT = "--no-referrers carries the images without signatures and the like"


class ReferrerSource(Protocol):
    """Gives the lists of any host's repositories, and manifests."""

    def manifest(self, host: str, repository: str, name: str | Digest) -> Manifest:
        """The manifest that a tag or digest names there."""

    def companions(self, host: str, repository: str) -> frozenset[str] | None:
        """The tags there that belong to images by their name; None where they are not listed."""

    def referrers(self, host: str, repository: str, subject: Digest) -> list[Descriptor] | None:
        """Who refers to a manifest, by the registry's list; None where it keeps none."""


class _Subject(NamedTuple):
    """A manifest, and where it was found."""

    host: str
    repository: str
    digest: Digest


class _Companions(NamedTuple):
    """What belongs to one subject, by the registry's word."""

    tags: tuple[str, ...] = ()
    """That cosign's way of naming them leads to."""
    listed: tuple[Descriptor, ...] = ()
    """That are said to name it as their subject."""
    notice: str = ""


class _Room:
    """How much more may be held in memory. Thread-safe."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._lock = threading.Lock()

    def take(self, count: int) -> bool:
        """False where there is no room for so many."""
        with self._lock:
            self._left -= count
            return self._left >= 0


@dataclass(slots=True)
class Referrers:
    """Finds what refers to images, and to the platforms' images in an index.

    Requests are dear: tags are learnt by one listing a repository, and only what is there is
    asked for; whether a registry has the referrers API is learnt from its first answer.
    """

    source: ReferrerSource
    resolver: Resolver
    _tags: dict[tuple[str, str], frozenset[str] | None] = field(default_factory=dict)
    """By host and repository; None: each name is asked for."""
    _tag_room: _Room = field(default_factory=lambda: _Room(MAX_COMPANION_TAGS_OF_RUN))
    _room: _Room = field(default_factory=lambda: _Room(MAX_REFERRERS_OF_RUN))
    _has_api: dict[str, bool] = field(default_factory=dict)
    _known: dict[_Subject, _Companions] = field(default_factory=dict)

    def __call__(self, images: Sequence[Resolved]) -> Found:
        """What belongs to these images."""
        subjects = dict.fromkeys(subject for image in images for subject in self._subjects(image))
        failed = self._look([each for each in subjects if each not in self._known])
        broken = list[tuple[WantedImage, Fault]]()
        tagged, claims = list[WantedImage](), _Claims()
        for image in images:
            faults = (failed[each] for each in self._subjects(image) if each in failed)
            if fault := next(faults, None):
                broken.append((image.wanted, _with_way_out(fault)))
                continue
            for subject in self._subjects(image):
                found = self._known[subject]
                tagged += (self._wanted(image, tag, None) for tag in found.tags)
                for promised in found.listed:
                    claims.add(self._wanted(image, None, promised.digest), promised, subject.digest)
        notices = (self._known[each].notice for each in subjects if each in self._known)
        sound = self._sound(claims)
        return Found(
            (*tagged, *sound.wanted),
            failed=(*broken, *sound.failed),
            notices=(*filter(None, notices), *sound.notices),
        )

    # --- asking ---------------------------------------------------------------------------

    def _look(self, subjects: Sequence[_Subject]) -> dict[_Subject, Fault]:
        """Learn what belongs to each of them; returns those for which that failed."""
        if not subjects:
            return {}
        self.resolver.listener(PhaseStarted("signatures", len(subjects)))
        places = dict.fromkeys((each.host, each.repository) for each in subjects)
        listed = self.resolver.crew.run([p for p in places if p not in self._tags], self._list)
        self._tags.update((o.item, o.result) for o in listed if not o.fault)
        silent = {outcome.item: outcome.fault for outcome in listed if outcome.fault}
        left = [each for each in subjects if (each.host, each.repository) not in silent]
        # One a host before all others: its answer says whether they need be asked.
        first = {each.host: each for each in left if each.host not in self._has_api}.values()
        rest = [each for each in left if each not in first]
        run = self.resolver.crew.run
        outcomes = [*run(first, self._ask), *run(rest, self._ask)]
        self._known.update((o.item, o.result) for o in outcomes if o.result)
        failed = {o.item: o.fault for o in outcomes if o.fault}
        for each in subjects:
            if fault := silent.get((each.host, each.repository)):
                failed[each] = fault
        return failed

    def _list(self, place: tuple[str, str]) -> frozenset[str] | None:
        tags = self.resolver.ask(place[0], partial(self.source.companions, *place))
        return tags if self._tag_room.take(len(tags or ())) else None

    def _ask(self, subject: _Subject) -> _Companions:
        label = f"{subject.host}/{subject.repository}@{subject.digest}"
        try:
            tags = tuple(tag for tag in companion_tags(subject.digest) if self._has(subject, tag))
            listed = self._listed(subject)
        except Fault:
            self.resolver.listener(ItemEnded(label, label, "failed"))
            raise
        self.resolver.listener(ItemEnded(label, label, "done"))
        if not self._room.take(len(listed.listed)):
            what, fact = f"cannot follow {label}", f"{MAX_REFERRERS_OF_RUN} referrers are enough"
            raise Misbehaved(Side.SOURCE, subject.host, what, fact=fact)
        return listed._replace(tags=tags)

    def _listed(self, subject: _Subject) -> _Companions:
        """Who names the subject, by the referrers API or, where there is none, by the tag."""
        listed: list[Descriptor] | None = None
        host, repository = subject.host, subject.repository
        if self._has_api.get(host, True):
            act = partial(self.source.referrers, host, repository, subject.digest)
            listed = self.resolver.ask(host, act)
            self._has_api.setdefault(host, listed is not None)
        return self._by_tag(subject) if listed is None else _Companions(listed=tuple(listed))

    def _by_tag(self, subject: _Subject) -> _Companions:
        """By the index that clients keep; whatever else has that tag is none."""
        tag = list_tag(subject.digest)
        try:
            index = self._manifest(subject, tag)
        except Misbehaved as fault:
            return _Companions(notice=f"{fault}; taken for no list of referrers")
        if index is None or index.media_type != mediatypes.OCI_INDEX:
            return _Companions()
        return _Companions(listed=index.children)

    def _has(self, subject: _Subject, tag: str) -> bool:
        tags = self._tags[subject.host, subject.repository]
        return tag in tags if tags is not None else self._manifest(subject, tag) is not None

    def _manifest(self, subject: _Subject, tag: str) -> Manifest | None:
        """What a tag names; not asked for where a listing says that it is not there.

        Any refusal means that there is none: the image itself could be read.
        """
        tags = self._tags[subject.host, subject.repository]
        if tags is not None and tag not in tags:
            return None
        act = partial(self.source.manifest, subject.host, subject.repository, tag)
        try:
            return self.resolver.ask(subject.host, act)
        except (NotFound, Refused):
            return None

    def _subjects(self, image: Resolved) -> list[_Subject]:
        """Its manifests where it was found, and in the repository where it is named.

        Those differ where an image of its digest was found before. The signature may be in one of
        the two alone: ``imgpkg copy --cosign-signatures`` puts it beside a bundle's members. The
        second is the repository of the image or bundle that all this began with, so it answers.
        """
        named = self.resolver.rewrites.apply(image.wanted.reference).name
        places = [name.partition("/") for name in dict.fromkeys((image.origin, named))]
        manifests = image.graph.manifests
        return [_Subject(host, path, m.digest) for host, _, path in places for m in manifests]

    # --- what is to be carried ------------------------------------------------------------

    def _wanted(self, image: Resolved, tag: str | None, digest: Digest | None) -> WantedImage:
        """A companion of an image: beside it where it is named, and else where it was found."""
        wanted, text = image.wanted, str(digest) if digest else None
        reference = replace(wanted.reference, tag=tag, digest=text)
        found_in = found_under(image, self.resolver.rewrites)
        elsewhere = replace(found_in, tag=tag, digest=text)
        places = () if elsewhere == reference else (elsewhere,)
        return wanted._replace(reference=reference, kind="image", required=False, places=places)

    def _sound(self, claims: _Claims) -> Found:
        """Those that do name their subject: a registry may list anything.

        They are resolved here to be looked into, and known by their digests from then on.
        """
        if not claims.wanted:
            return Found(notices=tuple(claims.notices()))
        resolution = self.resolver.run(tuple(claims.wanted.values()), "referrers")
        sound = list[WantedImage]()
        for image in resolution.images:
            subject = image.graph.root.subject
            if subject and subject.digest in claims.subjects[image.wanted.reference]:
                sound.append(image.wanted)
            else:
                claims.leave_out(image.wanted, "it names another subject, or none")
        for wanted in resolution.absent:
            claims.leave_out(wanted, "it is not there")
        failed = tuple((wanted, _with_way_out(fault)) for wanted, fault in resolution.failed)
        return Found(tuple(sound), failed=failed, notices=tuple(claims.notices()))


@dataclass(slots=True)
class _Claims:
    """What registries say refers to what, until it is seen whether that is so."""

    wanted: dict[Reference, WantedImage] = field(default_factory=dict)
    subjects: dict[Reference, set[Digest]] = field(default_factory=dict)
    """Whom each of them is said to name."""
    _left_out: dict[str, list[str]] = field(default_factory=dict)
    """By repository: which of them, and why; not more than are shown."""
    _count: Counter[str] = field(default_factory=Counter)

    def add(self, wanted: WantedImage, promised: Descriptor, subject: Digest) -> None:
        """Take note of what a list says."""
        if promised.media_type not in mediatypes.MANIFESTS:
            kind = printable(promised.media_type, 100)
            self.leave_out(wanted, f"{kind} is no manifest that this tool knows")
            return
        self.wanted.setdefault(wanted.reference, wanted)
        self.subjects.setdefault(wanted.reference, set()).add(subject)

    def leave_out(self, wanted: WantedImage, reason: str) -> None:
        """Take note of what will not be carried."""
        name, reasons = wanted.reference.name, self._left_out.setdefault(wanted.reference.name, [])
        self._count[name] += 1
        if len(reasons) < _SHOWN:
            reasons.append(f"{wanted.reference.digest}: {reason}")

    def notices(self) -> Iterator[str]:
        """A sentence for each repository in which something is left out."""
        for name, reasons in self._left_out.items():
            count, shown = self._count[name], "; ".join(reasons)
            yield f"{name}: {count} listed as referrers are left out: {shown}"


def _with_way_out(fault: Fault) -> Fault:
    """The same, its hint naming the option that leaves out what was asked for in vain."""
    if _WAY_OUT not in fault.hint:
        fault.hint = f"{fault.hint}; {_WAY_OUT}" if fault.hint else _WAY_OUT
    return fault
