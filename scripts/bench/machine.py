"""Where and with what it was measured: the machine and the versions of all programs."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["cpu_model", "described", "file_system", "memory_gib", "system_name", "version_in"]

# How each program is asked for its version.
_ASKED = {
    "docker-registry": ("docker-registry", "--version"),
    "skopeo": ("skopeo", "--version"),
    "crane": ("crane", "version"),
    "imgpkg": ("imgpkg", "version"),
    "oras": ("oras", "version"),
    "regctl": ("regctl", "version"),
}
_VERSION = re.compile(r"\bv?(\d+\.\d+(?:\.\d+)?[0-9A-Za-z.+~-]*)")


def described(scratch: Path) -> dict[str, str]:
    """Return what a reader of figures wants to know about the machine; no name of it."""
    return {
        "cpu": cpu_model(_text("/proc/cpuinfo")) or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory_gib(_text('/proc/meminfo'))} GiB",
        "disk": file_system(_text("/proc/mounts"), scratch.resolve()),
        "system": system_name(_text("/etc/os-release")),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def programs(peers: Iterable[str]) -> dict[str, str]:
    """Return the versions of the tool, the registry and the peers that are measured."""
    tool = _say((sys.executable, "-m", "mirror", "--version"))
    asked = {name: _ASKED[name] for name in ("docker-registry", *peers)}
    said = {name: _say(command) for name, command in asked.items() if shutil.which(name)}
    return {name: version_in(text) for name, text in {"tkg-mirror": tool, **said}.items()}


def cpu_model(cpuinfo: str) -> str:
    """Return the first model name of /proc/cpuinfo; not every architecture has one."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.M)
    return " ".join(found[1].split()) if found else ""


def memory_gib(meminfo: str) -> int:
    """Return the memory of /proc/meminfo, which counts in KiB."""
    found = re.search(r"^MemTotal:\s*(\d+) kB$", meminfo, re.M)
    return round(int(found[1]) / (1 << 20)) if found else 0


def system_name(release: str) -> str:
    """Return the name that /etc/os-release gives to people."""
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', release, re.M)
    return found[1] if found else platform.system()


def file_system(mounts: str, place: Path) -> str:
    """Return the type of the file system that a directory lies on, by /proc/mounts."""
    found = (line.split() for line in mounts.splitlines())
    points = [(Path(parts[1]), parts[2]) for parts in found if len(parts) > 2]
    over = [(len(point.parts), kind) for point, kind in points if place.is_relative_to(point)]
    # Of two mounts at one place the later one counts.
    return max(enumerate(over), key=lambda item: (item[1][0], item[0]))[1][1] if over else "unknown"


def version_in(text: str) -> str:
    """Return the first thing in a program's answer that looks like a version."""
    found = _VERSION.search(text)
    return found[1] if found else "unknown"


def _say(command: tuple[str, ...]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
