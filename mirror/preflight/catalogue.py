"""Every check there is, in the order in which they are made and told."""

from __future__ import annotations

from mirror.preflight import addresses, names, reach, service
from mirror.preflight.interface import Check

CHECKS: tuple[Check, ...] = (
    *names.CHECKS,
    *addresses.CHECKS,
    *reach.CHECKS,
    *service.CHECKS,
)
