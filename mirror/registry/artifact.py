"""Small artifacts, a BOM's or compatibility image: one manifest, one layer, one YAML file.

oras knows how such an artifact is asked for, and is given nothing else to do. Left to itself it
sends passwords wherever a challenge points, keeps one token for all repositories, checks neither
digest nor size, waits without end and unpacks files outside their folder (0.2.43, measured). So
its ``do_request``, through which all it says must pass, goes by this project's own ``Connection``,
and it is never asked to pull, unpack, push or log in.

Import this module where it is needed: oras costs 0.3 s.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

import httpx
import oras.auth
import oras.container
import oras.provider
import requests

from mirror.errors import IntegrityFault, Misbehaved
from mirror.oci import mediatypes
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.oci.unpack import files_in
from mirror.registry import policy
from mirror.registry.client import Registry
from mirror.registry.connection import Ask
from mirror.registry.place import Place
from mirror.registry.remote import Registries
from mirror.settings import MAX_ARTIFACT, MAX_MANIFEST
from mirror.text import human_size, printable

# It has no handler, and Python prints such a logger's warnings; they quote what registries say.
logging.getLogger("oras.logger").disabled = True


class Artifact(NamedTuple):
    """One file out of a registry, and the manifest that promised it."""

    manifest: Manifest
    name: str
    """The file's name in its layer: a registry's word, for messages and nothing else."""
    content: bytes


class Artifacts:
    """The small artifacts of any registry; thread-safe, each call is one attempt."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    def tags(self, host: str, repository: str) -> list[str]:
        """Every tag of ``host/repository``, in the registry's order."""
        return self._registries.at(host).tags(repository)

    def pull(self, host: str, repository: str, tag: str) -> Artifact:
        """The one file of the image ``host/repository:tag``.

        Raises RegistryFault (Misbehaved for an index, for more or fewer files than one, for more
        than MAX_ARTIFACT bytes) and IntegrityFault where bytes are not what was promised.
        """
        client = _Guarded(self._registries.at(host), repository, tag)
        manifest, names, kept = client.manifest(), list[str](), b""
        for name, content in islice(client.files(manifest), _FILES_NAMED):
            # One is kept: a thousand layers can unfold to more than there is memory for.
            kept = kept or content
            names.append(printable(name, 80))
        if len(names) != 1:
            raise client.fault(f"it has {', '.join(names) or 'no file'}, not one file")
        return Artifact(manifest, names[0], kept)


# Files that are named where there is more than one.
_FILES_NAMED = 5
_RefusedByOras = oras.auth.AuthenticationException


