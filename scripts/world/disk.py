"""A small disk for one process: tmpfs in a mount namespace of its own, gone with the process.

    command = on_small_disk(["docker-registry", "serve", config], storage, 20 << 20)

Nobody else sees the mount, so nothing is left behind, however the process ends; from outside its
files are under /proc/PID/root. Root may make such a namespace; others may in a user namespace of
their own, where the system allows these.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

__all__ = ["NoMount", "on_small_disk"]

# $0 is the place and $1 the size. No fork: the process keeps its number and its parent.
_MOUNT = 'mount -t tmpfs -o size="$1" tmpfs "$0" && shift && exec "$@"'
_WAYS = (("unshare", "--mount"), ("unshare", "--user", "--map-root-user", "--mount"))


class NoMount(RuntimeError):
    """This machine lets the caller mount nothing, not even for itself."""


def on_small_disk(command: Sequence[str], place: Path, size: int) -> list[str]:
    """Return the command that runs ``command`` with an empty disk of ``size`` bytes at ``place``.

    Raises NoMount where neither root's way nor a user namespace works.
    """
    return [*_way(), "sh", "-c", _MOUNT, str(place), str(size), *command]


@cache
def _way() -> tuple[str, ...]:
    if shutil.which("unshare") is None:
        raise NoMount("unshare (util-linux) is not on PATH")
    words = ""
    with tempfile.TemporaryDirectory(prefix="world-disk-") as place:
        for way in _WAYS:
            command = [*way, "sh", "-c", _MOUNT, place, "65536", "true"]
            tried = subprocess.run(command, capture_output=True, text=True, check=False)
            if tried.returncode == 0:
                return way
            words = tried.stderr.strip()
    raise NoMount(f"no mount namespace can be had here: {words}")
