"""Every check there is, in the order in which they are made and told."""

from __future__ import annotations

from mirror.preflight import authority, certificates, clock, protocols, service, trusted
from mirror.preflight.interface import Check

CHECKS: tuple[Check, ...] = (
    *trusted.CHECKS,
    *certificates.CHECKS,
    *protocols.CHECKS,
    *authority.CHECKS,
    *clock.CHECKS,
    *service.CHECKS,
)
