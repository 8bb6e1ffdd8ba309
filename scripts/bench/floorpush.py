"""The floor of a push: ask what is there, upload each missing blob once, mount it elsewhere, tag.

The destination is the state of a push, so each tag is asked for first. Where it shows the image
already, nothing of that image moves, and its blobs are mounted where others need them.
"""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from scripts.bench.crowd import workers
from scripts.bench.sockets import Peer
from scripts.bench.tarfloor import Members, pieces, read_tar

__all__ = ["push"]


def push(source: Path, destination: str, jobs: int, ca: Path | None) -> None:
    """Bring every image that the destination lacks."""
    host, _, prefix = destination.partition("/")
    file, members = os.open(source, os.O_RDONLY), read_tar(source)
    images = [_Pushed(entry, prefix, file, members) for entry in _index(source)]
    with workers(host, jobs, ca) as (peers, every):
        there = every(lambda image: image.is_there(peers.mine()), images)
        present = [image for image, has in zip(images, there, strict=True) if has]
        missing = [image for image, has in zip(images, there, strict=True) if not has]
        homes, wanted = _homes(present, missing)
        order = sorted(wanted, key=lambda digest: -members[digest][1])
        every(lambda d: _upload(peers.mine(), file, homes[d], d, members[d]), order)
        every(lambda image: image.finish(peers.mine(), homes), missing)
    os.close(file)


def _homes(
    present: Sequence[_Pushed], missing: Sequence[_Pushed]
) -> tuple[dict[str, str], set[str]]:
    """Return the repository that each blob is in, or will be, and the blobs that are in none."""
    homes: dict[str, str] = {}
    for image in (*present, *missing):
        for digest in image.blobs:
            homes.setdefault(digest, image.repository)
    held = {digest for image in present for digest in image.blobs}
    return homes, homes.keys() - held


def _upload(peer: Peer, file: int, name: str, digest: str, place: tuple[int, int]) -> None:
    location = _path(peer.send("POST", f"/v2/{name}/blobs/uploads/")[1]["location"])
    state, (offset, size) = hashlib.sha256(), place

    def hashed() -> Iterator[memoryview]:
        for piece in pieces(file, offset, size):
            state.update(piece)
            yield piece

    joint = "&" if "?" in location else "?"
    kind = {"Content_Type": "application/octet-stream", "Content_Length": str(size)}
    peer.send("PUT", f"{location}{joint}digest={digest}", hashed(), **kind)
    if f"sha256:{state.hexdigest()}" != digest:
        raise SystemExit(f"{digest} is not what it says")


class _Pushed:
    """One image on its way: its repository, its blobs, and its manifests, children first."""

    def __init__(self, entry: dict[str, Any], prefix: str, file: int, members: Members) -> None:
        reference = entry["annotations"]["org.opencontainers.image.ref.name"]
        path, _, self.tag = reference.partition("/")[2].rpartition(":")
        self.repository = f"{prefix}/{path}"
        self.manifests: list[tuple[str, str, bytes]] = []
        self.blobs: list[str] = []
        self._add(entry, file, members)

    def _add(self, entry: dict[str, Any], file: int, members: Members) -> None:
        offset, size = members[entry["digest"]]
        data = os.pread(file, size, offset)
        manifest = json.loads(data)
        for child in manifest.get("manifests", []):
            self._add(child, file, members)
        parts: Iterable[Any] = [manifest.get("config"), *manifest.get("layers", [])]
        self.blobs += [part["digest"] for part in parts if part]
        self.manifests.append((entry["digest"], entry["mediaType"], data))

    def is_there(self, peer: Peer) -> bool:
        """Whether the tag shows this image."""
        shown = peer.digest(f"/v2/{self.repository}/manifests/{self.tag}")
        return shown == self.manifests[-1][0]

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


def _index(source: Path) -> list[dict[str, Any]]:
    with tarfile.open(source, "r:") as archive:
        # Looking it up by name would read the header of every blob first.
        member = next(found for found in archive if found.name == "index.json")
        listed = archive.extractfile(member)
        entries: list[dict[str, Any]] = json.load(listed)["manifests"] if listed else []
        return entries


def _path(location: str) -> str:
    return "/" + location.split("/", 3)[3] if location.startswith("http") else location
