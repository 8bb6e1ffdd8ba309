"""What checks may look at of the machine they run on, and where it lies."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mirror.registry.lookup import addresses
from mirror.settings import MAX_SMALL_FILE


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine; tests give it other files and another resolver."""

    resolve: Callable[[str, int, float], tuple[str, ...]] = addresses
    """Its own resolver, as ``lookup.addresses``."""
    hosts: Path = Path("/etc/hosts")
    resolv: Path = Path("/etc/resolv.conf")
    upstream: Path = Path("/run/systemd/resolve/resolv.conf")
    """The name servers behind systemd-resolved, where /etc/resolv.conf names only itself."""
    dns_port: int = 53
    routes: Path = Path("/proc/net/route")
    docker: Path = Path("/etc/docker/daemon.json")
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)


def read(path: Path) -> str:
    """The first 4 MiB of a file as text; nothing where it cannot be read, or is not there."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_SMALL_FILE).decode("utf-8", "replace")
    except OSError:
        return ""
