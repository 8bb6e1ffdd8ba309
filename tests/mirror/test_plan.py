"""What there is to do: nothing twice, nothing forgotten, nothing where it is already."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bom.images import ImageSet, WantedImage
from bom.reference import Reference
from mirror import planfile
from mirror.errors import InputFault, IntegrityFault
from mirror.oci.digest import Digest
from mirror.plan import contents_of, deliveries, fetches, totals
from mirror.resolve import Resolution, Resolved
from mirror.settings import MAX_PLAN
from scripts.world.images import OCI, Blob, Image, ImageSpec, Layer, build, make_image
from tests.mirror.bundle.small import graph_of, layer

HOST = "registry.example.com"
BASE, OWN, NEW = layer(b"base"), layer(b"own"), layer(b"new")
ONE, TWO = graph_of(make_image([BASE, OWN])), graph_of(make_image([BASE, NEW]))


def resolved(name: str, image: Image) -> Resolved:
    reference = Reference.parse(f"{HOST}/tkg/{name}")
    path = name.partition(":")[0].partition("@")[0]
    return Resolved(
        WantedImage(reference, f"{HOST}/tkg", path), f"{HOST}/tkg/{path}", graph_of(image)
    )


def test_a_blob_is_fetched_once_however_many_images_have_it() -> None:
    images = [resolved("a:v1", make_image([BASE, OWN])), resolved("b:v1", make_image([BASE, NEW]))]
    moves = fetches(images)
    digests = [move.descriptor.digest for move in moves]
    assert len(digests) == len(set(digests)) == 5
    origins = {str(m.descriptor.digest): m.origin for m in moves}
    assert origins[BASE.blob.digest] == f"{HOST}/tkg/a"
    assert origins[NEW.blob.digest] == f"{HOST}/tkg/b"


def test_what_sharing_saves() -> None:
    sums = totals([ONE, TWO])
    shared = BASE.blob.size
    assert (sums.images, sums.blobs, sums.shared) == (2, 7, shared)
    both = sum(len(g.root.raw) + sum(b.size for b in g.blobs) for g in (ONE, TWO))
    assert sums.size == both - shared


def targets(moves: list[Any]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    return {str(m.descriptor.digest): (m.targets, m.held_by) for m in moves}


def test_a_blob_goes_to_every_repository_that_needs_it() -> None:
    found = targets(deliveries([("air/a", ONE), ("air/b", TWO), ("air/a", TWO)], []))
    assert found[BASE.blob.digest] == (("air/a", "air/b"), ())
    assert found[NEW.blob.digest] == (("air/a", "air/b"), ())


def test_a_run_after_a_kill_looks_first_where_the_one_before_has_sent_to() -> None:
    """Images come in the order in which the registry answered for them, another one each time."""
    places = [("air/a", ONE), ("air/b", ONE), ("air/c", ONE)]
    runs = [targets(deliveries(each, [])) for each in (places, places[::-1])]
    assert runs[0] == runs[1]


def test_a_complete_image_elsewhere_is_a_place_to_take_blobs_from() -> None:
    found = targets(deliveries([("air/a", TWO)], [("air/b", ONE)]))
    assert found[BASE.blob.digest] == (("air/a",), ("air/b",))
    assert found[NEW.blob.digest] == (("air/a",), ())


def test_what_another_tag_of_the_same_repository_has_is_not_moved() -> None:
    found = targets(deliveries([("air/a", TWO)], [("air/a", ONE)]))
    assert BASE.blob.digest not in found
    assert found[NEW.blob.digest] == (("air/a",), ())
    assert deliveries([("air/a", ONE)], [("air/a", ONE)]) == []


def test_each_blob_is_read_at_the_place_that_is_named_for_it() -> None:
    origins = {Digest.parse(BASE.blob.digest): f"{HOST}/tkg/a"}
    moves = deliveries([("air/a", ONE), ("air/b", TWO)], [], origins)
    found = {str(move.descriptor.digest): move.origin for move in moves}
    assert found[BASE.blob.digest] == f"{HOST}/tkg/a"
    assert found[NEW.blob.digest] == ""


def test_places_to_take_blobs_from_keep_their_order() -> None:
    """What the destination's own project has comes before the place that is copied from."""
    found = targets(deliveries([("air/a", ONE)], [("air/z", ONE), ("air/b", ONE)]))
    assert found[BASE.blob.digest] == (("air/a",), ("air/z", "air/b"))


def test_two_images_for_one_place_are_refused() -> None:
    one, two = resolved("a:v1", make_image([OWN])), resolved("a:v1", make_image([NEW]))
    with pytest.raises(IntegrityFault, match="want the destination a:v1") as caught:
        contents_of(ImageSet(()), [one, two])
    assert str(one.digest) in caught.value.fact
    assert str(two.digest) in caught.value.fact


