"""Foreign layers: which of them the source has all the same, so that they can be carried.

Their ``urls`` are never asked: they may name any host at all, and containerd once sent them a
registry's credentials (CVE-2020-15157).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from mirror.errors import Fault, NotFound, Refused
from mirror.events import Listener, PhaseStarted
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.resolve import Resolution
from mirror.transfer.crew import Crew
from mirror.transfer.retry import Retry


class BlobSource(Protocol):
    """Knows which blobs there are in any host's repositories."""

    def serves(self, descriptor: Descriptor, origin: str) -> bool:
        """True where ``origin``, ``host/repository``, gives this blob."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Asks for foreign layers with a crew that never stops at the first failure."""

    source: BlobSource
    crew: Crew
    retry: Retry
    listener: Listener

    def run(self, resolution: Resolution) -> Resolution:
        """The same images, each with the foreign layers that its own origin serves.

        Each layer is asked for once at each origin. An image whose layers could not be asked
        for has failed.
        """
        asked = {(i.origin, layer) for i in resolution.images for layer in i.graph.foreign}
        served, faults = self._ask(sorted(asked, key=lambda each: (each[0], each[1].digest)))
        images, failed = [], []
        for image in resolution.images:
            names = ((image.origin, layer.digest) for layer in image.graph.foreign)
            if fault := next((faults[name] for name in names if name in faults), None):
                failed.append((image.wanted, fault))
            else:
                images.append(image._replace(graph=image.graph.carrying(served[image.origin])))
        return resolution._replace(
            images=tuple(images),
            failed=(*resolution.failed, *failed),
            foreign_asked=True,
        )

    def _ask(
        self, asked: Sequence[tuple[str, Descriptor]]
    ) -> tuple[defaultdict[str, set[Digest]], dict[tuple[str, Digest], Fault]]:
        """The layers that each origin serves, and those for which asking it failed."""
        if asked:
            self.listener(PhaseStarted("foreign layers", len(asked)))
        served, faults = defaultdict[str, set[Digest]](set), dict[tuple[str, Digest], Fault]()
        for outcome in self.crew.run(asked, self._serves):
            origin, layer = outcome.item
            if outcome.fault:
                faults[origin, layer.digest] = outcome.fault
            elif outcome.result:
                served[origin].add(layer.digest)
        return served, faults

    def _serves(self, asked: tuple[str, Descriptor]) -> bool:
        origin, layer = asked
        try:
            return self.retry(partial(self.source.serves, layer, origin))
        except (NotFound, Refused):
            return False
