"""What the tests of the fault proxy send through it, and how they look at what comes."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from scripts.world.images import ImageSpec, build

IMAGE = build(ImageSpec("pause", own=(200_000,)))
LAYER = IMAGE.blobs[1]
DATA = LAYER.read()
BLOB = f"/v2/tkg/pause/blobs/{LAYER.digest}"
MANIFEST = "/v2/tkg/pause/manifests/3.9"
UPLOADS = "/v2/tkg/new/blobs/uploads/"
DONE = {"digest": LAYER.digest}


def begun(client: httpx.Client) -> httpx.URL:
    return httpx.URL(client.post(UPLOADS).headers["Location"])


def in_pieces(data: bytes, size: int = 50_000) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def received(client: httpx.Client, path: str = BLOB) -> tuple[bytes, type[Exception] | None]:
    """What came before it ended, and how it ended."""
    got = bytearray()
    try:
        with client.stream("GET", path) as response:
            for piece in response.iter_raw():
                got += piece
    except httpx.TransportError as error:
        return bytes(got), type(error)
    return bytes(got), None
