"""Damage: one thing that is wrong with a bundle, as a value. Pure."""

from __future__ import annotations

from typing import NamedTuple

from mirror.errors import BundleFault, IntegrityFault
from mirror.oci.digest import Digest

# Kinds that mean "bytes do not hash to what was promised"; all others concern the structure.
_INTEGRITY = frozenset({"content", "document"})


class Damage(NamedTuple):
    """``member`` is not what it must be."""

    kind: str
    """``truncated``, ``trailing``, ``header``, ``padding``, ``inventory``, ``document``,
    ``manifest``, ``missing``, ``size``, ``foreign`` or ``content``."""
    member: str
    """Name of the member, or of the place in the file where there is no member."""
    expected: str
    got: str
    digest: Digest | None = None
    """Of the blob, where the damage concerns one."""

    def fault(self) -> BundleFault | IntegrityFault:
        """The same as a fault, for a command that cannot go on."""
        kind = IntegrityFault if self.kind in _INTEGRITY else BundleFault
        return kind(
            "the bundle is damaged", member=self.member, expected=self.expected, got=self.got
        )
