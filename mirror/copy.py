"""Registry to registry: choose, resolve, deliver, tell. No blob is on a disk in between."""

from __future__ import annotations

import time
from dataclasses import replace

from mirror.create import Creation, resolve, unresolved
from mirror.deliver import Delivery
from mirror.plan import contents_of
from mirror.registry.client import Registry
from mirror.report.run import RunReport, ordered
from mirror.transfer.steady import Steady


def copy(
    creation: Creation, registry: Registry, project: str, *, overwrite: bool = False
) -> RunReport:
    """Bring the images to ``project`` of ``registry``, as a create and a push of them would.

    Raises what these raise: with ``keep_going`` only what stops everything.
    """
    began = time.monotonic()
    resolution = resolve(creation)
    images = contents_of(creation.images, resolution.images, creation.carry.platforms).images
    origins = {str(image.wanted.reference): image.origin for image in resolution.images}
    delivery = Delivery(
        Steady(creation.source, creation.listener),
        "the source",
        registry,
        project,
        creation.settings,
        creation.listener,
        overwrite,
        creation.keep_going,
        creation.source.quickest,
    )
    report = delivery.run((image, origins[image.reference]) for image in images)
    return replace(
        report,
        images=ordered([*report.images, *unresolved(resolution)]),
        seconds=time.monotonic() - began,
        requests=report.requests + creation.source.requests,
        notices=(*creation.images.notices, *resolution.notices),
    )
