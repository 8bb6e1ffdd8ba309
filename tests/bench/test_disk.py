"""The slow disk: which limit is set where, and why there is none."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from scripts.bench.disk import NoLimit, SlowDisk, device_of, drop_cache, limits

NAME = f"bench-{os.getpid()}"


def test_cgroups_of_the_first_version(tmp_path: Path) -> None:
    (tmp_path / "blkio").mkdir()
    (tmp_path / "blkio" / "blkio.throttle.write_bps_device").touch()
    group, settings = limits(tmp_path, "254:0", 100)
    assert group == tmp_path / "blkio" / NAME
    assert settings == {
        "blkio.throttle.read_bps_device": "254:0 100",
        "blkio.throttle.write_bps_device": "254:0 100",
    }


def test_cgroups_of_the_second_version(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("cpu io memory\n")
    assert limits(tmp_path, "8:0", 7) == (tmp_path / NAME, {"io.max": "8:0 rbps=7 wbps=7"})


@pytest.mark.parametrize("controllers", [None, "cpu memory\n"], ids=["no cgroups", "no io"])
def test_without_a_limit_the_reason_is_told(tmp_path: Path, controllers: str | None) -> None:
    if controllers:
        (tmp_path / "cgroup.subtree_control").write_text(controllers)
    with pytest.raises(NoLimit, match="cgroups limit no disk here"):
        limits(tmp_path, "8:0", 7)


def test_a_partition_is_limited_by_its_whole_disk(tmp_path: Path) -> None:
    number = tmp_path.stat().st_dev
    partition = tmp_path / "sys" / "vda" / "vda1"
    partition.mkdir(parents=True)
    (partition / "dev").write_text("254:1\n")
    (partition.parent / "dev").write_text("254:0\n")
    devices = tmp_path / "block"
    devices.mkdir()
    (devices / f"{os.major(number)}:{os.minor(number)}").symlink_to(partition)
    assert device_of(tmp_path, devices) == "254:1"
    (partition / "partition").write_text("1\n")
    assert device_of(tmp_path, devices) == "254:0"


def test_what_lies_on_no_disk_cannot_be_limited(tmp_path: Path) -> None:
    with pytest.raises(NoLimit, match="no disk that the kernel could limit"):
        device_of(tmp_path, tmp_path)


def test_a_command_joins_the_group_before_it_runs(tmp_path: Path) -> None:
    disk, target = SlowDisk(tmp_path / "cgroup.procs"), tmp_path / "a result"
    command = disk.reading(["sh", "-c", 'echo "$$" > "$0"', str(target)])
    subprocess.run(command, check=True)
    assert target.read_text() == disk.processes.read_text()


def test_a_result_is_synchronised_and_a_failure_stays_one(tmp_path: Path) -> None:
    disk, target = SlowDisk(tmp_path / "cgroup.procs"), tmp_path / "a result"
    write = ["sh", "-c", 'echo done > "$0"', str(target)]
    subprocess.run(disk.writing(write, target), check=True)
    assert target.read_text() == "done\n"
    failed = subprocess.run(disk.writing(["false"], target), check=False)
    assert failed.returncode == 1


def test_files_are_whole_after_their_pages_were_dropped(tmp_path: Path) -> None:
    (tmp_path / "layout" / "blobs").mkdir(parents=True)
    (tmp_path / "layout" / "blobs" / "x").write_bytes(b"1" * 5000)
    drop_cache(tmp_path / "layout")
    drop_cache(tmp_path / "layout" / "blobs" / "x")
    assert (tmp_path / "layout" / "blobs" / "x").read_bytes() == b"1" * 5000
