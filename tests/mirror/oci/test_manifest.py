from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.oci import mediatypes
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from tests.mirror.oci.documents import descriptor, image, index, parsed, refusal, steady

SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+json"
FOREIGN = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
]


@pytest.mark.parametrize(
    ("document", "content_type"),
    [
        (image(manifests=[]), ""),
        (index(layers=[]), ""),
        (index(config=descriptor()), ""),
        (image(mediaType=mediatypes.OCI_INDEX), ""),
        (index(mediaType=mediatypes.OCI_MANIFEST), ""),
        (image(mediaType=None), mediatypes.OCI_INDEX),
        (index(mediaType=None), mediatypes.OCI_MANIFEST),
        (image(), mediatypes.OCI_INDEX),
        (image(), mediatypes.OCI_INDEX.upper()),
        (image(), f"{mediatypes.DOCKER_MANIFEST}; charset=utf-8"),
        (index(), mediatypes.DOCKER_LIST),
    ],
)
def test_one_document_cannot_be_an_image_here_and_an_index_there(
    document: dict[str, Any], content_type: str
) -> None:
    refusal(parsed, document, content_type)


@pytest.mark.parametrize(
    "document",
    [
        image(schemaVersion=1),
        image(schemaVersion="2"),
        image(schemaVersion=None),
        image(mediaType=7),
        image(mediaType=["a"]),
        image(mediaType="text/html"),
        image(config=None),
        image(layers=None),
        image(config=[]),
        image(layers={}),
        image(layers=[7]),
        image(layers=[descriptor(size=-1)]),
        image(layers=[descriptor(digest="sha256:../x")]),
        index(manifests={}),
        index(manifests=[None]),
        {"schemaVersion": 2, "mediaType": mediatypes.OCI_MANIFEST},
        {"schemaVersion": 2},
        {},
    ],
)
def test_documents_that_are_no_manifests_are_refused(document: dict[str, Any]) -> None:
    refusal(parsed, document)


@pytest.mark.parametrize(
    ("document", "content_type"),
    [
        ({"schemaVersion": 1, "fsLayers": [], "history": []}, SCHEMA_1),
        ({"schemaVersion": 1, "fsLayers": []}, SCHEMA_1.replace("+json", "+prettyjws")),
        (image(mediaType=SCHEMA_1), ""),
    ],
)
def test_docker_schema_1_is_refused_by_its_name(
    document: dict[str, Any], content_type: str
) -> None:
    assert "schema 1" in refusal(parsed, document, content_type)


@pytest.mark.parametrize("depth", [10, 990, 10_000])
def test_nesting_in_a_place_that_is_shown_is_refused_and_not_a_crash(depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    raw = json.dumps(image(config=descriptor(size=7))).encode()
    refusal(Manifest.parse, raw.replace(b'"size": 7', b'"size": ' + nested, 1))


@pytest.mark.parametrize(
    ("document", "content_type", "media_type"),
    [
        (image(mediaType=None), "", mediatypes.OCI_MANIFEST),
        (index(mediaType=None), "", mediatypes.OCI_INDEX),
        (image(mediaType=None), mediatypes.DOCKER_MANIFEST, mediatypes.DOCKER_MANIFEST),
        (image(), "application/json", mediatypes.OCI_MANIFEST),
        (image(), f" {mediatypes.OCI_MANIFEST.title()} ;charset=utf-8", mediatypes.OCI_MANIFEST),
        (index(mediaType=mediatypes.DOCKER_LIST), "", mediatypes.DOCKER_LIST),
    ],
)
def test_the_type_is_the_documents_own_and_else_the_servers(
    document: dict[str, Any], content_type: str, media_type: str
) -> None:
    assert parsed(document, content_type).media_type == media_type


@steady
@given(st.text(" \n\t", max_size=9))
def test_the_raw_bytes_are_kept_and_named_by_their_digest(blanks: str) -> None:
    raw = (blanks + json.dumps(image(), indent=3) + blanks).encode()
    found = Manifest.parse(raw)
    assert found.raw == raw
    assert found.digest == Digest.of(raw)
    assert found.descriptor.size == len(raw)


@pytest.mark.parametrize("media_type", FOREIGN)
def test_foreign_layers_are_set_apart_and_not_carried(media_type: str) -> None:
    found = parsed(image(layers=[descriptor(mediaType=media_type), descriptor(size=8)]))
    assert [layer.media_type for layer in found.foreign] == [media_type]
    assert [blob.size for blob in found.blobs] == [7, 8]
    assert len(found.layers) == 2


def test_an_index_has_children_and_no_blobs() -> None:
    child = parsed(image())
    found = parsed(index(child))
    assert found.is_index
    assert found.children == (child.descriptor,)
    assert not found.blobs


members = st.sampled_from(["schemaVersion", "mediaType", "config", "layers", "manifests"])
pieces = st.sampled_from(
    [2, 1, None, [], {}, "", descriptor(), [descriptor()], *mediatypes.MANIFESTS]
)


@steady
@given(st.dictionaries(members, pieces), st.sampled_from(["", *mediatypes.MANIFESTS]))
def test_any_shuffle_of_members_is_a_consistent_manifest_or_a_value_error(
    document: dict[str, Any], content_type: str
) -> None:
    try:
        found = parsed(document, content_type)
    except ValueError:
        return
    assert found.media_type in mediatypes.MANIFESTS
    assert content_type in ("", found.media_type)
    assert found.is_index == (found.config is None) == ("manifests" in document)
