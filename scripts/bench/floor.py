"""The floor: what anyone must do who keeps the promises, and nothing else, over bare sockets.

    python -m scripts.bench.floor create LIST FILE     ask for manifests, reserve, receive, hash
    python -m scripts.bench.floor verify FILE          hash every blob of a bundle, on all cores
    python -m scripts.bench.floor push FILE HOST/PATH  upload each blob once, mount, tag

It runs as a program of its own, so that the start of Python counts for both sides alike. No retry,
no check of a header, no progress: a floor is to be stood on, not to be used.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tarfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from scripts.bench.sockets import MIB, Peer
from scripts.bench.tarfloor import TarPlan, read_tar

T = TypeVar("T")
R = TypeVar("R")


class Peers:
    """One connection a thread."""

    def __init__(self, host: str) -> None:
        self._host, self._local = host, threading.local()
        self._all: list[Peer] = []

    def mine(self) -> Peer:
        """Return this thread's connection."""
        if not hasattr(self._local, "peer"):
            self._local.peer = Peer(self._host)
            self._all.append(self._local.peer)
        peer: Peer = self._local.peer
        return peer

    def close(self) -> None:
        """Close them all."""
        for peer in self._all:
            peer.close()


@contextmanager
def workers(host: str, jobs: int) -> Iterator[tuple[Peers, Callable[..., list[Any]]]]:
    """Give the connections, and a map over threads that raises what they raise."""
    peers = Peers(host)
    with ThreadPoolExecutor(jobs) as pool:
        yield peers, lambda work, items: list(pool.map(work, items))
    peers.close()


def create(source: Path, target: Path, jobs: int) -> None:
    """Receive every image of a list into one tar."""
    references = source.read_text().split()
    host = references[0].partition("/")[0]
    with workers(host, jobs) as (peers, every):
        found = every(lambda reference: _manifests(peers.mine(), reference), references)
        plan = TarPlan(dict(zip(references, found, strict=True)))
        file = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.posix_fallocate(file, 0, plan.size)
            plan.write_small(file)
            every(lambda blob: _receive(peers.mine(), file, plan, blob), plan.blobs_by_size())
            os.fsync(file)
        finally:
            os.close(file)


def verify(target: Path, jobs: int) -> None:
    """Hash every blob of a bundle where it lies, and print how long that took."""
    began = time.monotonic()
    members = sorted(read_tar(target).items(), key=lambda item: -item[1][1])
    file = os.open(target, os.O_RDONLY)

    def one(item: tuple[str, tuple[int, int]]) -> None:
        digest, (offset, size) = item
        state = hashlib.sha256()
        for piece in _pieces(file, offset, size):
            state.update(piece)
        if f"sha256:{state.hexdigest()}" != digest:
            raise SystemExit(f"{digest} is not what it says")

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, members))
    os.close(file)
    print(json.dumps({"seconds": time.monotonic() - began}))


def push(source: Path, destination: str, jobs: int) -> None:
    """Upload every blob once, mount it in the other repositories, put manifests and tags."""
    host, _, prefix = destination.partition("/")
    file, members = os.open(source, os.O_RDONLY), read_tar(source)
    homes: dict[str, str] = {}
    images = [_Pushed(entry, prefix, file, members) for entry in _index(source)]
    for image in images:
        for digest in image.blobs:
            homes.setdefault(digest, image.repository)
    order = sorted(homes, key=lambda digest: -members[digest][1])
    with workers(host, jobs) as (peers, every):
        every(lambda d: _upload(peers.mine(), file, homes[d], d, members[d]), order)
        every(lambda image: image.finish(peers.mine(), homes), images)
    os.close(file)


def _manifests(peer: Peer, reference: str) -> list[tuple[bytes, dict[str, Any]]]:
    """Return the manifest of a reference first, then those of its platforms."""
    name, _, tag = reference.partition("/")[2].rpartition(":")
    top = peer.manifest(f"/v2/{name}/manifests/{tag}")
    digests = [entry["digest"] for entry in top[1].get("manifests", [])]
    return [top, *(peer.manifest(f"/v2/{name}/manifests/{digest}") for digest in digests)]


