"""Bundle to registry."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mirror.bundle.contents import Carried
from mirror.bundle.reader import Bundle
from mirror.deliver import Delivery
from mirror.events import Listener
from mirror.registry.client import Registry
from mirror.report.run import RunReport
from mirror.settings import Settings


@dataclass(frozen=True, slots=True)
class Push:
    """Everything a push needs to know. ``project`` is the destination's path below its host."""

    bundle: Bundle
    registry: Registry
    project: str
    settings: Settings
    listener: Listener
    overwrite: bool = False
    keep_going: bool = False
    only: Collection[str] | None = None
    """References of the images to push; None: all that the bundle holds."""

    def run(self) -> RunReport:
        """Push what the destination lacks, as ``Delivery.run`` says."""
        delivery = Delivery(
            self.bundle,
            str(self.bundle.path),
            self.registry,
            self.project,
            self.settings,
            self.listener,
            self.overwrite,
            self.keep_going,
        )
        return delivery.run((image, "") for image in self._chosen())

    def _chosen(self) -> Iterable[Carried]:
        for image in self.bundle.contents().images:
            if self.only is None or image.reference in self.only:
                yield image
