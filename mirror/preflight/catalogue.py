"""Every check there is, in the order in which they are made and told."""

from __future__ import annotations

from mirror.preflight import images, service
from mirror.preflight.interface import Check

CHECKS: tuple[Check, ...] = (*service.CHECKS, *images.CHECKS)
