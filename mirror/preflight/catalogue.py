"""Every check there is, in the order in which they are made and told."""

from __future__ import annotations

from mirror.preflight import anonymous, openness, products, realm, service
from mirror.preflight.interface import Check

CHECKS: tuple[Check, ...] = (
    *service.CHECKS,
    *products.CHECKS,
    *realm.CHECKS,
    *anonymous.CHECKS,
    *openness.CHECKS,
)