def test_two_references_to_one_image_for_one_place_are_not() -> None:
    one = resolved("a:v1", make_image([OWN]))
    other = one._replace(
        wanted=one.wanted._replace(reference=Reference.parse("other.example.com/x/a:v1"))
    )
    assert len(contents_of(ImageSet(()), [one, other]).images) == 2


def test_two_sizes_for_one_blob_are_refused_before_anything_is_fetched() -> None:
    liar = Layer(Blob(OCI.layer, BASE.blob.digest, 400, BASE.blob.pieces), BASE.diff_id)
    images = [resolved("a:v1", make_image([BASE])), resolved("b:v1", make_image([liar]))]
    with pytest.raises(IntegrityFault, match="different sizes") as caught:
        contents_of(ImageSet(()), images)
    assert {caught.value.expected, caught.value.got} == {"4 bytes", "400"}


# --- on disk ----------------------------------------------------------------------------------


def document() -> dict[str, Any]:
    index = build(ImageSpec("lamp", platforms=("amd64", "arm64")))
    images = (resolved("a:v1", make_image([OWN])), resolved("lamp:v1", index))
    wanted = ImageSet(tuple(each.wanted for each in images), (), (f"{HOST}/tkg",))
    absent = (WantedImage(Reference.parse(f"{HOST}/tkg/tkg-bom:v1"), "x", "tkg-bom"),)
    return planfile.to_json(wanted, Resolution(images, (), absent), contents_of(wanted, images))


def read(value: dict[str, Any]) -> Any:
    return planfile.parse(json.dumps(value).encode(), "plan.json")


def test_a_plan_read_back_asks_for_the_same_images_by_digest() -> None:
    written = document()
    planned = read(written)
    images, pins = planned.images, planned.pins
    assert [str(image.reference) for image in images.images] == [
        each["reference"] for each in written["images"]
    ]
    assert {str(r): str(d) for r, d in pins.items()} == {
        each["reference"]: each["digest"] for each in written["images"]
    }
    assert [image.path for image in images.images] == ["a", "lamp"]
    assert images.repositories == (f"{HOST}/tkg",)
    assert written["absent"] == [f"{HOST}/tkg/tkg-bom:v1"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("reference", "no host"),
        ("reference", 7),
        ("repository", "../.."),
        ("path", "../../etc"),
        ("path", ""),
        ("tag", "v2"),
        ("digest", "sha256:0"),
        ("digest", None),
        ("digest", f"sha512:{'0' * 128}"),
    ],
)
def test_a_plan_with_a_wrong_image_is_refused_naming_the_file(key: str, value: object) -> None:
    wrong = document()
    wrong["images"][0][key] = value
    with pytest.raises(InputFault, match="not a plan") as caught:
        read(wrong)
    assert "plan.json" in caught.value.fact


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", "tkg-mirror/plan/v2"),
        ("images", {}),
        ("images", [None]),
        ("images", []),
        ("boms", None),
        ("boms", [{"kind": "tkg-bom"}]),
    ],
)
def test_a_plan_with_a_wrong_shape_is_refused(key: str, value: object) -> None:
    with pytest.raises(InputFault):
        read(document() | {key: value})


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"schema":1,"schema":1}'])
def test_what_is_no_plan_at_all(raw: bytes) -> None:
    with pytest.raises(InputFault, match="not a plan"):
        planfile.parse(raw, "plan.json")


def test_a_plan_of_ten_thousand_images_and_as_many_members_is_read() -> None:
    """Names as long as the longest of TKG; blobs are counted in a plan, and not listed."""
    tag, host = "v1.23.8_vmware.2-tkg.1-zshippable", "projects.registry.vmware.com/tkg"
    images = []
    for number in range(10_000):
        path, digest = f"tanzu_core/some/component-{number:05}", str(Digest.of(b"%d" % number))
        members = [str(Digest.of(b"%d.%d" % (number, each))) for each in range(10)]
        images.append(
            {
                "reference": f"{host}/{path}:{tag}",
                "repository": host,
                "path": path,
                "tag": tag,
                "digest": digest,
                "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
                "size": 1234,
                "kind": "image" if number % 10 else "imgpkg-bundle",
                "members": [] if number % 10 else sorted(members),
                "places": [f"projects.packages.broadcom.com/tkg/{path}:{tag}@{digest}"],
            }
        )
    raw = json.dumps({"schema": planfile.SCHEMA, "boms": [], "images": images}, indent=2).encode()
    assert len(raw) < MAX_PLAN / 3
    assert len(planfile.parse(raw, "plan.json").images.images) == 10_000


def test_one_reference_pinned_to_two_digests_is_refused() -> None:
    wrong = document()
    wrong["images"].append(wrong["images"][0] | {"digest": str(Digest.of(b"other"))})
    with pytest.raises(InputFault, match="twice"):
        read(wrong)
