"""What a registry shows to anybody: plain requests, past the tool and past every proxy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from scripts.world.seed import ACCEPT

__all__ = ["Plain"]


@dataclass(frozen=True)
class Plain:
    """One registry at ``url``; may be asked from any thread."""

    url: str
    client: httpx.Client

    def tags(self, repository: str) -> list[str]:
        """Return its tags; none for a repository that is not there."""
        found = self.client.get(f"{self.url}/v2/{repository}/tags/list")
        return [] if found.status_code == 404 else found.raise_for_status().json()["tags"] or []

    def manifest(self, repository: str, name: str) -> bytes | None:
        """Return the bytes under a tag or digest, or None where there is nothing."""
        found = self.client.get(f"{self.url}/v2/{repository}/manifests/{name}", headers=ACCEPT)
        return None if found.status_code == 404 else found.raise_for_status().content

    def blobs(self, repository: str, raw: bytes) -> dict[str, int]:
        """Return the sizes of all blobs below a manifest, its own children not counted."""
        children = (self.manifest(repository, each["digest"]) for each in _children(raw))
        found = {blob["digest"]: int(blob["size"]) for blob in _blobs(raw)}
        for child in children:
            found |= self.blobs(repository, child) if child else {}
        return found

    def missing(self, repository: str, raw: bytes) -> list[str]:
        """Return the digests that a manifest needs and the registry has not, or not in full."""
        found = [blob["digest"] for blob in _blobs(raw) if not self._has(repository, blob)]
        for child in _children(raw):
            inner = self.manifest(repository, child["digest"])
            found += [child["digest"]] if inner is None else self.missing(repository, inner)
        return found

    def wrong(self, repository: str, raw: bytes) -> list[str]:
        """Return the digests of blobs whose bytes hash to something else, or are not there."""
        return [
            digest
            for digest in self.blobs(repository, raw)
            if self._hashed(f"{self.url}/v2/{repository}/blobs/{digest}") != digest
        ]

    def _has(self, repository: str, blob: dict[str, Any]) -> bool:
        found = self.client.head(f"{self.url}/v2/{repository}/blobs/{blob['digest']}")
        return found.status_code == 200 and found.headers["Content-Length"] == str(blob["size"])

    def _hashed(self, url: str) -> str:
        whole = hashlib.sha256()
        with self.client.stream("GET", url) as answer:
            for piece in answer.iter_raw():
                whole.update(piece)
        return f"sha256:{whole.hexdigest()}"


def _children(raw: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(raw).get("manifests", [])
    return found


def _blobs(raw: bytes) -> Iterator[dict[str, Any]]:
    document = json.loads(raw)
    if config := document.get("config"):
        yield config
    yield from document.get("layers", [])