class _Guarded(oras.provider.Registry):  # type: ignore[misc] # oras ships no type information
    """oras for one artifact of one repository: nothing of it is shared, so no token can be.

    Its own initialiser is not called, and it therefore has no session that could go past us.
    """

    def __init__(self, registry: Registry, repository: str, tag: str) -> None:
        self._wire = registry.connection
        self._scopes = (f"repository:{repository}:pull",)
        self._what = f"cannot read {registry.host}/{repository}:{tag}"
        self._below = f"/v2/{repository}/"
        self._limit = MAX_MANIFEST
        self._manifest: Manifest | None = None
        # What oras reads of itself on its way to do_request.
        self.hostname = self._wire.root.netloc.decode("ascii")
        self.prefix = self._wire.root.scheme
        self.headers: dict[str, str] = {}
        self.auth = _NoLogin()
        self._container = _container(self.hostname, repository, tag)

    def manifest(self) -> Manifest:
        """The image's manifest, its raw bytes kept."""
        with self._translated():
            self.get_manifest(self._container, allowed_media_type=sorted(mediatypes.MANIFESTS))
        found = self._manifest
        if found is None or found.is_index:
            raise self.fault("it is an index of several images, and a BOM's image is just one")
        total = len(found.raw) + sum(layer.size for layer in found.layers)
        if total > MAX_ARTIFACT:
            fact = f"it has {human_size(total)}, and such an image at most"
            raise self.fault(f"{fact} {human_size(MAX_ARTIFACT)}")
        return found

    def files(self, manifest: Manifest) -> Iterator[tuple[str, bytes]]:
        """Every file's name, and the content of each layer's first, out of checked layers."""
        for layer in manifest.layers:
            content, found = self._blob(layer), list[tuple[str, bytes]]()
            with self._translated():
                for name, data in files_in([content], wanted=bool, limit=MAX_ARTIFACT):
                    # Of one layer the first is kept: it can unfold to 64 MiB of them.
                    found.append((name, b"" if found else data))
            yield from found

    def fault(self, fact: str) -> Misbehaved:
        """The fault of an artifact that is not what it should be."""
        return Misbehaved(self._wire.side, self._wire.host, self._what, fact=fact)

    def do_request(
        self,
        url: str,
        method: str = "GET",
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        stream: bool = False,
    ) -> requests.Response:
        """One request of oras', which may only read, and only below its own repository."""
        target = httpx.URL(url)
        own = policy.origin(target) == policy.origin(self._wire.root)
        if method != "GET" or data or json or not own or not target.path.startswith(self._below):
            raise ValueError(f"{method} of something else than this artifact")
        ask = Ask("GET", Place(target), self._what, self._scopes, dict(headers or {}))
        with self._wire.exchange(ask) as answer:
            self._wire.expect(answer, self._what, 200)
            body = self._wire.bounded(answer, self._limit, self._what)
        if target.path.startswith(f"{self._below}manifests/"):
            # Before oras reads it, whose reader bounds nothing and forgets the bytes.
            self._manifest = self._parsed(body, answer.headers)
        return _response(answer, body)

    def _parsed(self, raw: bytes, headers: Mapping[str, str]) -> Manifest:
        stated, got = headers.get("docker-content-digest", ""), str(Digest.of(raw))
        if stated.startswith("sha256:") and stated != got:
            raise self._wrong("manifest", printable(stated, 80), got)
        return Manifest.parse(raw, headers.get("content-type", ""))

    def _blob(self, layer: Descriptor) -> bytes:
        # A byte more is refused while it is read, a byte less below.
        self._limit = layer.size
        with self._translated():
            content = bytes(self.get_blob(self._container, str(layer.digest)).content)
        if len(content) != layer.size:
            raise self._wrong(f"blob {layer.digest}", f"{layer.size} bytes", f"{len(content)}")
        if (got := Digest.of(content)) != layer.digest:
            raise self._wrong(f"blob {layer.digest}", str(layer.digest), str(got))
        return content

    def _wrong(self, member: str, expected: str, got: str) -> IntegrityFault:
        place = self._wire.host
        return IntegrityFault(self._what, member=member, expected=expected, got=got, place=place)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what oras and its libraries raise, and our own ValueErrors, into our faults."""
        try:
            yield
        except (ValueError, RecursionError, requests.RequestException, _RefusedByOras) as cause:
            raise self.fault(printable(str(cause)) or type(cause).__name__) from None


class _NoLogin:
    """In the place of oras' own login, which would read files and send what is in them."""

    def load_configs(self, *_arguments: object, **_named: object) -> None:
        """Load nothing: ``Connection`` knows the credentials, and where they may go."""


def _container(host: str, repository: str, tag: str) -> Any:
    """An artifact's name as oras has it, without its parser.

    That reads ``localhost/x`` as ``docker.io/localhost/x`` and knows no brackets; these parts
    were checked before.
    """
    made = oras.container.Container("repository")
    made.registry, made.namespace, made.repository = host, None, repository
    made.tag, made.digest = tag, None
    return made


def _response(answer: httpx.Response, body: bytes) -> requests.Response:
    """An answer of ours in the form that oras reads."""
    made = requests.Response()
    made.status_code, made.url = answer.status_code, str(answer.url)
    made.headers.update(answer.headers)
    made.raw = io.BytesIO(body)
    return made
