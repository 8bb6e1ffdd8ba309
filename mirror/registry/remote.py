"""Registries behind the engine's doors: many as a source, one project of one as a sink."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from http import HTTPStatus
from types import TracebackType

from mirror.errors import Misbehaved, Unreachable
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.ports import Content, Piece
from mirror.registry.access import Access
from mirror.registry.client import Registry
from mirror.settings import MAX_STRANGERS


class Registries:
    """Every registry that images come from; each is connected to when it is first needed."""

    def __init__(self, access: Access, named: Collection[str] | None = None) -> None:
        """``named`` are the hosts that the operator named; None where nothing else names any."""
        self._access = replace(access, around=set())
        self._named = named
        self._strangers = set[str]()
        self._known: dict[str, Registry] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Registries:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for registry in self._all():
            registry.close()

    @property
    def requests(self) -> int:
        """Requests sent to all of them so far."""
        return sum(registry.requests for registry in self._all())

    @property
    def quickest(self) -> float:
        """Seconds in which the quickest answer of the nearest came; 0 where none is known."""
        return min((each.quickest for each in self._all() if each.quickest), default=0.0)

    def at(self, host: str) -> Registry:
        """The registry at ``host``; Misbehaved where what was read names too many."""
        with self._lock:
            if host not in self._known:
                self._known[host] = Registry(host, self._access_to(host))
            return self._known[host]

    def _access_to(self, host: str) -> Access:
        if self._named is None or host in self._named:
            return self._access
        if len(self._strangers) == MAX_STRANGERS:
            fact = f"what was read names more than {MAX_STRANGERS} registries besides those given"
            hint = f"--rewrite {host}=HOST says where its images are, or that it is meant itself"
            raise Misbehaved(self._access.side, host, f"cannot ask {host}", fact=fact, hint=hint)
        self._strangers.add(host)
        return self._access.for_stranger()

    def _all(self) -> list[Registry]:
        with self._lock:
            return list(self._known.values())

    def manifest(self, host: str, repository: str, name: str | Digest) -> Manifest:
        """The manifest of a tag or digest."""
        return self.at(host).manifest(repository, name)

    def serves(self, descriptor: Descriptor, origin: str) -> bool:
        """True where ``origin``, ``host/repository``, gives this blob.

        By GET where HEAD says no: some proxies answer 404 to every HEAD.
        """
        host, _, repository = origin.partition("/")
        registry = self.at(host)
        return registry.has_blob(repository, descriptor) or registry.gives_blob(
            repository, descriptor
        )

    def companions(self, host: str, repository: str) -> frozenset[str] | None:
        """The tags there that belong to images by their name; None where they are not listed."""
        return self.at(host).companions(repository)

    def referrers(self, host: str, repository: str, subject: Digest) -> list[Descriptor] | None:
        """Who refers to a manifest, by the registry's list; None where it keeps none."""
        return self.at(host).referrers(repository, subject)

    def read(
        self, descriptor: Descriptor, origin: str, start: int = 0
    ) -> AbstractContextManager[Iterator[Piece]]:
        """A blob of ``origin``, which is ``host/repository``."""
        host, _, repository = origin.partition("/")
        return self.at(host).blob(repository, descriptor, start)


class Project:
    """One registry as the place where images land; repositories are named in full."""

    def __init__(self, registry: Registry, *, vouched: bool = False) -> None:
        """``vouched``: the registry looks itself for the blobs of every manifest that it takes."""
        self.registry = registry
        self._vouched = vouched
        self._ill: set[tuple[Digest, str]] = set()
        """Blobs that the registry failed over when it was asked for them."""
        self._mounts_its_own: bool | None = None
        """Does it take a blob over from the very repository that is to have it? None until seen."""

    def holds(self, descriptor: Descriptor, target: str) -> bool:
        """True where the repository has the blob; False too where it fails over it again.

        A repository's own blob is mounted from itself where the registry does that: a blob that
        is not there is answered with the upload that it needs next, in one request instead of
        two. A 201 to it is no more than a word, and says nothing about the size.

        A power cut can leave Distribution 2.8 an empty link to a blob, over which it answers 500
        for ever after (measured). Only another upload mends that.
        """
        begun = self.registry.has_begun(target, descriptor)
        if self._mounts_its_own and not (begun or self.registry.mount(target, descriptor, target)):
            return False
        place = descriptor.digest, target
        try:
            return self.registry.has_blob(target, descriptor)
        except Unreachable as fault:
            if fault.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            if place not in self._ill:
                self._ill.add(place)
                raise
        return False

    def mount(self, descriptor: Descriptor, target: str, holder: str) -> bool:
        """Take the blob over from another repository of the same registry.

        A 201 is only a word here too: one that proves to be none is answered with an upload.
        """
        if not self.registry.mount(target, descriptor, holder):
            return False
        return self._vouched or self._is_there(descriptor, target)

    def write(self, descriptor: Descriptor, target: str, content: Content) -> None:
        """Upload the blob, and see that it is there: an answer of 201 is only a word.

        A registry that looks itself before it takes the manifest is spared the question where it
        named the digest.
        """
        registry = self.registry
        named = registry.upload(target, descriptor, content)
        if self._mounts_its_own is None:
            # Until the answer is there, everybody else looks first, as where it is no.
            self._mounts_its_own = False
            self._mounts_its_own = registry.mount(target, descriptor, target)
        if named and self._vouched:
            return
        if not self._is_there(descriptor, target):
            raise registry.lost(target, descriptor)

    def _is_there(self, descriptor: Descriptor, target: str) -> bool:
        """By GET where HEAD says no: some proxies answer 404 to every HEAD."""
        registry = self.registry
        return registry.has_blob(target, descriptor) or registry.gives_blob(target, descriptor)
