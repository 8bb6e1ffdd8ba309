"""Lists of referrers: nobody's entry lost, the same whoever came first, and nothing believed."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.oci import mediatypes
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.oci.referrers import (
    COMPANION_TAG,
    companion_tags,
    descriptors,
    list_tag,
    with_entry,
)
from tests.mirror.oci.documents import (
    DIGEST,
    HEX,
    descriptor,
    image,
    index,
    parsed,
    promise,
    refusal,
    steady,
)

SUBJECT = descriptor(mediaType=mediatypes.OCI_MANIFEST)
EMPTY = descriptor(mediaType="application/vnd.oci.empty.v1+json", size=2)


def referrer(**members: Any) -> Manifest:
    return parsed(image(**{"subject": SUBJECT, "config": EMPTY} | members))


def entries(listed: Manifest | None) -> list[dict[str, Any]]:
    assert listed
    found = json.loads(listed.raw)["manifests"]
    assert isinstance(found, list)
    return found


# --- what a manifest says ---------------------------------------------------------------------


def test_a_referrer_names_its_subject_and_what_it_is() -> None:
    found = referrer(artifactType="application/spdx+json", annotations={"a": "b"})
    assert found.subject
    assert (str(found.subject.digest), found.artifact_type) == (DIGEST, "application/spdx+json")
    assert found.annotations == {"a": "b"}


@pytest.mark.parametrize("document", [image(), index(), image() | {"subject": None}])
def test_what_names_no_subject_is_no_referrer(document: dict[str, Any]) -> None:
    assert parsed(document).subject is None


def test_an_index_may_refer_and_dockers_manifest_cannot() -> None:
    assert parsed(index(subject=SUBJECT)).subject
    docker = image(subject=SUBJECT, mediaType=mediatypes.DOCKER_MANIFEST)
    assert parsed(docker).subject is None


@pytest.mark.parametrize(
    "bent",
    [
        {"subject": "sha256"},
        {"subject": []},
        {"subject": {}},
        {"subject": descriptor(size=-1)},
        {"subject": descriptor(digest="sha256:../x")},
        {"artifactType": 7},
        {"annotations": ["a"]},
        {"annotations": {"a": 7}},
        {"annotations": {"a": {"b": "c"}}},
    ],
)
def test_a_referrer_that_is_written_wrongly_is_refused(bent: dict[str, Any]) -> None:
    refusal(parsed, image(subject=SUBJECT) | bent)


def test_an_ordinary_image_may_have_any_annotations() -> None:
    parsed(image(annotations={"a": 7}, artifactType=7))


# --- names ------------------------------------------------------------------------------------


def test_the_tags_are_those_of_the_specifications() -> None:
    digest = Digest.parse(DIGEST)
    assert list_tag(digest) == f"sha256-{HEX}"
    assert companion_tags(digest) == tuple(f"sha256-{HEX}.{x}" for x in ("sig", "att", "sbom"))
    assert all(COMPANION_TAG.fullmatch(tag) for tag in (list_tag(digest), *companion_tags(digest)))


@pytest.mark.parametrize(
    "tag",
    ["v1", f"sha256-{HEX}.imgpkg", f"sha256-{HEX.upper()}.sig", f"sha256-{HEX[1:]}", f"{HEX}.sig"],
)
def test_other_tags_are_no_companions(tag: str) -> None:
    assert not COMPANION_TAG.fullmatch(tag)


# --- lists ------------------------------------------------------------------------------------


def test_an_entry_says_what_the_specification_asks_for() -> None:
    own = referrer(artifactType="application/spdx+json", annotations={"a": "b"})
    assert entries(with_entry(None, own)) == [
        promise(own) | {"artifactType": "application/spdx+json", "annotations": {"a": "b"}}
    ]


def test_without_an_artifact_type_the_configurations_stands_for_it() -> None:
    assert entries(with_entry(None, referrer()))[0]["artifactType"] == EMPTY["mediaType"]


def test_an_index_without_an_artifact_type_has_none() -> None:
    assert set(entries(with_entry(None, parsed(index(subject=SUBJECT))))[0]) == {
        *("mediaType", "digest", "size")
    }


def test_what_others_wrote_stays_as_they_wrote_it() -> None:
    theirs = descriptor(mediaType=mediatypes.OCI_MANIFEST, annotations={"x": "y"}, odd=[1, {}])
    there = parsed(index(manifests=[theirs], annotations={"keep": "me"}, odd={"k": [1]}))
    listed = with_entry(there, referrer())
    assert listed
    assert theirs in entries(listed)
    assert len(entries(listed)) == 2
    assert json.loads(listed.raw)["annotations"] == {"keep": "me"}
    assert json.loads(listed.raw)["odd"] == {"k": [1]}


def test_who_is_there_already_is_not_written_twice() -> None:
    own = referrer()
    assert with_entry(with_entry(None, own), own) is None


def test_the_list_is_the_same_whoever_came_first() -> None:
    made = set()
    for order in permutations([referrer(annotations={"n": str(n)}) for n in range(4)]):
        listed: Manifest | None = None
        for each in order:
            listed = with_entry(listed, each)
        assert len(entries(listed)) == 4
        assert listed
        made.add(listed.digest)
    assert len(made) == 1


@pytest.mark.parametrize("document", [image(), index(mediaType=mediatypes.DOCKER_LIST)])
def test_what_is_no_list_is_not_taken_for_one(document: dict[str, Any]) -> None:
    assert str(document["mediaType"]) in refusal(with_entry, parsed(document), referrer())


def test_an_empty_list_may_be_null() -> None:
    assert descriptors(b'{"schemaVersion":2,"manifests":null}') == []
    assert descriptors(b'{"schemaVersion":2,"manifests":[]}') == []


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'{"manifests":7}',
        b'{"manifests":{"a":1}}',
        b'{"manifests":["a"]}',
        b'{"manifests":[{"mediaType":"a","digest":"sha256:../x","size":1}]}',
        b'{"manifests":[],"manifests":[]}',
    ],
)
def test_an_answer_that_is_no_list_is_refused(raw: bytes) -> None:
    refusal(descriptors, raw)


@steady
@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_list_or_a_value_error(raw: bytes) -> None:
    try:
        descriptors(raw)
    except ValueError:
        pass
    else:
        assert raw.strip().startswith(b"{")


@steady
@given(
    st.lists(
        st.tuples(st.text("abc", max_size=3), st.text(max_size=5)), unique_by=lambda pair: pair[0]
    ),
    st.sampled_from(["", "application/x", "a/b;c=d"]),
)
def test_a_list_that_was_made_is_read_back(annotations: list[tuple[str, str]], kind: str) -> None:
    own = referrer(annotations=dict(annotations), artifactType=kind)
    listed = with_entry(None, own)
    assert listed
    assert descriptors(listed.raw) == [own.descriptor]
