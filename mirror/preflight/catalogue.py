"""Every check there is, in the order in which they are made and told."""

from __future__ import annotations

from mirror.preflight import (
    addresses,
    anonymous,
    design,
    endpoints,
    harbor,
    names,
    openness,
    outside,
    products,
    ranges,
    reach,
    realm,
    rights,
    service,
    space,
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
    *service.CHECKS,
    *products.CHECKS,
    *realm.CHECKS,
    *_REGISTRY,
    *outside.CHECKS,
    *variables.CHECKS,
    *ranges.CHECKS,
    *design.CHECKS,
    *endpoints.CHECKS,
)
