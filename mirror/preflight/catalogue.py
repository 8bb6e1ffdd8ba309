"""Every check there is, in the order in which they are made and told."""

from __future__ import annotations

from mirror.preflight import (
    addresses,
    design,
    endpoints,
    harbor,
    names,
    outside,
    ranges,
    reach,
    rights,
    service,
    space,
    variables,
)
from mirror.preflight.interface import Check

# From REG-3 on: their families are by what they look at, and their numbers by what comes first.
_REGISTRY = sorted(
    (*rights.CHECKS, *harbor.CHECKS, *space.CHECKS),
    key=lambda check: int(check.id.removeprefix("REG-")),
)

CHECKS: tuple[Check, ...] = (
    *names.CHECKS,
    *addresses.CHECKS,
    *reach.CHECKS,
    *service.CHECKS,
    *_REGISTRY,
    *outside.CHECKS,
    *variables.CHECKS,
    *ranges.CHECKS,
    *design.CHECKS,
    *endpoints.CHECKS,
)
