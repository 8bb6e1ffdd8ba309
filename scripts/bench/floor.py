"""The floor: what anyone must do who keeps the promises, and nothing else, over bare sockets.

    python -m scripts.bench.floor create LIST FILE     ask for manifests, reserve, receive, hash
    python -m scripts.bench.floor verify FILE          hash every blob of a bundle, on all cores
    python -m scripts.bench.floor show FILE            read a bundle's own list, print its images
    python -m scripts.bench.floor push FILE HOST/PATH  ask for tags, upload each blob once, tag

It runs as a program of its own, so that the start of Python counts for both sides alike. No retry,
no check of a header, no progress: a floor is to be stood on, not to be used. With --ca it speaks
TLS. It leaves out what only finds more to carry: signatures and what else refers to an image.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from scripts.bench.crowd import workers
from scripts.bench.floorpush import push
from scripts.bench.sockets import Peer
from scripts.bench.tarfloor import TarPlan, pieces, read_tar

__all__ = ["main"]


def create(source: Path, target: Path, jobs: int, ca: Path | None) -> None:
    """Receive every image of a list into one tar."""
    references = source.read_text().split()
    host = references[0].partition("/")[0]
    with workers(host, jobs, ca) as (peers, every):
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
        for piece in pieces(file, offset, size):
            state.update(piece)
        if f"sha256:{state.hexdigest()}" != digest:
            raise SystemExit(f"{digest} is not what it says")

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, members))
    os.close(file)
    print(json.dumps({"seconds": time.monotonic() - began}))


def show(target: Path) -> None:
    """Print what a bundle's first member, its own list, says that it holds."""
    with tarfile.open(target, "r:") as archive:
        first = archive.next()
        listed = archive.extractfile(first) if first else None
        if listed is None:
            raise SystemExit(f"{target} is no bundle")
        for image in json.load(listed)["images"]:
            print(image["reference"], image["digest"])


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


def main() -> None:
    """Choose one of the four."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench.floor", description=__doc__)
    parser.add_argument("what", choices=("create", "verify", "show", "push"))
    parser.add_argument("arguments", nargs="+")
    parser.add_argument("-j", "--jobs", type=int, default=4)
    parser.add_argument("--ca", type=Path)
    given = parser.parse_args()
    first = Path(given.arguments[0])
    if given.what == "create":
        create(first, Path(given.arguments[1]), given.jobs, given.ca)
    elif given.what == "verify":
        verify(first, os.cpu_count() or 1)
    elif given.what == "show":
        show(first)
    else:
        push(first, given.arguments[1], given.jobs, given.ca)


if __name__ == "__main__":
    main()
