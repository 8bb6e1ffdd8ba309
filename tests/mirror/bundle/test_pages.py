from __future__ import annotations

import os
import subprocess
from itertools import pairwise
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
        found.written(0, start, start + MIB)
    os.fsync(descriptor)
    found.all_written(0, SIZE)
    assert cached(file) < SIZE
    os.close(descriptor)


@pytest.fixture
def advised(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The ranges of a file that were advised upon, as the system was told them."""
    found = list[tuple[int, int]]()
    real = os.posix_fadvise

    def noted(file: int, start: int, size: int, advice: int) -> None:
        found.append((start, start + size))
        real(file, start, size, advice)

    monkeypatch.setattr(os, "posix_fadvise", noted)
    return found


def test_nothing_of_a_blob_waits_for_the_end_to_go_to_the_disk(
    file: Path, advised: list[tuple[int, int]]
) -> None:
    descriptor, size = os.open(file, os.O_RDWR | os.O_CREAT), 21 * MIB + 5
    found = Pages(descriptor, size)
    for begin in range(0, size, MIB):
        end = min(begin + MIB, size)
        write_at(descriptor, bytes(end - begin), MIB + begin)
        found.written(MIB, begin, end)
    found.all_written(MIB, size)
    os.close(descriptor)
    assert advised[0][0] == MIB
    assert advised[-1][1] == MIB + size
    # A second time they would be clean, and dropped.
    assert all(later[0] == earlier[1] for earlier, later in pairwise(advised))


def test_small_blobs_go_to_the_disk_together_and_not_each_alone(
    file: Path, advised: list[tuple[int, int]]
) -> None:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT)
    found = Pages(descriptor, SIZE)
    found.written(512, 0, MIB // 2)
    found.all_written(512, MIB // 2)
    os.close(descriptor)
    assert not advised


def test_a_bundle_that_fits_stays_for_whoever_reads_it_next(file: Path) -> None:
    descriptor = written(file)
    assert read(descriptor) == SIZE
    assert cached(file) > SIZE // 2
    os.close(descriptor)
