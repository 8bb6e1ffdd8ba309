"""What a registry lists, page by page: the tags of a repository, and who refers to a manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeVar

import httpx

from mirror.errors import Misbehaved
from mirror.oci import referrers
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.mediatypes import OCI_INDEX
from mirror.oci.strictjson import parse_object
from mirror.registry import policy, wire
from mirror.registry.connection import Ask, Connection
from mirror.registry.place import Place
from mirror.settings import (
    MAX_COMPANION_PAGES,
    MAX_COMPANION_TAGS,
    MAX_MANIFEST,
    MAX_PAGES,
    MAX_REFERRERS,
    MAX_TAG_LIST,
    MAX_TAGS,
)

Page = TypeVar("Page")


class Lists:
    """The lists of one registry. ``get`` makes the request for a repository's list."""

    def __init__(self, connection: Connection, get: Callable[[str, str, str], Ask]) -> None:
        self._wire = connection
        self._get = get

    def tags(self, repository: str) -> list[str]:
        """Every tag, in the registry's order (distribution-spec, "Listing Tags")."""
        ask, found = self._tags(repository), list[str]()
        for page in self._pages(ask, MAX_PAGES, partial(self._tag_page, what=ask.what)):
            found += page
            if len(found) > MAX_TAGS:
                raise self._wire.fault(Misbehaved, ask.what, f"it has more than {MAX_TAGS} tags")
        return found

    def companions(self, repository: str) -> frozenset[str] | None:
        """The tags that by their name belong to other images.

        None where that cannot be learnt this way: the registry declines, or has too many tags
        to read, or what it says is no list.
        """
        ask, found, some = self._tags(repository), set[str](), False
        try:
            for page in self._pages(ask, MAX_COMPANION_PAGES, self._companion_page, _declines):
                some = True
                found |= page
                if len(found) > MAX_COMPANION_TAGS:
                    return None
        except Misbehaved:
            return None
        return frozenset(found) if some else None

    def referrers(self, repository: str, subject: Digest) -> list[Descriptor] | None:
        """Who names ``subject``, by the registry's word; None where it keeps no such list.

        distribution-spec, "Listing Referrers": a registry that knows the request never answers
        404. Older ones answer whatever they have for a path they do not know.
        """
        what = f"cannot list what refers to {self._wire.host}/{repository}@{subject}"
        ask = self._get(repository, f"referrers/{subject}", what)
        ask = replace(ask, headers={"Accept": OCI_INDEX})
        read = partial(self._referrer_page, what=what)
        found: list[Descriptor] | None = None
        for page in self._pages(ask, MAX_REFERRERS, read, _has_no_referrers):
            found = [*(found or ()), *page]
            if len(found) > MAX_REFERRERS:
                raise self._wire.fault(Misbehaved, what, f"it names more than {MAX_REFERRERS}")
        return found

    def _pages(
        self,
        ask: Ask,
        limit: int,
        read: Callable[[bytes], Page],
        declined: Callable[[httpx.Response], bool] = lambda _response: False,
    ) -> Iterator[Page]:
        """Every page of a list, at most ``limit``, as ``read`` makes of it; none where the first
        answer declines it.
        """
        left = MAX_TAG_LIST
        for number in range(limit):
            with self._wire.exchange(ask) as response:
                if not number and declined(response):
                    return
                self._wire.expect(response, ask.what, 200)
                room = min(MAX_MANIFEST, left)
                page, size = self._wire.document(response, room, ask.what, partial(_page, read))
                left -= size
                link = response.links.get("next", {}).get("url", "")
            yield page
            if not link:
                return
            current = ask.place.whole
            url = self._wire.allowed(ask.what, policy.next_page, self._wire.root, current, link)
            ask = replace(ask, place=Place(url))
        raise self._wire.fault(Misbehaved, ask.what, f"its list has more than {limit} pages")

    def _tags(self, repository: str) -> Ask:
        what = f"cannot list the tags of {self._wire.host}/{repository}"
        return self._get(repository, "tags/list", what)

    def _companion_page(self, raw: bytes) -> set[str]:
        return set(filter(referrers.COMPANION_TAG.fullmatch, self._tag_page(raw, "")))

    def _referrer_page(self, raw: bytes, what: str) -> list[Descriptor]:
        try:
            return referrers.descriptors(raw)
        except ValueError as cause:
            raise self._wire.fault(Misbehaved, what, f"its list is wrong: {cause}") from None

    def _tag_page(self, raw: bytes, what: str) -> list[str]:
        try:
            tags = parse_object(raw).get("tags") or []
        except ValueError as cause:
            raise self._wire.fault(Misbehaved, what, f"its tag list is {cause}") from None
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise self._wire.fault(Misbehaved, what, "its tag list is no list of names")
        return tags


def _page(read: Callable[[bytes], Page], raw: bytes) -> tuple[Page, int]:
    """What ``read`` makes of one page, and how many bytes that has."""
    return read(raw), len(raw)


def _declines(response: httpx.Response) -> bool:
    return wire.declines(response.status_code)


def _has_no_referrers(response: httpx.Response) -> bool:
    """A refusal, or what is no index: a page for people, or what a proxy has for any path."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return _declines(response) or (response.status_code == 200 and kind != OCI_INDEX)
