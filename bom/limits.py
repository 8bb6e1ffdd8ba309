"""The limits of reading: one place, each with its unit and what it guards."""

from __future__ import annotations

from typing import Final

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""Bytes of a BOM or an image list. Real BOMs stay under 20 KiB; this stops a wrong file early."""

MAX_NODES: Final = 200_000
"""YAML nodes in one file with every alias written out. A real BOM has some 2,000; thirty lines
of nested aliases ("billion laughs") would have more than there is memory for."""

MAX_DEPTH: Final = 64
"""Levels of nesting, aliases written out. A real BOM has seven."""

MAX_LIST_LINES: Final = 100_000
"""Lines of an image list. Every image of TKG 1.6.1 with all its 78 TKrs makes 968."""

MAX_LOCK_IMAGES: Final = 10_000
"""Images of one ImagesLock. Package bundles have some ten, a whole package repository 266; each
is a request to a registry, and a bundle in a bundle has a lock of its own."""

MAX_NAME_CHARS: Final = 255
"""Characters of host and repository together: the length registries and clients agree on."""

MAX_REFERENCE_CHARS: Final = MAX_NAME_CHARS + len(":") + 128 + len("@sha256:") + 64
"""Characters of a whole reference, looked at before any other rule is tried on it."""
