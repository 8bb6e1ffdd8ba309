"""What changes between two BOMs: each image in one place of the answer, and in the right one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bom.diff import BomDiff, Pair, diff_boms
from bom.errors import InputFault
from bom.images import images_of_boms
from bom.model import Bom
from bom.parse import read_bom
from tests.bom.documents import REAL, TKG, TKR, needs_real, parse, steady

_HEAD = """\
default: {{k8sVersion: v1+x}}
release: {{version: {release}}}
imageConfig: {{imageRepository: {base}}}
components:
"""


def bom(
    *images: str,
    release: str = "v1",
    base: str = "r.example/tkg",
    extra: dict[str, str] | None = None,
) -> Bom:
    """A TKG BOM from ``component@version/key path:tag``; ``extra`` are overrides by path."""
    components: dict[str, dict[str, list[str]]] = {}
    for image in images:
        where, _, place = image.partition(" ")
        (name, _, version), (_, _, key) = (
            where.partition("/")[0].partition("@"),
            where.partition("/"),
        )
        entries = components.setdefault(name, {}).setdefault(version, [])
        if place:
            path, _, tag = place.partition(":")
            own = f", imageRepository: {extra[path]}" if extra and path in extra else ""
            entries.append(f"{key}: {{imagePath: {path}, tag: {tag}{own}}}")
    text = _HEAD.format(release=release, base=base)
    for name, versions in components.items():
        items = (f"{{version: {v}, images: {{{', '.join(e)}}}}}" for v, e in versions.items())
        text += f"  {name}: [{', '.join(items)}]\n"
    return parse(text)


def names(diff: BomDiff) -> dict[str, list[str]]:
    """What is said of images, as ``path:tag`` and ``path:tag -> path:tag``."""

    def pair(each: Pair) -> str:
        old, new = (f"{i.path}:{i.reference.tag}" for i in (each.old, each.new))
        return f"{old} -> {new}"

    return {
        "added": [f"{i.path}:{i.reference.tag}" for i in diff.added],
        "removed": [f"{i.path}:{i.reference.tag}" for i in diff.removed],
        "changed": [pair(each) for each in diff.changed],
    }


NOTHING: dict[str, list[str]] = {"added": [], "removed": [], "changed": []}


def test_a_bom_differs_in_nothing_from_itself() -> None:
    one = bom("a@v1/x a:1", "b@v1/y b/c:2")
    found = diff_boms(one, one)
    assert (names(found), found.components, len(found.same)) == (NOTHING, (), 2)


def test_another_tag_is_a_change_and_not_one_more_and_one_less() -> None:
    found = diff_boms(
        bom("contour@v1.17.2/i contour:v1.17.2"), bom("contour@v1.18.2/i contour:v1.18.2")
    )
    assert names(found) == {**NOTHING, "changed": ["contour:v1.17.2 -> contour:v1.18.2"]}
    (each,) = found.changed_components
    assert (each.name, each.old, each.new) == ("contour", ("v1.17.2",), ("v1.18.2",))


def test_an_image_that_moved_to_another_path_is_followed_by_its_component_and_key() -> None:
    found = diff_boms(
        bom("antrea@v0/i antrea/antrea-debian:v0"), bom("antrea@v1/i antrea-advanced:v1")
    )
    assert names(found)["changed"] == ["antrea/antrea-debian:v0 -> antrea-advanced:v1"]


def test_an_image_of_a_renamed_component_is_followed_by_its_path() -> None:
    found = diff_boms(bom("tanzu_core@v1/t tkr/c:1"), bom("tanzu-framework@v2/u tkr/c:2"))
    assert names(found)["changed"] == ["tkr/c:1 -> tkr/c:2"]
    assert [each.name for each in found.added_components] == ["tanzu-framework"]
    assert [each.name for each in found.removed_components] == ["tanzu_core"]


def test_of_several_versions_the_newest_follows_the_newest() -> None:
    old = bom("c@v1.9/i c:v1.9", "c@v1.10/i c:v1.10")
    new = bom("c@v1.10/i c:v1.10", "c@v1.11/i c:v1.11", "c@v1.12/i c:v1.12")
    assert names(diff_boms(old, new)) == {
        "added": ["c:v1.11"],
        "removed": [],
        "changed": ["c:v1.9 -> c:v1.12"],
    }
    assert names(diff_boms(new, old)) == {
        "added": [],
        "removed": ["c:v1.11"],
        "changed": ["c:v1.12 -> c:v1.9"],
    }


def test_keys_that_name_one_image_twice_make_one_change() -> None:
    old = bom("cli@v1/image cli/p:1", "cli@v1/staticImage cli/p:1")
    new = bom("cli@v2/image cli/p:2", "cli@v2/staticImage cli/p:2")
    assert names(diff_boms(old, new)) == {**NOTHING, "changed": ["cli/p:1 -> cli/p:2"]}


def test_an_image_under_two_keys_may_part_and_is_told_once_for_each() -> None:
    old = bom("cli@v1/a p:1", "cli@v1/b p:1")
    new = bom("cli@v2/a p:2", "cli@v2/b q:2")
    found = names(diff_boms(old, new))
    assert len(found["changed"]) == len(found["added"]) == 1
    assert not found["removed"]


def test_a_release_read_from_another_registry_has_not_changed_in_every_image() -> None:
    old, new = bom("a@v1/x a:1"), bom("a@v1/x a:1", base="staging.example:5000/x/tkg")
    found = diff_boms(old, new)
    assert names(found) == NOTHING
    assert str(found.same[0].new.reference) == "staging.example:5000/x/tkg/a:1"


def test_an_image_that_gets_a_repository_of_its_own_has_changed() -> None:
    old, new = bom("a@v1/x a:1"), bom("a@v1/x a:1", extra={"a": "elsewhere.example/x"})
    (pair,) = diff_boms(old, new).changed
    assert str(pair.new.reference) == "elsewhere.example/x/a:1"
    back = diff_boms(new, old)
    assert len(back.changed) == 1


def test_an_override_that_says_what_the_base_says_changes_nothing() -> None:
    old, new = bom("a@v1/x a:1"), bom("a@v1/x a:1", extra={"a": "r.example/tkg/"})
    assert names(diff_boms(old, new)) == NOTHING


def test_a_component_without_images_has_versions_all_the_same() -> None:
    found = diff_boms(bom("imgpkg@v0.5", "a@v1/x a:1"), bom("imgpkg@v0.29", "a@v1/x a:1"))
    assert [(each.name, each.old, each.new) for each in found.components] == [
        ("imgpkg", ("v0.5",), ("v0.29",))
    ]


def test_two_kinds_are_refused_by_name() -> None:
    with pytest.raises(InputFault, match="two kinds") as caught:
        diff_boms(parse(TKG), parse(TKR))
    assert "a TKG BOM" in caught.value.fact
    assert "a TKr BOM" in caught.value.fact


@needs_real
def test_the_two_real_tkg_boms() -> None:
    old = read_bom(REAL / "bom" / "tkg-bom-v1.3.1-zlatest.yaml")
    new = read_bom(REAL / "bom" / "tkg-bom-v1.6.0.yaml")
    found = diff_boms(old, new)
    # 66 images before and 112 after: 8 + 58 and 54 + 58.
    assert (len(found.removed), len(found.changed), len(found.added)) == (8, 58, 54)
    assert names(found)["removed"] == [
        "ako:v1.3.2_vmware.1",
        "ako-operator:v1.3.1_vmware.1",
        "cluster-autoscaler:v1.17.4_vmware.1",
        "gangway:v3.2.0_vmware.2",
        "harbor/clair-adapter-photon:v2.1.3_vmware.1",
        "harbor/clair-photon:v2.1.3_vmware.1",
        "prometheus/cadvisor:v0.36.0_vmware.1",
        "tkg-extensions-templates:v1.3.1_vmware.1",
    ]
    changed = names(found)["changed"]
    assert "contour:v1.12.0_vmware.1 -> contour:v1.20.2_vmware.1" in changed
    assert "tanzu_core/tkr/tkr-controller-manager:v1.3.1-zlatest -> " in " ".join(changed)
    assert len(found.changed_components) == 37
    assert [each.name for each in found.removed_components] == [
        "ako-operator",
        "cadvisor",
        "gangway",
        "load-balancer-and-ingress-service",
        "tanzu_core",
        "tkg_extensions",
    ]


_NAMES = st.sampled_from(["a", "b", "c"])
_IMAGES = st.lists(
    st.builds(
        lambda name, version, key, path, tag: (name, version, key, path, tag),
        *(_NAMES, st.sampled_from(["v1", "v2"]), _NAMES, _NAMES, st.sampled_from(["1", "2", "10"])),
    ),
    min_size=1,
    unique_by=lambda image: image[:3],
)


def _of(images: list[tuple[str, ...]]) -> Bom:
    return bom(
        *(f"{name}@{version}/{key} {path}:{tag}" for name, version, key, path, tag in images)
    )


@steady
@given(_IMAGES, _IMAGES)
def test_every_image_is_in_exactly_one_place_of_the_answer(
    before: list[tuple[str, ...]], after: list[tuple[str, ...]]
) -> None:
    old, new = _of(before), _of(after)
    found = diff_boms(old, new)
    pairs = [*found.changed, *found.same]
    for side, alone, paired in (
        (old, found.removed, [pair.old for pair in pairs]),
        (new, found.added, [pair.new for pair in pairs]),
    ):
        told = sorted(str(image.reference) for image in (*alone, *paired))
        assert told == [str(image.reference) for image in images_of_boms([side]).images]


@steady
@given(_IMAGES)
def test_the_order_in_a_file_is_no_difference(images: list[tuple[str, ...]]) -> None:
    assert names(diff_boms(_of(images), _of(images[::-1]))) == NOTHING
