"""The surroundings of a scenario: registries, plain or under TLS, near or behind a link."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from scripts.bench.authority import FILES
from scripts.bench.scenarios import Scenario
from scripts.world.process import die_with_parent
from scripts.world.registry import Registry

__all__ = ["Authority", "Rig", "linked"]


@dataclass(frozen=True)
class Authority:
    """A test CA, and a certificate for 127.0.0.1 of its making, as files."""

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Authority:
        """Write the three files; by a program of its own, for what measures has to stay small."""
        command = [sys.executable, "-m", "scripts.bench.authority", str(folder)]
        subprocess.run(command, check=True)
        return cls(*(folder / name for name in FILES))


class Rig:
    """Starts what a scenario needs; all of it ends with its context."""

    def __init__(self, scenario: Scenario, scratch: Path) -> None:
        self._scenario, self._scratch = scenario, scratch

    @cached_property
    def authority(self) -> Authority | None:
        """The CA, where the scenario is under TLS."""
        return Authority.make(self._scratch / "tls") if self._scenario.tls else None

    @contextmanager
    def registry(self, storage: Path) -> Iterator[Registry]:
        """Serve a storage directory, under TLS where the scenario is."""
        own = self.authority
        with Registry(storage, tls=(own.certificate, own.key) if own else None) as registry:
            yield registry

    @contextmanager
    def reached(self, registry: Registry) -> Iterator[str]:
        """Give the HOST:PORT by which a registry is reached, through the link if there is one."""
        if not self._scenario.link:
            yield registry.host
            return
        with linked(registry.host) as host:
            yield host

    @contextmanager
    def destination(self) -> Iterator[tuple[Registry, str]]:
        """Give an empty registry and where it is reached; it is gone afterwards."""
        storage = self._scratch / "destination"
        try:
            with self.registry(storage) as registry, self.reached(registry) as host:
                yield registry, host
        finally:
            shutil.rmtree(storage, ignore_errors=True)


@contextmanager
def linked(host: str) -> Iterator[str]:
    """Lay a link to an address; the HOST:PORT of its near end."""
    command = [sys.executable, "-m", "scripts.bench.link", host]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent()
    ) as process:
        try:
            assert process.stdout  # noqa: S101 - a pipe was asked for
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()
