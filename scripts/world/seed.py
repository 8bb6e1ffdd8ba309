"""Fill a registry with a world, and keep the world's own list of what it holds.

It speaks to the registry by itself, in a few lines, and not through the tool it is there to judge.
A second run over the same registry asks one HEAD an image and moves nothing.
"""

from __future__ import annotations

import json
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from scripts.world.images import DOCKER, OCI, Blob, Image, build, layer_of, make_image
from scripts.world.layers import LayerFile
from scripts.world.plan import plan_images
from scripts.world.threads import shared_client
from scripts.world.wanted import Place, wanted

__all__ = ["Entry", "Seeder", "bom_image", "seed_places", "seed_world", "write_list"]

MIB = 1 << 20
THREADS = 6
ACCEPT = {"Accept": ", ".join((OCI.index, OCI.manifest, DOCKER.index, DOCKER.manifest))}


@dataclass(frozen=True)
class Entry:
    """One line of the world's list; blobs and bytes count manifests, configs and layers once."""

    repository: str
    tag: str
    digest: str
    mediaType: str  # noqa: N815 - the spelling of the JSON
    blobs: int
    bytes: int


def seed_world(
    url: str,
    boms: Iterable[Path] = (),
    lists: Iterable[Path] = (),
    *,
    prefix: str = "tkg",
    seed: str = "0",
    megabytes: int = 8,
    client: httpx.Client | None = None,
) -> list[Entry]:
    """Seed one image for each reference of the files, and return the world's list."""
    places = wanted(boms, lists, prefix)
    return seed_places(url, places, seed=seed, megabytes=megabytes, client=client)


def seed_places(
    url: str,
    places: Iterable[Place],
    *,
    seed: str = "0",
    megabytes: int = 8,
    client: httpx.Client | None = None,
) -> list[Entry]:
    """Seed one image a place; the registry's own client may carry credentials or a CA."""
    places = list(places)
    names = [str(place) for place in places if not place.bom]
    specs = plan_images(names, seed=seed, total=megabytes * MIB)

    def image(place: Place) -> Image:
        return bom_image(place.bom) if place.bom else build(specs[str(place)])

    jobs = {place: (lambda place=place: image(place)) for place in places}
    if client:
        return _seed(Seeder(url, client), jobs)
    with shared_client(timeout=60) as own:
        return _seed(Seeder(url, own), jobs)


def bom_image(path: Path) -> Image:
    """Wrap a BOM file as imgpkg does: one layer with the file at its root, docker's media types."""
    text = path.read_bytes()
    layer = layer_of((LayerFile(path.name, len(text), text=text),), DOCKER.layer)
    return make_image([layer], docker=True)


def write_list(entries: Iterable[Any], path: Path | None) -> None:
    """Write a world's list, dataclasses all, as JSON; to standard output where no file is named."""
    text = json.dumps([asdict(entry) for entry in entries], indent=1) + "\n"
    if path:
        path.write_text(text)
    else:
        sys.stdout.write(text)


class Seeder:
    """Puts images into one registry, each blob uploaded once and mounted from then on."""

    def __init__(self, url: str, client: httpx.Client) -> None:
        self._url = url
        self._client = client
        self._homes: dict[str, str] = {}
        self._done: set[tuple[str, str]] = set()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def put(self, repository: str, tag: str, image: Image) -> Entry:
        """Put an image and its tag, unless the tag already shows it."""
        everything = image.everything().values()
        digest, media_type = image.manifest.digest, image.manifest.media_type
        total = sum(blob.size for blob in everything)
        entry = Entry(repository, tag, digest, media_type, len(everything), total)
        if not self._has(f"/v2/{repository}/manifests/{tag}", digest):
            for node in image.walk():
                for blob in node.blobs:
                    self._blob(repository, blob)
                name = tag if node is image else node.manifest.digest
                self._manifest(repository, node.manifest, name)
        return entry

    def _has(self, path: str, digest: str) -> bool:
        answer = self._client.head(self._url + path, headers=ACCEPT)
        return answer.status_code == 200 and answer.headers["Docker-Content-Digest"] == digest

    def _blob(self, repository: str, blob: Blob) -> None:
        with self._guard:
            lock = self._locks[blob.digest]
        with lock:  # two images with one base: the second waits, and mounts
            home = self._homes.setdefault(blob.digest, repository)
            if (repository, blob.digest) not in self._done:
                self._upload(repository, blob, home if home != repository else None)
                self._done.add((repository, blob.digest))

    def _upload(self, repository: str, blob: Blob, home: str | None) -> None:
        params = {"mount": blob.digest, "from": home} if home else {}
        begun = self._client.post(f"{self._url}/v2/{repository}/blobs/uploads/", params=params)
        if begun.raise_for_status().status_code == 201:
            return
        where = httpx.URL(self._url).join(begun.headers["Location"])
        done = self._client.put(
            where.copy_merge_params({"digest": blob.digest}),
            headers={"Content-Length": str(blob.size), "Content-Type": "application/octet-stream"},
            content=iter(blob.pieces()),
        )
        done.raise_for_status()

    def _manifest(self, repository: str, manifest: Blob, name: str) -> None:
        self._client.put(
            f"{self._url}/v2/{repository}/manifests/{name}",
            headers={"Content-Type": manifest.media_type},
            content=manifest.read(),
        ).raise_for_status()


def _seed(seeder: Seeder, jobs: Mapping[Place, Callable[[], Image]]) -> list[Entry]:
    def one(place: Place) -> Entry:
        return seeder.put(place.repository, place.tag, jobs[place]())

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, jobs))
