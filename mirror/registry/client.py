"""One registry over HTTP: manifests, blobs, uploads and tags of the distribution API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType

import httpx

from mirror.errors import IntegrityFault, Misbehaved, RegistryFault, Side, Unreachable
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.oci.strictjson import parse_object
from mirror.ports import Piece
from mirror.registry import policy, wire
from mirror.registry.auth import Scopes
from mirror.registry.body import pieces
from mirror.registry.connection import Access, Ask, Connection, encoded
from mirror.settings import MAX_MANIFEST, MAX_PAGES
from mirror.text import printable


class Registry:
    """One registry. Its methods may be called from any thread; each is one attempt.

    Faults are ``RegistryFault`` with this registry's side and host, and ``IntegrityFault``
    where content is not what its digest says.
    """

    def __init__(self, host: str, access: Access) -> None:
        self.host = host
        self._wire = Connection(host, access)

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def requests(self) -> int:
        """Requests sent so far, those for tokens included."""
        return self._wire.requests

    def close(self) -> None:
        """Close every connection; a transfer still using one fails."""
        self._wire.close()

    # --- manifests ------------------------------------------------------------------------

    def manifest(self, repository: str, name: str | Digest) -> Manifest:
        """The manifest or index of a tag or digest; its bytes hash to what they should."""
        what = f"cannot get {self._shown(repository, name)}"
        ask = self._ask("GET", repository, f"manifests/{name}", what)
        with self._wire.exchange(ask) as response:
            self._wire.expect(response, what, 200)
            raw = self._wire.bounded(response, MAX_MANIFEST, what)
            stated = response.headers.get("docker-content-digest", "")
            content_type = response.headers.get("content-type", "")
        self._same_digest(raw, name, stated, what)
        try:
            return Manifest.parse(raw, content_type)
        except ValueError as cause:
            raise self._wire.fault(Misbehaved, what, printable(str(cause))) from None

    def tagged(self, repository: str, tag: str) -> Digest | None:
        """The digest that a tag has now, or None where there is no such tag."""
        what = f"cannot look up {self._shown(repository, tag)}"
        with self._wire.exchange(self._ask("HEAD", repository, f"manifests/{tag}", what)) as answer:
            if answer.status_code == 404:
                return None
            self._wire.expect(answer, what, 200)
            stated = answer.headers.get("docker-content-digest", "")
        try:
            return Digest.parse(stated)
        except ValueError:
            # The header is optional, and some proxies strip it: ask for the bytes and hash them.
            return self.manifest(repository, tag).digest

    def put_manifest(self, repository: str, name: str | Digest, manifest: Manifest) -> None:
        """Store a manifest under a tag or its own digest."""
        what = f"cannot put {self._shown(repository, name)}"
        ask = self._ask("PUT", repository, f"manifests/{name}", what)
        ask = replace(ask, headers={"Content-Type": manifest.media_type}, content=manifest.raw)
        with self._wire.exchange(ask) as response:
            self._wire.expect(response, what, 201, 200)

    # --- blobs ----------------------------------------------------------------------------

    @contextmanager
    def blob(self, repository: str, descriptor: Descriptor) -> Iterator[Iterator[Piece]]:
        """The bytes of a blob as they come, not yet checked against their digest."""
        what = f"cannot get blob {descriptor.digest} of {self.host}/{repository}"
        ask = self._ask("GET", repository, f"blobs/{descriptor.digest}", what)
        with self._wire.exchange(ask) as response:
            self._wire.expect(response, what, 200)
            if encoded(response):
                raise self._wire.fault(Misbehaved, what, "it sends the blob encoded anew")
            self._same_length(response, descriptor)
            yield self._pieces(response, descriptor.size, what)

    def _pieces(self, response: httpx.Response, size: int, what: str) -> Iterator[Piece]:
        # Around each step and not around the reader's block: in a copy the reader is a request
        # to another registry, which must not be blamed for this one, nor this one for it.
        with self._wire.translated(what):
            yield from pieces(response, size)

    def has_blob(self, repository: str, descriptor: Descriptor) -> bool:
        """True where the blob is there with its full size; Harbor can hold one with size 0."""
        what = f"cannot look up blob {descriptor.digest} in {self.host}/{repository}"
        ask = self._ask("HEAD", repository, f"blobs/{descriptor.digest}", what)
        with self._wire.exchange(ask) as response:
            if response.status_code == 404:
                return False
            self._wire.expect(response, what, 200)
            size = str(descriptor.size)
            return bool(response.headers.get("content-length", size) == size)

    def mount(self, repository: str, descriptor: Descriptor, origin: str) -> bool:
        """Take a blob over from another repository of this registry; False: upload it.

        A registry may answer 202 and open an upload instead (distribution-spec, "Mounting a
        blob"), and Harbor refuses with 401 where ``origin`` is private; every refusal means no.
        """
        what = f"cannot mount blob {descriptor.digest} into {self.host}/{repository}"
        ask = self._ask("POST", repository, "blobs/uploads/", what, origin)
        query = httpx.QueryParams({"mount": str(descriptor.digest), "from": origin})
        with self._wire.exchange(replace(ask, url=ask.url.copy_with(params=query))) as response:
            if response.status_code == 202:
                self._cancel(self._session(response, what), ask)
            elif response.status_code == 429 or not 400 <= response.status_code < 500:
                self._wire.expect(response, what, 201)
            return response.status_code == 201

    def upload(self, repository: str, descriptor: Descriptor, content: Iterator[Piece]) -> None:
        """Store a blob in one piece. ``content`` gives exactly its bytes or raises.

        The length is always stated: Harbor stores a body without one with size 0. A fault
        raised by ``content`` ends the request before its last byte, so nothing is committed.
        """
        what = f"cannot upload blob {descriptor.digest} to {self.host}/{repository}"
        start = self._ask("POST", repository, "blobs/uploads/", what)
        with self._wire.exchange(start) as response:
            self._wire.expect(response, what, 202)
            session = self._session(response, what)
        put = Ask(
            "PUT",
            _with_digest(session, descriptor),
            what,
            start.scopes,
            _framing(descriptor),
            map(bytes, content),
        )
        try:
            with self._wire.exchange(put) as answer:
                sent = answer.request.headers.get("authorization", "")
                if answer.status_code == 401 and not sent.startswith("Basic "):
                    # The body is spent; the token was renewed, and the next attempt has it.
                    raise self._wire.fault(Unreachable, what, "the token ended before the upload")
                self._wire.expect(answer, what, 201)
        except BaseException:
            self._cancel(session, start)
            raise

    def lost(self, repository: str, descriptor: Descriptor) -> RegistryFault:
        """The fault of a registry that took a blob and does not have it."""
        what = f"cannot find blob {descriptor.digest} in {self.host}/{repository}"
        return self._wire.fault(Misbehaved, what, "it answered 201 to its upload a moment ago")

    # --- tags -----------------------------------------------------------------------------

    def tags(self, repository: str) -> list[str]:
        """Every tag, in the registry's order (distribution-spec, "Listing Tags")."""
        what = f"cannot list the tags of {self.host}/{repository}"
        ask, found = self._ask("GET", repository, "tags/list", what), list[str]()
        for _ in range(MAX_PAGES):
            with self._wire.exchange(ask) as response:
                self._wire.expect(response, what, 200)
                raw = self._wire.bounded(response, MAX_MANIFEST, what)
                link = response.links.get("next", {}).get("url", "")
            found += self._tag_page(raw, what)
            if not link:
                return found
            url = self._wire.allowed(what, policy.next_page, self._wire.root, ask.url, link)
            ask = replace(ask, url=url)
        raise self._wire.fault(Misbehaved, what, f"its tag list has more than {MAX_PAGES} pages")

    def _tag_page(self, raw: bytes, what: str) -> list[str]:
        try:
            tags = parse_object(raw).get("tags") or []
        except ValueError as cause:
            raise self._wire.fault(Misbehaved, what, f"its tag list is {cause}") from None
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise self._wire.fault(Misbehaved, what, "its tag list is no list of names")
        return tags

    # --- checks ---------------------------------------------------------------------------

    def _same_digest(self, raw: bytes, name: str | Digest, stated: str, what: str) -> None:
        got = str(Digest.of(raw))
        promised = [str(name)] if isinstance(name, Digest) else []
        if stated.startswith("sha256:"):
            promised.append(stated)
        for expected in promised:
            if expected != got:
                expected = printable(expected, 80)
                raise IntegrityFault(
                    what, member="manifest", expected=expected, got=got, place=self.host
                )

    def _same_length(self, response: httpx.Response, descriptor: Descriptor) -> None:
        stated = response.headers.get("content-length", str(descriptor.size))
        if stated != str(descriptor.size):
            raise IntegrityFault(
                "a blob has another size than its manifest promises",
                member=f"blob {descriptor.digest}",
                expected=f"{descriptor.size} bytes",
                got=f"{printable(stated, 40)} bytes",
                place=self.host,
            )

    # --- asking ---------------------------------------------------------------------------

    def _ask(self, method: str, repository: str, rest: str, what: str, mount_from: str = "") -> Ask:
        url = self._wire.root.copy_with(path=f"/v2/{repository}/{rest}")
        headers = {"Accept": wire.ACCEPT_MANIFESTS} if rest.startswith("manifests/") else {}
        return Ask(method, url, what, self._scopes(repository, mount_from), headers)

    def _scopes(self, repository: str, mount_from: str) -> Scopes:
        actions = "pull" if self._wire.side is Side.SOURCE else "pull,push"
        own = f"repository:{repository}:{actions}"
        return (own, f"repository:{mount_from}:pull") if mount_from else (own,)

    def _session(self, response: httpx.Response, what: str) -> httpx.URL:
        location, current = response.headers.get("location", ""), response.request.url
        return self._wire.allowed(what, policy.upload, self._wire.root, current, location)

    def _cancel(self, session: httpx.URL, start: Ask) -> None:
        """Give an upload session back, if the registry lets us: Harbor's robots may not."""
        ask = Ask("DELETE", session, "cannot cancel an upload", start.scopes)
        try:
            with self._wire.exchange(ask):
                return
        except RegistryFault:
            return

    def _shown(self, repository: str, name: str | Digest) -> str:
        return f"{self.host}/{repository}{'@' if isinstance(name, Digest) else ':'}{name}"


def _with_digest(session: httpx.URL, descriptor: Descriptor) -> httpx.URL:
    """The session's query carries the registry's own state and is kept to the byte."""
    before = session.query + b"&" if session.query else b""
    return session.copy_with(query=before + f"digest={descriptor.digest}".encode())


def _framing(descriptor: Descriptor) -> dict[str, str]:
    return {"Content-Length": str(descriptor.size), "Content-Type": "application/octet-stream"}
