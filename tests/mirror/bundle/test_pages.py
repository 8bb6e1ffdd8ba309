from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mirror.bundle import pages
from mirror.bundle.files import read_pieces, write_at
from mirror.bundle.pages import Pages
from mirror.settings import MIB
from tests.fakes.registries import absent

SIZE = 48 * MIB


@pytest.fixture
def file(tmp_path: Path) -> Path:
    kind = subprocess.run(
        ["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True
    )
    if kind.stdout.strip() in ("tmpfs", "ramfs"):
        # Its pages are the file itself: there is nothing that they could be dropped to.
        pytest.skip("the temporary folder is in memory")
    return tmp_path / "large.tar"


def cached(file: Path) -> int:
    """Bytes of a file that are in memory."""
    try:
        done = subprocess.run(
            ["fincore", "-b", "-n", "-o", "RES", file], capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        absent("fincore is not there; it is part of util-linux")
    return int(done.stdout)


def written(file: Path) -> int:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    write_at(descriptor, bytes(SIZE), 0)
    os.fsync(descriptor)
    return descriptor


def read(descriptor: int) -> int:
    return sum(map(len, read_pieces(descriptor, 0, SIZE, Pages(descriptor, SIZE))))


def test_a_large_bundle_that_is_read_leaves_the_memory_to_others(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "CACHED_SHARE", 1 << 40)
    descriptor = written(file)
    assert cached(file) > SIZE // 2
    assert read(descriptor) == SIZE
    assert cached(file) < SIZE // 2
    os.close(descriptor)


def test_a_large_bundle_that_is_written_keeps_only_what_is_on_its_way_to_the_disk(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "CACHED_SHARE", 1 << 40)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    found = Pages(descriptor, SIZE)
    for start in range(0, SIZE, MIB):
        write_at(descriptor, bytes(MIB), start)
        found.passed(0, start, start + MIB)
    os.fsync(descriptor)
    found.ended(0, SIZE)
    assert cached(file) < SIZE
    os.close(descriptor)


def test_a_bundle_that_fits_stays_for_whoever_reads_it_next(file: Path) -> None:
    descriptor = written(file)
    assert read(descriptor) == SIZE
    assert cached(file) > SIZE // 2
    os.close(descriptor)
