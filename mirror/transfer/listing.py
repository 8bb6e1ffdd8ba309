"""Referrers at a destination: each must be there, and be listed as one, or nobody finds it."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial

from mirror.errors import Misbehaved, NotFound, Refused, Side
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.oci.referrers import list_tag, with_entry
from mirror.ports import Library
from mirror.transfer.retry import Retry

_IMMUTABLE = (
    "the list grows with each signature: let the rule that keeps tags from changing leave out "
    "sha256-*, or push to a registry that has the referrers API"
)
_TAKEN = "look at what has that tag: clients keep the list of an image's referrers under it"


@dataclass(slots=True)
class Listing:
    """The lists of referrers at one registry: its own, or indexes under tags where it has none.

    distribution-spec, "Pushing Manifests with Subject" and "Referrers Tag Schema".
    """

    library: Library
    retry: Retry
    host: str
    _has_api: bool | None = None
    """None until the first answer, for which everybody waits: a no need be heard only once."""
    _first: threading.Lock = field(default_factory=threading.Lock)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _locks: dict[tuple[str, Digest], threading.Lock] = field(default_factory=dict)

    def has(self, repository: str, subject: Digest, referrer: Manifest) -> bool:
        """True where ``referrer`` is listed as one of ``subject``."""
        listed = self._by_api(repository, subject, referrer)
        return self._missing(repository, subject, referrer) is None if listed is None else listed

    def add(self, repository: str, subject: Digest, referrer: Manifest) -> None:
        """Write ``referrer`` into the index of all that refers to ``subject``.

        Nobody else of this run writes it meanwhile. Another client may: the index is read again
        after each put, and put once more where our entry was lost. A registry with a list of its
        own has none of this: the answer that said so may not have come.
        """
        if self._by_api(repository, subject, referrer):
            return
        with self._lock_of(repository, subject):
            for _ in range(2):
                index = self._missing(repository, subject, referrer)
                if index is None:
                    return
                self._put(repository, subject, referrer, index)
            if self._missing(repository, subject, referrer) is not None:
                raise self._fault(repository, subject, referrer, "it does not keep what is put")

    def _by_api(self, repository: str, subject: Digest, referrer: Manifest) -> bool | None:
        """Whether the registry's own list has it; None where there is no such list."""
        with self._first if self._has_api is None else nullcontext():
            if self._has_api is False:
                return None
            listed = self.retry(partial(self.library.referrers, repository, subject))
            self._has_api = listed is not None
        return None if listed is None else referrer.digest in {each.digest for each in listed}

    def _lock_of(self, repository: str, subject: Digest) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault((repository, subject), threading.Lock())

    def _missing(self, repository: str, subject: Digest, referrer: Manifest) -> Manifest | None:
        """The index as it must become; None where it has the referrer already."""
        try:
            there = self.retry(partial(self.library.manifest, repository, list_tag(subject)))
        except NotFound:
            there = None
        try:
            return with_entry(there, referrer)
        except ValueError as cause:
            raise self._fault(repository, subject, referrer, str(cause)) from None

    def _put(self, repository: str, subject: Digest, referrer: Manifest, index: Manifest) -> None:
        act = partial(self.library.put_manifest, repository, list_tag(subject), index)
        try:
            self.retry(act)
        except Refused as fault:
            # The answer to an attempt before may have been lost, and a tag that cannot be changed
            # refuses even what it has.
            if self._missing(repository, subject, referrer) is None:
                return
            fault.hint = _IMMUTABLE if fault.status == 412 else fault.hint
            raise

    def _fault(self, repository: str, subject: Digest, referrer: Manifest, fact: str) -> Misbehaved:
        what = f"cannot list {self.host}/{repository}@{referrer.digest} as a referrer"
        fact = f"{self.host}/{repository}:{list_tag(subject)}: {fact}"
        return Misbehaved(Side.DESTINATION, self.host, what, fact=fact, hint=_TAKEN)
