"""Seed a registry with the images of BOM files or of a list: `python -m scripts.world --help`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from scripts.world.seed import seed_world, write_list

__all__ = ["main"]


def main() -> None:
    """Seed, say how much in one line, and write the world's list."""
    arguments = _arguments()
    begin = time.monotonic()
    entries = seed_world(
        f"http://{arguments.registry}",
        arguments.bom,
        arguments.images,
        prefix=arguments.prefix,
        seed=arguments.seed,
        megabytes=arguments.mb,
    )
    write_list(entries, arguments.list)
    size = sum(entry.bytes for entry in entries) / 1e6
    seconds = time.monotonic() - begin
    talk = f"{len(entries)} images, {size:.1f} MB as each counts its own, in {seconds:.1f} s"
    print(talk, file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.world", description=__doc__)
    parser.add_argument("--registry", default="127.0.0.1:5001", metavar="HOST:PORT")
    parser.add_argument("--prefix", default="tkg", help="stands for the BOM's base repository")
    parser.add_argument("--bom", type=Path, nargs="+", default=[], metavar="FILE")
    parser.add_argument("--images", type=Path, nargs="+", default=[], metavar="FILE")
    parser.add_argument("--mb", type=int, default=8, help="unique megabytes, about")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--list", type=Path, metavar="FILE", help="instead of standard output")
    arguments = parser.parse_args()
    if not arguments.bom and not arguments.images:
        parser.error("give --bom or --images")
    return arguments


if __name__ == "__main__":
    main()
