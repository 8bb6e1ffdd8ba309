"""Every check there is, in the order in which they are made and told."""

from __future__ import annotations

from mirror.preflight import (
    addresses,
    anonymous,
    authority,
    certificates,
    clock,
    design,
    endpoints,
    harbor,
    images,
    names,
    openness,
    outside,
    products,
    protocols,
    ranges,
    reach,
    realm,
    rights,
    service,
    space,
    trusted,
    variables,
)
from mirror.preflight.interface import Check

# Their families are by what they look at, and their numbers by what comes first.
_REGISTRY = sorted(
    (*anonymous.CHECKS, *openness.CHECKS, *rights.CHECKS, *harbor.CHECKS, *space.CHECKS),
    key=lambda check: int(check.id.removeprefix("REG-")),
)

CHECKS: tuple[Check, ...] = (
    *names.CHECKS,
    *addresses.CHECKS,
    *reach.CHECKS,
    *trusted.CHECKS,
    *certificates.CHECKS,
    *protocols.CHECKS,
    *authority.CHECKS,
    *clock.CHECKS,
    *service.CHECKS,
    *products.CHECKS,
    *realm.CHECKS,
    *_REGISTRY,
    *outside.CHECKS,
    *variables.CHECKS,
    *ranges.CHECKS,
    *design.CHECKS,
    *endpoints.CHECKS,
    # Last: they take as long as there are images, and the others have a minute.
    *images.CHECKS,
)
