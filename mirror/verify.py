"""Bundle to nothing: every byte is read and compared, and all that is wrong is told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mirror.bundle import format as tar
from mirror.bundle.contents import Contents
from mirror.bundle.damage import Damage
from mirror.bundle.reader import Bundle
from mirror.errors import BundleFault, InputFault, IntegrityFault
from mirror.events import Listener, PhaseStarted
from mirror.oci.descriptor import Descriptor
from mirror.ports import Content, Move
from mirror.settings import Settings
from mirror.transfer.crew import Crew
from mirror.transfer.engine import Engine
from mirror.transfer.retry import Retry


class Verification(NamedTuple):
    """What is wrong with some bundles: each damage with the file it is in. Size in bytes."""

    damages: tuple[tuple[str, Damage], ...]
    size: int
    seconds: float


class Nothing:
    """A sink that takes every blob and keeps none."""

    def holds(self, descriptor: Descriptor, target: str) -> bool:
        """It has nothing."""
        return False

    def mount(self, descriptor: Descriptor, target: str, holder: str) -> bool:
        """It has nothing to take over."""
        return False

    def write(self, descriptor: Descriptor, target: str, content: Content) -> None:
        """Let the bytes pass."""
        with content.open(0) as pieces:
            for _piece in pieces:
                pass


def verify_all(files: Sequence[Path], settings: Settings, listener: Listener) -> Verification:
    """Check bundles one after the other; faults of this machine are raised, others collected."""
    began, size = time.monotonic(), 0
    damages = list[tuple[str, Damage]]()
    for file in files:
        found, read = _verify(file, settings, listener)
        damages += [(str(file), damage) for damage in found]
        size += read
    return Verification(tuple(damages), size, time.monotonic() - began)


def _verify(file: Path, settings: Settings, listener: Listener) -> tuple[list[Damage], int]:
    try:
        with Bundle(file) as bundle:
            contents, damages = bundle.check()
            damages += _content(bundle, contents, settings, listener)
            return damages, bundle.size
    except BundleFault as fault:
        # Without a sound bundle.json nothing behind it has a place.
        return [Damage("inventory", fault.member, fault.expected, fault.got)], 0
    except InputFault as fault:
        return [Damage("missing", str(file), "a bundle", fault.what)], 0


def _content(
    bundle: Bundle, contents: Contents | None, settings: Settings, listener: Listener
) -> list[Damage]:
    """Configurations and layers, against their digests; manifests were checked before."""
    heads = contents.manifests if contents else {}
    moves = [
        Move(Descriptor("", digest, size), "", ("",))
        for digest, size in bundle.inventory.blobs.items()
        if digest not in heads
    ]
    size = sum(move.descriptor.size for move in moves)
    listener(PhaseStarted("verify", len(moves), size))
    crew = Crew(settings.concurrency, keep_going=True)
    retry = Retry(0, crew, listener)
    engine = Engine(bundle, Nothing(), str(bundle.path), crew, retry, listener)
    outcomes = engine.run(moves)
    found = [
        Damage("content", tar.blob_name(digest), fault.expected, fault.got, digest)
        for outcome in outcomes
        if isinstance(fault := outcome.fault, IntegrityFault)
        for digest in (outcome.item.descriptor.digest,)
    ]
    return sorted(found, key=lambda damage: damage.member)
