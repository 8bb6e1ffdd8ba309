"""One registry over HTTP: manifests, blobs, uploads and tags of the distribution API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import partial
from types import TracebackType

import httpx

from mirror.errors import Incomplete, IntegrityFault, Misbehaved, Refused, RegistryFault, Side
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.oci.nobody import INCOMPLETE
from mirror.ports import Content, Piece
from mirror.registry import wire
from mirror.registry.access import Access
from mirror.registry.auth import Scopes
from mirror.registry.connection import Ask, Connection
from mirror.registry.download import Downloads
from mirror.registry.lists import Lists
from mirror.registry.place import Place
from mirror.registry.upload import Uploads
from mirror.settings import CANCEL_TIMEOUT, MAX_MANIFEST
from mirror.text import printable


class Registry:
    """One registry. Its methods may be called from any thread; each is one attempt.

    Faults are ``RegistryFault`` with this registry's side and host, and ``IntegrityFault``
    where content is not what its digest says.
    """

    def __init__(self, host: str, access: Access) -> None:
        self.host = host
        self._wire = Connection(host, access)
        self._uploads = Uploads(self._wire, self._start)
        self._lists = Lists(self._wire, partial(self._ask, "GET"))
        self._reading = access.reading or access.side is Side.SOURCE
        settings = access.settings
        self._downloads = Downloads(self._wire, self._get, settings.ranges, settings.timeout)

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

    @property
    def quickest(self) -> float:
        """Seconds in which its quickest answer came; 0 before the first."""
        return self._wire.quickest

    @property
    def connection(self) -> Connection:
        """What everything goes through that is said to this registry."""
        return self._wire

    def close(self) -> None:
        """Give back unfinished uploads, then close every connection; whoever uses one fails."""
        self._uploads.close()
        self._wire.close()

    # --- manifests ------------------------------------------------------------------------

    def manifest(self, repository: str, name: str | Digest) -> Manifest:
        """The manifest or index of a tag or digest; its bytes hash to what they should."""
        what = f"cannot get {self._shown(repository, name)}"
        ask = self._ask("GET", repository, f"manifests/{name}", what)
        with self._wire.exchange(ask) as response:
            self._wire.expect(response, what, 200)
            read = partial(self._parsed, response, name, what)
            return self._wire.document(response, MAX_MANIFEST, what, read)

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

    def put_manifest(
        self, repository: str, name: str | Digest, manifest: Manifest
    ) -> Digest | None:
        """Store a manifest under a tag or its own digest.

        Returns the subject that the registry says it took note of: from then on it lists the
        manifest among that one's referrers (distribution-spec, "Pushing Manifests with Subject").
        """
        what = f"cannot put {self._shown(repository, name)}"
        ask = self._ask("PUT", repository, f"manifests/{name}", what)
        ask = replace(ask, headers={"Content-Type": manifest.media_type}, content=manifest.raw)
        with self._wire.exchange(ask) as response:
            self._wire.expect(response, what, 201, 200)
            noted = response.headers.get("oci-subject", "")
        try:
            return Digest.parse(noted)
        except ValueError:
            return None

    def looks_for_blobs(self, repository: str) -> bool:
        """True where the registry is seen to refuse a manifest whose blobs it lacks.

        Asked with one that belongs to nobody, so that no image is ever half there under its own
        digest. A registry that takes it is rid of it at once, if it lets us; no tag shows it.
        """
        manifest = Manifest.parse(INCOMPLETE)
        with suppress(RegistryFault):
            try:
                self.put_manifest(repository, manifest.digest, manifest)
            except Incomplete:
                return True
            ask = self._ask("DELETE", repository, f"manifests/{manifest.digest}", "cannot tidy up")
            with self._wire.exchange(replace(ask, timeout=CANCEL_TIMEOUT)):
                pass
        return False

    # --- blobs ----------------------------------------------------------------------------

    def blob(
        self, repository: str, descriptor: Descriptor, start: int = 0
    ) -> AbstractContextManager[Iterator[Piece]]:
        """The bytes of a blob from ``start`` on, as they come, not yet checked."""
        return self._downloads.blob(repository, descriptor, start)

    def has_blob(self, repository: str, descriptor: Descriptor) -> bool:
        """True where the blob is there with its full size; Harbor can hold one with size 0."""
        stated = self._stated("HEAD", repository, descriptor.digest)
        if stated == "":
            return self.gives_blob(repository, descriptor)
        return stated == str(descriptor.size)

    def gives_blob(self, repository: str, descriptor: Descriptor) -> bool:
        """The same by GET, for where a HEAD says nothing or is not known; no byte is read."""
        stated = self._stated("GET", repository, descriptor.digest)
        return stated in ("", str(descriptor.size))

    def blob_length(self, repository: str, descriptor: Descriptor) -> str | None:
        """Bytes that a blob has by the registry's word; None where it is not there.

        Empty where it does not say. By GET where a HEAD says anything but what is promised: some
        proxies answer 404 or 405 to every HEAD, and clients get their blobs all the same.
        """
        with suppress(Refused, Misbehaved):
            stated = self._stated("HEAD", repository, descriptor.digest)
            if stated == str(descriptor.size):
                return stated
        return self._stated("GET", repository, descriptor.digest)

    def _stated(self, method: str, repository: str, digest: Digest) -> str | None:
        what = f"cannot look up blob {digest} in {self.host}/{repository}"
        ask = self._ask(method, repository, f"blobs/{digest}", what)
        with self._wire.exchange(ask) as response:
            if response.status_code == 404:
                return None
            self._wire.expect(response, what, 200)
            return printable(response.headers.get("content-length", ""), 40)

    def mount(self, repository: str, descriptor: Descriptor, origin: str) -> bool:
        """Take a blob over from another repository of this registry; False: upload it.

        A registry may answer 202 and open an upload instead (distribution-spec, "Mounting a
        blob"), and Harbor refuses with 401 where ``origin`` is private; every refusal means no.
        """
        what = f"cannot mount blob {descriptor.digest} into {self.host}/{repository}"
        ask = self._ask("POST", repository, "blobs/uploads/", what, origin)
        query = str(httpx.QueryParams({"mount": str(descriptor.digest), "from": origin}))
        with self._wire.exchange(replace(ask, place=ask.place.asking(query))) as response:
            if response.status_code == 202:
                self._uploads.keep(
                    repository, descriptor, self._uploads.session(response, ask.scopes, what)
                )
            elif response.status_code == 429 or not 400 <= response.status_code < 500:
                self._wire.expect(response, what, 201)
            return response.status_code == 201

    def has_begun(self, repository: str, descriptor: Descriptor) -> bool:
        """True where an upload of this blob is under way, which ``upload`` goes on with."""
        return self._uploads.has(repository, descriptor)

    def upload(self, repository: str, descriptor: Descriptor, content: Content) -> bool:
        """Store a blob; one attempt, which goes on where the one before it was cut, if it can.

        True where the answer names the digest under which the registry has it.
        """
        return self._uploads.send(repository, descriptor, content)

    def lost(self, repository: str, descriptor: Descriptor) -> RegistryFault:
        """The fault of a registry that took a blob and does not have it."""
        what = f"cannot find blob {descriptor.digest} in {self.host}/{repository}"
        return self._wire.fault(Misbehaved, what, "it answered 201 to its upload a moment ago")

    # --- lists ----------------------------------------------------------------------------

    def tags(self, repository: str) -> list[str]:
        """Every tag, in the registry's order."""
        return self._lists.tags(repository)

    def companions(self, repository: str) -> frozenset[str] | None:
        """The tags that belong to images by their name; None where they cannot be listed."""
        return self._lists.companions(repository)

    def referrers(self, repository: str, subject: Digest) -> list[Descriptor] | None:
        """Who names ``subject``, by the registry's word; None where it keeps no such list."""
        return self._lists.referrers(repository, subject)

    # --- checks ---------------------------------------------------------------------------

    def _parsed(
        self, response: httpx.Response, name: str | Digest, what: str, raw: bytes
    ) -> Manifest:
        self._same_digest(raw, name, response, what)
        try:
            return Manifest.parse(raw, response.headers.get("content-type", ""))
        except ValueError as cause:
            raise self._wire.fault(Misbehaved, what, printable(str(cause))) from None

    def _same_digest(
        self, raw: bytes, name: str | Digest, response: httpx.Response, what: str
    ) -> None:
        got = str(Digest.of(raw))
        stated = response.headers.get("docker-content-digest", "")
        promised = [str(name)] if isinstance(name, Digest) else []
        if stated.startswith("sha256:"):
            promised.append(stated)
        for expected in promised:
            if expected != got:
                expected = printable(expected, 80)
                raise IntegrityFault(
                    what, member="manifest", expected=expected, got=got, place=self.host
                )

    # --- asking ---------------------------------------------------------------------------

    def _ask(self, method: str, repository: str, rest: str, what: str, mount_from: str = "") -> Ask:
        place = Place(self._wire.root, f"/v2/{repository}/{rest}")
        headers = {"Accept": wire.ACCEPT_MANIFESTS} if rest.startswith("manifests/") else {}
        return Ask(method, place, what, self._scopes(repository, mount_from), headers)

    def _scopes(self, repository: str, mount_from: str) -> Scopes:
        actions = "pull" if self._reading else "pull,push"
        own = f"repository:{repository}:{actions}"
        # What a push may do includes the pull: from a repository to itself one scope is enough.
        other = mount_from and mount_from != repository
        return (own, f"repository:{mount_from}:pull") if other else (own,)

    def _start(self, repository: str, what: str) -> Ask:
        return self._ask("POST", repository, "blobs/uploads/", what)

    def _get(self, repository: str, digest: Digest, what: str) -> Ask:
        return self._ask("GET", repository, f"blobs/{digest}", what)

    def _shown(self, repository: str, name: str | Digest) -> str:
        return f"{self.host}/{repository}{'@' if isinstance(name, Digest) else ':'}{name}"