def _receive(peer: Peer, file: int, plan: TarPlan, digest: str) -> None:
    name, offset, size = plan.homes[digest], plan.offsets[digest], plan.sizes[digest]
    state, place = hashlib.sha256(), offset

    def take(piece: memoryview) -> None:
        nonlocal place
        state.update(piece)
        place += os.pwrite(file, piece, place)

    peer.stream(f"/v2/{name}/blobs/{digest}", take)
    if place - offset != size or f"sha256:{state.hexdigest()}" != digest:
        raise SystemExit(f"{digest} is not what it says")


def _upload(peer: Peer, file: int, name: str, digest: str, place: tuple[int, int]) -> None:
    location = _path(peer.send("POST", f"/v2/{name}/blobs/uploads/")[1]["location"])
    state, (offset, size) = hashlib.sha256(), place

    def hashed() -> Iterator[memoryview]:
        for piece in _pieces(file, offset, size):
            state.update(piece)
            yield piece

    joint = "&" if "?" in location else "?"
    kind = {"Content_Type": "application/octet-stream", "Content_Length": str(size)}
    peer.send("PUT", f"{location}{joint}digest={digest}", hashed(), **kind)
    if f"sha256:{state.hexdigest()}" != digest:
        raise SystemExit(f"{digest} is not what it says")


class _Pushed:
    """One image on its way: its repository, its blobs, and its manifests, children first."""

    def __init__(
        self, entry: dict[str, Any], prefix: str, file: int, members: dict[str, tuple[int, int]]
    ) -> None:
        reference = entry["annotations"]["org.opencontainers.image.ref.name"]
        path, _, self.tag = reference.partition("/")[2].rpartition(":")
        self.repository = f"{prefix}/{path}"
        self.manifests: list[tuple[str, str, bytes]] = []
        self.blobs: list[str] = []
        self._add(entry, file, members)

    def _add(self, entry: dict[str, Any], file: int, members: dict[str, tuple[int, int]]) -> None:
        offset, size = members[entry["digest"]]
        data = os.pread(file, size, offset)
        manifest = json.loads(data)
        for child in manifest.get("manifests", []):
            self._add(child, file, members)
        parts: Iterable[Any] = [manifest.get("config"), *manifest.get("layers", [])]
        self.blobs += [part["digest"] for part in parts if part]
        self.manifests.append((entry["digest"], entry["mediaType"], data))

    def finish(self, peer: Peer, homes: dict[str, str]) -> None:
        """Mount what lies elsewhere, put the manifests, and the tag last."""
        base = f"/v2/{self.repository}"
        for digest in dict.fromkeys(self.blobs):
            if homes[digest] != self.repository:
                mount = f"{base}/blobs/uploads/?mount={digest}&from={homes[digest]}"
                if peer.send("POST", mount)[0] != 201:
                    raise SystemExit(f"{digest} could not be mounted")
        for digest, media_type, data in self.manifests:
            name = self.tag if digest == self.manifests[-1][0] else digest
            kind = {"Content_Type": media_type, "Content_Length": str(len(data))}
            peer.send("PUT", f"{base}/manifests/{name}", [data], **kind)


def _pieces(file: int, offset: int, size: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(min(MIB, size) or 1))
    end = offset + size
    while offset < end:
        got = os.preadv(file, [buffer[: min(len(buffer), end - offset)]], offset)
        yield buffer[:got]
        offset += got


def _index(source: Path) -> list[dict[str, Any]]:
    with tarfile.open(source) as archive:
        member = archive.extractfile("index.json")
        assert member  # noqa: S101
        entries: list[dict[str, Any]] = json.load(member)["manifests"]
        return entries


def _path(location: str) -> str:
    return "/" + location.split("/", 3)[3] if location.startswith("http") else location


def main() -> None:
    """Choose one of the three."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench.floor", description=__doc__)
    parser.add_argument("what", choices=("create", "verify", "push"))
    parser.add_argument("arguments", nargs="+")
    parser.add_argument("-j", "--jobs", type=int, default=4)
    given = parser.parse_args()
    first = Path(given.arguments[0])
    if given.what == "create":
        create(first, Path(given.arguments[1]), given.jobs)
    elif given.what == "verify":
        verify(first, os.cpu_count() or 1)
    else:
        push(first, given.arguments[1], given.jobs)


if __name__ == "__main__":
    main()
