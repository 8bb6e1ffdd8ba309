"""Thousands of images of tiny blobs: `python -m scripts.bench.tiny --images 10000 --storage DIR`.

Each image is there twice, under `scale/` and under `far/scale/`: the second is what a push of the
first to `far` finds done already.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from scripts.world.images import OCI, Blob, Image, Layer, make_image
from scripts.world.storage import write_image

__all__ = ["FAR", "main", "repository", "tiny_image"]

FAR = "far"
BYTES = 100


def repository(number: int) -> str:
    """Return the repository of an image; its tag is v1."""
    return f"scale/app-{number:05}"


def tiny_image(number: int, blobs: int) -> Image:
    """Make an image of a config and so many blobs less one, which are no tars: nobody looks."""
    return make_image([_layer(f"{number} {n}") for n in range(blobs - 1)])


def _layer(seed: str) -> Layer:
    data = hashlib.shake_256(seed.encode()).digest(BYTES)
    blob = Blob.from_bytes(OCI.layer, data)
    return Layer(blob, blob.digest)


def main() -> None:
    """Fill a storage directory."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench.tiny", description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--blobs", type=int, default=10, help="of each image, none of them shared")
    parser.add_argument("--storage", type=Path, required=True, metavar="DIR")
    given = parser.parse_args()
    for number in range(given.images):
        image = tiny_image(number, given.blobs)
        write_image(given.storage, repository(number), "v1", image)
        write_image(given.storage, f"{FAR}/{repository(number)}", "v1", image)


if __name__ == "__main__":
    main()
