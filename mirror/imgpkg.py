"""imgpkg bundles among images, and the images that they name.

A bundle is an image whose configuration has the label ``dev.carvel.imgpkg.bundle``, with whatever
value, and never an index (imgpkg, pkg/imgpkg/bundle: ``IsBundle``). In its layer, of which it has
exactly one, ``.imgpkg/images.yml`` locks the images that it refers to (``SingleLayerReader``).
No BOM tells a bundle from another image, and a name says nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from bom.errors import BomFault, InputFault
from bom.images import WantedImage
from bom.model import ImagesLock
from bom.reference import Reference
from mirror import moved
from mirror.errors import Fault
from mirror.events import Listener
from mirror.expand import Found
from mirror.members import member_reference
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.strictjson import parse_object
from mirror.oci.unpack import files_in
from mirror.ports import Move, Source
from mirror.resolve import Resolved, found_under
from mirror.rewrite import Rewrites
from mirror.settings import LOOKS_AT_A_TIME, MAX_CONFIG, MAX_IMAGES_LOCK, MAX_MEMBERS, MAX_UNPACKED
from mirror.transfer.crew import Crew
from mirror.transfer.look import Looks
from mirror.transfer.retry import Retry

LABEL = "dev.carvel.imgpkg.bundle"
LOCK = ".imgpkg/images.yml"

# What a lock names: each digest, sorted, and wherever the lock says that it is.
Locked = dict[Digest, tuple[Reference, ...]]


class Bundles:
    """Finds the members of bundles. One for a run: no blob is asked for twice."""

    def __init__(
        self, source: Source, rewrites: Rewrites, crew: Crew, retry: Retry, listener: Listener
    ) -> None:
        self._rewrites = rewrites
        self._labels = Looks("look for bundles", _has_label, source, crew, retry, listener)
        few = crew.of_few(LOOKS_AT_A_TIME)
        self._locks = Looks("read bundles", self._read, source, few, retry, listener)
        self._turn = threading.Lock()
        self._in_locks = _Allowance(MAX_MEMBERS, "images in the locks of bundles")
        self._in_bundles = _Allowance(MAX_MEMBERS, "members of bundles")

    def __call__(self, images: Sequence[Resolved]) -> Found:
        """The members of those images that are bundles."""
        candidates = [found for image in images if (found := _candidate(image))]
        labels = self._labels.found
        self._labels.into(_move(each.image, each.config) for each in candidates)
        labelled = [each for each in candidates if labels[each.config.digest] is True]
        self._locks.into(_move(each.image, each.layer) for each in labelled if not each.too_large)
        return _together(
            [self._found(each) for each in candidates if labels[each.config.digest] is not False]
        )

    def _found(self, candidate: _Candidate) -> Found:
        """What comes along with one bundle."""
        image, label = candidate.image, self._labels.found[candidate.config.digest]
        if isinstance(label, Fault):
            return Found(failed=((image.wanted, label),))
        lock = candidate.too_large or self._locks.found[candidate.layer.digest]
        if isinstance(lock, Fault):
            return Found(failed=((image.wanted, lock),))
        reference = image.wanted.reference
        if lock is None:
            notice = f"{reference} is an imgpkg bundle without {LOCK}; imgpkg would refuse it"
            return Found(members={reference: ()}, notices=(notice,))
        try:
            if isinstance(lock, str):
                raise ValueError(lock)
            self._in_bundles.take(len(lock))
        except ValueError as cause:
            return Found(failed=((image.wanted, _damaged(reference, str(cause))),))
        return Found(tuple(self._members(image, lock)), {reference: tuple(lock)})

    def _members(self, image: Resolved, lock: Locked) -> Iterator[WantedImage]:
        """Where the members of a bundle will lie, and where they may be found.

        A lock names where they were when it was written, which may be gone by now. imgpkg looks
        in the bundle's own repository first (bundle_images_lock.go), and so does this; then, for
        a registry that is no more, where the run takes the rest of the release from.
        """
        found_in = found_under(image, self._rewrites)
        for digest, locked in lock.items():
            reference = member_reference(image.wanted.reference, digest)
            beside = replace(found_in, tag=None, digest=str(digest))
            places = (
                *([beside] if beside.name != reference.name else []),
                *(each for place in locked for each in _now(place, image.wanted.repository)),
            )
            yield image.wanted._replace(
                reference=reference,
                kind="image",
                required=True,
                places=tuple(dict.fromkeys(places)),
            )

    def _read(self, pieces: Iterator[bytes]) -> Locked | str | None:
        """The lock in a layer; None where it has none, a text where it cannot be read."""
        # Imported here: PyYAML, which takes 20 ms to load, is for who meets a bundle.
        from bom.parse import parse_images_lock

        try:
            files = dict(files_in(pieces, wanted=LOCK.__eq__, limit=MAX_IMAGES_LOCK))
            if LOCK not in files:
                return None
            # The largest takes 20 MB while it is parsed, and threads would not be sooner done.
            with self._turn:
                lock = parse_images_lock(files[LOCK], LOCK)
                self._in_locks.take(len(lock.images))
        except BomFault as fault:
            return str(fault)
        except ValueError as cause:
            return f"{LOCK} cannot be read: {cause}"
        return _locked(lock)


def _now(locked: Reference, repository: str) -> Iterator[Reference]:
    """The place that a lock names, after the one where its project was mirrored to."""
    if name := moved.relocated(locked.name, repository):
        host, _, path = name.partition("/")
        yield replace(locked, host=host, repository=path)
    yield locked


class _Candidate(NamedTuple):
    """An image that is a bundle if its configuration says so."""

    image: Resolved
    config: Descriptor
    layer: Descriptor

    @property
    def too_large(self) -> str:
        """Why its layer is not looked into; empty where it is."""
        size = self.layer.size
        return f"its layer has {size} bytes, more than {MAX_UNPACKED}" * (size > MAX_UNPACKED)


class _Allowance:
    """How many of some things there may still be in a run."""

    def __init__(self, count: int, things: str) -> None:
        self._all = self._left = count
        self._things = things

    def take(self, count: int) -> None:
        """Count some; ValueError where those are too many."""
        if count > self._left:
            raise ValueError(f"more than {self._all} {self._things}")
        self._left -= count


def _candidate(image: Resolved) -> _Candidate | None:
    """None for most images, which saves a request each: bundles have one layer.

    Neither has one a configuration too small for the label, as artifacts have, or too large.
    """
    root = image.graph.root
    if root.config is None or len(root.layers) != 1 or root.foreign:
        return None
    if not len(LABEL) < root.config.size <= MAX_CONFIG:
        return None
    return _Candidate(image, root.config, root.layers[0])


def _move(image: Resolved, blob: Descriptor) -> Move:
    return Move(blob, image.origin, ("",), image=str(image.wanted.reference))


def _has_label(pieces: Iterator[bytes]) -> bool:
    """What is no configuration has no label: artifacts keep other things in its place."""
    raw = b"".join(pieces)
    if LABEL.encode() not in raw:
        return False
    try:
        config = parse_object(raw).get("config")
    except ValueError:
        return False
    labels = config.get("Labels") if isinstance(config, dict) else None
    return isinstance(labels, dict) and LABEL in labels


def _locked(lock: ImagesLock) -> Locked:
    found = dict[Digest, dict[Reference, None]]()
    for image in lock.images:
        digest = Digest.parse(image.reference.digest)
        found.setdefault(digest, {})[image.reference] = None
    return {digest: tuple(found[digest]) for digest in sorted(found)}


def _damaged(reference: Reference, reason: str) -> Fault:
    fault = InputFault(f"cannot read the imgpkg bundle {reference}", fact=reason, hint=_HINT)
    fault.whose = "whoever published this bundle"
    return fault


_HINT = "ask for a sound one, or leave it out: imgpkg could not open it either"


def _together(found: Iterable[Found]) -> Found:
    found = tuple(found)
    return Found(
        tuple(chain.from_iterable(each.wanted for each in found)),
        {name: digests for each in found for name, digests in each.members.items()},
        tuple(chain.from_iterable(each.failed for each in found)),
        tuple(chain.from_iterable(each.notices for each in found)),
    )
