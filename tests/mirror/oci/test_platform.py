"""Which image of an index is for whom: nothing that is wanted may be left out by a misreading."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.graph import NoImage, chosen, walk
from mirror.oci.manifest import Manifest
from mirror.oci.platform import Platform, as_listed, from_list
from mirror.settings import MAX_PLATFORMS
from scripts.world.images import Image
from tests.fakes.windows import Child, attestation, child, image, index, windows
from tests.mirror.oci.documents import DIGEST, descriptor, refusal, steady
from tests.mirror.oci.test_descriptor import anything

LINUX, WINDOWS = Platform("linux", "amd64"), Platform("windows", "amd64")
ARM = Platform("linux", "arm", "v7")
SEVERAL = ("linux/amd64", "linux/arm64", "linux/arm64/v8", "linux/arm/v6", "windows/amd64")


# --- names of platforms -----------------------------------------------------------------------


@pytest.mark.parametrize("text", ["linux/amd64", "windows/amd64", "linux/arm/v7", "linux/ppc64le"])
def test_a_platform_is_written_as_it_was_read(text: str) -> None:
    assert str(Platform.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "linux", "linux/", "/amd64", "linux//v7", "linux/arm/", "linux/arm/v7/x", "/"),
        *("Linux/amd64", "linux/AMD64", " linux/amd64", "linux/amd64\n", "linux/../amd64"),
        *("linux/-v7", "linux\\amd64", "*", "linux/*", "linux/amd64,linux/arm64", "l" * 33 + "/a"),
        *("linux/\u0661", 7, None, ["linux", "amd64"]),
    ],
)
def test_a_platform_that_is_none_is_refused_and_not_guessed(text: object) -> None:
    assert len(refusal(Platform.parse, text)) < 200


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"os": "linux", "architecture": "amd64"}, LINUX),
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, ARM),
        ({"os": "windows", "architecture": "amd64", "os.version": "10.0.17763.5122"}, WINDOWS),
        ({"os": "linux", "architecture": "amd64", "variant": ""}, LINUX),
        ({"os": "linux"}, None),
        ({"os": "linux", "architecture": ""}, None),
        ({"os": "Linux", "architecture": "amd64"}, None),
        ({"os": "linux/amd64", "architecture": "v8"}, None),
        ({"os": "linux", "architecture": "arm", "variant": 7}, None),
        ({"os": ["linux"], "architecture": "amd64"}, None),
        (None, None),
        ("linux/amd64", None),
    ],
)
def test_what_an_index_says_of_a_child_is_a_platform_or_nothing(
    value: object, expected: Platform | None
) -> None:
    assert Platform.from_json(value) == expected
    assert Descriptor.from_json(descriptor(platform=value)).platform == expected


@steady
@given(anything | st.fixed_dictionaries({"os": anything, "architecture": anything}))
def test_any_json_is_a_platform_that_can_be_named_or_none(value: Any) -> None:
    found = Platform.from_json(value)
    assert found is None or Platform.parse(str(found)) == found


@steady
@given(anything)
def test_any_annotations_name_an_image_or_none(value: Any) -> None:
    about = Descriptor.from_json(descriptor(annotations=value)).about
    assert about is None or isinstance(about, Digest)


@pytest.mark.parametrize(
    ("wanted", "there", "same"),
    [
        (LINUX, LINUX, True),
        (LINUX, WINDOWS, False),
        (LINUX, Platform("linux", "arm64"), False),
        (Platform("linux", "arm"), ARM, True),
        (ARM, Platform("linux", "arm"), False),
        (ARM, Platform("linux", "arm", "v6"), False),
        (ARM, ARM, True),
    ],
)
def test_a_variant_counts_where_one_is_wanted(
    wanted: Platform, there: Platform, *, same: bool
) -> None:
    assert wanted.wants(there) is same


@steady
@given(st.lists(st.sampled_from(SEVERAL), min_size=1))
def test_a_list_of_platforms_has_one_order(texts: list[str]) -> None:
    listed = as_listed(map(Platform.parse, texts))
    assert as_listed(from_list(listed)) == listed
    assert set(listed) == set(texts)


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["linux/arm64", "linux/amd64"],
        ["linux/amd64", "linux/amd64"],
        ["linux"],
        [{"os": "linux", "architecture": "amd64"}],
        [f"linux/a{n:03}" for n in range(MAX_PLATFORMS + 1)],
    ],
    ids=["none", "order", "twice", "half", "object", "too many"],
)
def test_a_list_that_no_writer_makes_is_refused(values: list[Any]) -> None:
    refusal(from_list, values)


# --- the children of an index -----------------------------------------------------------------


def parsed(made: Image) -> Manifest:
    return Manifest.parse(made.manifest.read())


def kept(root: Image, *platforms: str) -> set[str]:
    """Digests of all that is carried of an image."""
    held = {parsed(node).digest: parsed(node) for node in root.walk()}
    wanted = [Platform.parse(text) for text in platforms]
    graph = walk(parsed(root), lambda promised: held[promised.digest], wanted)
    assert graph.root.raw == root.manifest.read()
    return {str(manifest.digest) for manifest in graph.manifests}


def digests(*images: Image) -> set[str]:
    return {each.manifest.digest for each in images}


def test_without_a_choice_every_child_is_kept() -> None:
    root = parsed(windows("pause"))
    assert chosen(root, ()) == root.children


@pytest.mark.parametrize("docker", [True, False])
def test_only_children_of_a_wanted_platform_are_kept(*, docker: bool) -> None:
    root = windows("pause", docker=docker)
    linux, other = root.children
    assert kept(root, "linux/amd64") == digests(linux, root)
    assert kept(root, "windows/amd64") == digests(other, root)
    assert kept(root, "linux/amd64", "windows/amd64") == digests(linux, other, root)


def test_every_build_of_windows_is_kept() -> None:
    builds = [image(f"build {n}", "windows") for n in range(3)]
    said = {"os": "windows", "architecture": "amd64"}
    entries = [
        Child(each, (("platform", {**said, "os.version": f"10.0.{n}"}),))
        for n, each in enumerate(builds)
    ]
    root = index(*entries)
    assert kept(root, "windows/amd64") == digests(*builds, root)


def test_a_child_whose_platform_nobody_names_is_kept() -> None:
    one, two, three = (image(str(n), "linux") for n in range(3))
    odd = Child(two, (("platform", {"os": "Linux"}),))
    root = index(child(one, None), odd, child(three, "linux/s390x"))
    assert kept(root, "linux/amd64") == digests(one, two, root)


def test_indexes_are_entered_whatever_is_said_of_them() -> None:
    one, two = image("one", "linux"), image("two", "windows")
    inner = index(child(one, "linux/amd64"), child(two, "windows/amd64"))
    root = index(child(inner, "windows/amd64"))
    assert kept(root, "linux/amd64") == digests(one, inner, root)


def test_an_image_that_is_no_index_is_kept_whatever_it_is_for() -> None:
    alone = image("alone", "windows")
    assert kept(alone, "linux/amd64") == digests(alone)


def test_an_attestation_goes_with_its_image_and_without_one_not_at_all() -> None:
    one, two = image("one", "linux"), image("two", "windows")
    of_one, of_two, of_none = attestation(one), attestation(two), attestation(None)
    # Before the images that they are about, and after them.
    root = index(of_one, of_none, child(one, "linux/amd64"), child(two, "windows/amd64"), of_two)
    assert kept(root, "linux/amd64") == digests(of_one.image, one, root)
    assert kept(root, "windows/amd64") == digests(of_two.image, two, root)


def test_an_image_is_no_attestation_for_saying_what_it_is_about() -> None:
    one, two = image("one", "linux"), image("two", "windows")
    about = ("annotations", {"vnd.docker.reference.digest": one.manifest.digest})
    root = index(child(one, "linux/amd64"), Child(two, (*child(two, "windows/amd64").said, about)))
    assert kept(root, "linux/amd64") == digests(one, root)


def test_an_image_listed_for_two_platforms_is_kept_for_either() -> None:
    both, other = image("both", "linux"), image("other", "windows")
    entries = [child(both, "linux/arm/v6"), child(both, "linux/arm/v7")]
    root = index(*entries, child(other, "windows/amd64"))
    assert kept(root, "linux/arm/v7") == digests(both, root)


def test_an_index_with_nothing_for_anybody_is_refused_with_what_it_has() -> None:
    root = index(
        child(image("one", "linux"), "linux/arm64"),
        child(image("two", "windows"), "windows/amd64"),
        attestation(None),
    )
    with pytest.raises(NoImage) as caught:
        kept(root, "linux/amd64", "linux/s390x")
    told = "it has no image for linux/amd64, linux/s390x; it has linux/arm64, windows/amd64"
    assert str(caught.value) == told


def test_an_index_of_attestations_alone_is_refused() -> None:
    with pytest.raises(NoImage, match="none at all"):
        kept(index(attestation(None)), "linux/amd64")


def test_a_nested_index_with_nothing_is_not_the_end_of_its_neighbours() -> None:
    one, two = image("one", "linux"), image("two", "windows")
    inner = index(child(two, "windows/amd64"))
    root = index(child(one, "linux/amd64"), child(inner, None))
    assert kept(root, "linux/amd64") == digests(one, inner, root)
    with pytest.raises(NoImage):
        kept(index(child(inner, None)), "linux/amd64")


def test_an_index_that_is_empty_by_itself_is_no_matter_of_platforms() -> None:
    root = index()
    assert kept(root, "linux/amd64") == digests(root)


@steady
@given(st.lists(st.sampled_from([*SEVERAL, None]), min_size=1), st.sets(st.sampled_from(SEVERAL)))
def test_whatever_is_chosen_nothing_wanted_is_missing_and_nothing_else_is_there(
    there: list[str | None], wanted: set[str]
) -> None:
    children = [image(f"{n} {name}", "linux") for n, name in enumerate(there)]
    root = index(*map(child, children, there))
    fits = {
        one.manifest.digest
        for one, name in zip(children, there, strict=True)
        if not wanted or name is None or any(f"{name}/".startswith(f"{w}/") for w in wanted)
    }
    if fits:
        assert kept(root, *wanted) == fits | digests(root)
    else:
        with pytest.raises(NoImage):
            kept(root, *wanted)


def test_a_descriptor_is_the_same_content_whatever_is_said_of_it() -> None:
    plain = Descriptor.from_json(descriptor())
    said = {"vnd.docker.reference.digest": DIGEST}
    full = descriptor(platform={"os": "linux", "architecture": "amd64"}, annotations=said)
    assert Descriptor.from_json(full) == plain
    assert Descriptor.from_json(full).about == Digest.parse(DIGEST)
