"""Manifests as dictionaries, to be bent by one member each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

from mirror.oci import mediatypes
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest

# A loaded machine must not fail a test by its clock; the number keeps each under a second.
steady = settings(deadline=None, max_examples=100)

HEX = "ab" * 32
DIGEST = f"sha256:{HEX}"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

# Any value JSON can spell, small.
Json = Any


def descriptor(**members: Json) -> dict[str, Json]:
    return {"mediaType": LAYER, "digest": DIGEST, "size": 7} | members


def image(**members: Json) -> dict[str, Json]:
    found = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_MANIFEST,
        "config": descriptor(),
        "layers": [descriptor()],
    }
    return _without_none(found | members)


def index(*children: Manifest, **members: Json) -> dict[str, Json]:
    found = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_INDEX,
        "manifests": [promise(child) for child in children],
    }
    return _without_none(found | members)


def promise(child: Manifest) -> dict[str, Json]:
    return {
        "mediaType": child.media_type,
        "digest": str(Digest.of(child.raw)),
        "size": len(child.raw),
    }


def parsed(document: dict[str, Json], content_type: str = "") -> Manifest:
    return Manifest.parse(json.dumps(document).encode(), content_type)


def refusal(act: Callable[..., object], *arguments: Json) -> str:
    """What the reader says against it."""
    try:
        act(*arguments)
    except ValueError as cause:
        return str(cause)
    pytest.fail("it was accepted")


def _without_none(document: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in document.items() if value is not None}
