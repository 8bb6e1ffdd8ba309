"""A slow disk for one program: the kernel's own limit on what a cgroup may read and write.

No file system can be made slow without being root, and a program that slowed itself down would
measure itself; so this is there where cgroups are, and elsewhere the scenario says why not. The
limit is that of the device under a directory, for the processes in the group alone: a registry
on the same disk is as fast as ever.

Where the kernel has cgroups of the first version it does not count what it writes back by itself,
only what a process waits for. A program that leaves its result in memory would seem fast, so every
program's result is synchronised inside the group, and that is part of its time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["NoLimit", "SlowDisk", "device_of", "drop_cache", "limits", "slow_disk"]

BYTES_A_SECOND = 100_000_000
ROOT = Path("/sys/fs/cgroup")
_JOIN = 'echo $$ > "$0" && exec "$@"'
_WRITE = 'echo $$ > "$0"; target=$1; shift; "$@" && find "$target" -type f -exec sync {} +'


class NoLimit(RuntimeError):
    """This machine does not let the caller limit a disk; the reason is the message."""


@dataclass(frozen=True)
class SlowDisk:
    """A group whose members are slow."""

    processes: Path

    def reading(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs another one in the group."""
        return ["sh", "-c", _JOIN, str(self.processes), *command]

    def writing(self, command: Sequence[str], target: Path) -> list[str]:
        """As `reading`, and it ends when all of the target is on the disk."""
        return ["sh", "-c", _WRITE, str(self.processes), str(target), *command]


@contextmanager
def slow_disk(place: Path, rate: int = BYTES_A_SECOND) -> Iterator[SlowDisk]:
    """Limit the disk under a directory; NoLimit says why that cannot be."""
    group, settings = limits(ROOT, device_of(place), rate)
    try:
        group.mkdir()
        for name, line in settings.items():
            (group / name).write_text(line)
    except OSError as cause:
        with contextlib.suppress(OSError):
            group.rmdir()
        raise NoLimit(f"no cgroup can be made for it ({cause.strerror})") from cause
    try:
        yield SlowDisk(group / "cgroup.procs")
    finally:
        group.rmdir()


def limits(root: Path, device: str, rate: int) -> tuple[Path, dict[str, str]]:
    """Return the group to make, and what to write into which of its files."""
    name = f"bench-{os.getpid()}"
    first, second = root / "blkio", root / "cgroup.subtree_control"
    if (first / "blkio.throttle.write_bps_device").exists():
        both = ("blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device")
        return first / name, dict.fromkeys(both, f"{device} {rate}")
    if second.exists() and "io" in second.read_text().split():
        return root / name, {"io.max": f"{device} rbps={rate} wbps={rate}"}
    raise NoLimit("cgroups limit no disk here")


def device_of(place: Path, devices: Path = Path("/sys/dev/block")) -> str:
    """Return MAJOR:MINOR of the whole disk that a directory lies on."""
    number = place.stat().st_dev
    own = devices / f"{os.major(number)}:{os.minor(number)}"
    if not own.exists():
        raise NoLimit("the scratch directory lies on no disk that the kernel could limit")
    whole = own.resolve().parent if (own / "partition").exists() else own
    return (whole / "dev").read_text().strip()


def drop_cache(target: Path) -> None:
    """Make the next reader of a file, or of all files of a directory, go to the disk."""
    for path in [target] if target.is_file() else target.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)
