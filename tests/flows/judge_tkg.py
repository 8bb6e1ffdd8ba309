"""Whether a registry is a mirror of a TKG release, found out by plain requests without the tool.

    judge(registry.url, "air/gap", world.expected("v1.6.0"))

Two questions are put. Is everything there that the world's own list has, under its tag and its
digest, whole down to the last layer? And would imgpkg find each bundle's members: from the label of
every image to its lock, from each entry to the bundle's own repository by digest and by imgpkg's
tag, and on to the locks of nested bundles? The second asks nothing of the list.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import yaml

from scripts.world.parts import Expected
from scripts.world.seed import ACCEPT, THREADS
from scripts.world.threads import shared_client
from tests.fakes import skopeo
from tests.fakes.store import sha256

__all__ = ["copied_out", "faults", "judge"]

LABEL = "dev.carvel.imgpkg.bundle"
LOCK = ".imgpkg/images.yml"

# Layers that a registry need not hold: docker's and OCI's words for them.
FOREIGN = ("rootfs.foreign", "layer.nondistributable")


def judge(
    url: str, project: str, expected: Iterable[Expected], *, foreign: Collection[str] = ()
) -> None:
    """Fail with all that is wrong, a line each; see `faults`."""
    found = faults(url, project, expected, foreign=foreign)
    assert not found, f"{len(found)} faults at {url}/{project}:\n" + "\n".join(found)


def faults(
    url: str, project: str, expected: Iterable[Expected], *, foreign: Collection[str] = ()
) -> list[str]:
    """Return what is wrong with the mirror below a project, in readable words.

    `foreign` are the digests of foreign layers that must be there; of others nothing is asked.
    """
    with shared_client(base_url=url, headers=ACCEPT, timeout=30) as client:
        judging = _Judge(client, project, frozenset(foreign))
        with ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(judging.look_at, expected))
    return list(dict.fromkeys(fault for each in found for fault in each))


def copied_out(host: str, project: str, expected: Expected, directory: Path) -> None:
    """Fail unless skopeo copies an image out by the name that TKG will ask for."""
    reference = f"{host}/{project}/{expected.path}:{expected.tag}"
    got = skopeo.copy_out(reference, directory)
    assert expected.digest in got, f"{reference}: skopeo got {sorted(got)}, not {expected.digest}"


class _Judge:
    """Looks at each manifest of each repository once, and reads each blob once.

    Two threads may do one thing twice, at the same time and with the same result.
    """

    def __init__(self, client: httpx.Client, project: str, foreign: frozenset[str]) -> None:
        self._client = client
        self._project = project
        self._foreign = foreign
        self._known: dict[tuple[str, str], list[str]] = {}
        self._read: set[str] = set()

    def look_at(self, expected: Expected) -> list[str]:
        """Return what is wrong with one line of the list."""
        name = f"{expected.path}:{expected.tag} ({expected.kind})"
        shown = list(self._tag(name, expected.path, expected.tag, expected.digest))
        return shown + self._whole(name, expected.path, expected.digest)

    def _tag(self, name: str, path: str, tag: str, digest: str) -> Iterator[str]:
        raw = self._get(path, f"manifests/{tag}")
        if raw is None:
            yield f"{name}: there is no tag {tag} in {path}"
        elif sha256(raw) != digest:
            yield f"{name}: the tag {tag} shows {sha256(raw)} and not {digest}"

    def _whole(self, name: str, path: str, digest: str) -> list[str]:
        # The name is that of the first way there: what is wrong below is said once.
        if (path, digest) not in self._known:
            self._known[path, digest] = list(self._manifest(name, path, digest))
        return self._known[path, digest]

    def _manifest(self, name: str, path: str, digest: str) -> Iterator[str]:
        raw = self._get(path, f"manifests/{digest}")
        if raw is None:
            yield f"{name}: there is no manifest {digest} in {path}"
            return
        if sha256(raw) != digest:
            yield f"{name}: {path} answers {sha256(raw)} when asked for {digest}"
            return
        document = json.loads(raw)
        for child in document.get("manifests", []):
            yield from self._whole(f"{name} > {child['digest']}", path, child["digest"])
        blobs = [*filter(None, [document.get("config")]), *document.get("layers", [])]
        missing = [fault for blob in blobs for fault in self._blob(name, path, blob)]
        yield from missing
        if not missing and _is_bundle(self._config(path, document)):
            yield from self._bundle(name, path, document)

    def _blob(self, name: str, path: str, descriptor: dict[str, Any]) -> Iterator[str]:
        digest, size = descriptor["digest"], descriptor["size"]
        foreign = any(word in descriptor["mediaType"] for word in FOREIGN)
        if foreign and digest not in self._foreign:
            return
        what = f"{'foreign layer' if foreign else 'blob'} {digest}"
        head = self._client.head(self._url(path, f"blobs/{digest}"))
        if head.status_code != 200:
            yield f"{name}: there is no {what} in {path} ({head.status_code})"
        elif head.headers["Content-Length"] != str(size):
            yield f"{name}: {what} has {head.headers['Content-Length']} bytes and not {size}"
        elif digest not in self._read:
            self._read.add(digest)
            got = sha256(self._get(path, f"blobs/{digest}") or b"")
            if got != digest:
                yield f"{name}: {what} has other bytes: {got}"

    def _bundle(self, name: str, path: str, document: dict[str, Any]) -> Iterator[str]:
        """Ask what imgpkg asks: each entry in the bundle's own repository, by digest and tag."""
        layers = [self._get(path, f"blobs/{layer['digest']}") for layer in document["layers"]]
        text = next(filter(None, map(_lock_of, filter(None, layers))), None)
        if text is None:
            yield f"{name}: it has the label of a bundle and no {LOCK}"
            return
        for entry in yaml.safe_load(text).get("images") or []:
            locked = entry["image"]
            digest = locked.partition("@")[2]
            inner = f"{name} > lock entry {locked}"
            yield from self._tag(inner, path, f"{digest.replace(':', '-')}.imgpkg", digest)
            yield from self._whole(inner, path, digest)

    def _config(self, path: str, document: dict[str, Any]) -> bytes:
        config = document.get("config")
        return (config and self._get(path, f"blobs/{config['digest']}")) or b"{}"

    def _get(self, path: str, place: str) -> bytes | None:
        answer = self._client.get(self._url(path, place))
        return answer.content if answer.status_code == 200 else None

    def _url(self, path: str, place: str) -> str:
        return f"/v2/{self._project}/{path}/{place}"


def _is_bundle(config: bytes) -> bool:
    labels = (json.loads(config).get("config") or {}).get("Labels") or {}
    return bool(labels.get(LABEL))


def _lock_of(layer: bytes) -> bytes | None:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as archive:
        for member in archive:
            if member.name.removeprefix("./") == LOCK:
                file = archive.extractfile(member)
                return file.read() if file else None
    return None
