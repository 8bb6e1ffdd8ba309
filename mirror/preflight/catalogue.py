"""Every check there is, in the order in which they are made and told."""

from __future__ import annotations

from mirror.preflight import design, endpoints, outside, ranges, service, variables
from mirror.preflight.interface import Check

CHECKS: tuple[Check, ...] = (
    *service.CHECKS,
    *outside.CHECKS,
    *variables.CHECKS,
    *ranges.CHECKS,
    *design.CHECKS,
    *endpoints.CHECKS,
)
