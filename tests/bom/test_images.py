from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bom.errors import BomFault, InputFault, ListFault
from bom.images import ImageSet, WantedImage, images_of_boms, images_of_list, merge
from bom.limits import MAX_LIST_LINES
from tests.bom.documents import TKG, TKR, changed, parse, steady

HEX = "0123456789abcdef" * 4
BASE = "registry.example.com/tkg"
OWN_TKG = (
    "  tkg-bom:\n    - version: v0.9.0\n      images: {b: {imagePath: tkg-bom, tag: v0.9.0}}\n"
)

pieces = st.lists(st.sampled_from(["r.io/", "a", ":1", "#", " ", "\n", "\r", "@"])).map("".join)


def names(found: ImageSet) -> list[str]:
    return [str(image.reference) for image in found.images]


def override(path: str, tag: str, repository: str) -> str:
    """A BOM with one more image, from a repository of its own."""
    entry = f"{{imagePath: {path}, tag: {tag}, repository: {repository}}}"
    return f"{TKG}  o:\n    - images: {{i: {entry}}}\n"


def image(found: ImageSet, reference: str) -> WantedImage:
    (match,) = [image for image in found.images if str(image.reference) == reference]
    return match


def test_a_reference_is_base_path_and_tag_and_knows_who_wants_it() -> None:
    found = images_of_boms([parse(TKG)])
    assert names(found) == [f"{BASE}/harbour/buoy:v1.0.0"]
    (only,) = found.images
    assert (only.repository, only.path) == (BASE, "harbour/buoy")
    assert only.components == ("buoy/v1.0.0+example.1",)
    assert only.boms == ("tkg-bom:v0.9.0",)
    assert (only.kind, only.required) == ("image", True)
    assert found.repositories == (BASE,)
    assert [(fact.kind, fact.release) for fact in found.boms] == [("tkg-bom", "v0.9.0")]


def test_an_image_of_two_components_and_two_boms_comes_once_with_all_who_want_it() -> None:
    pause = "  {}:\n    - version: v1\n      images: {{p: {{imagePath: pause, tag: 3.10}}}}\n"
    tkg = parse(TKG + pause.format("b") + pause.format("a"))
    tkr = parse(changed("kubeadmConfigSpec:", pause.format("c") + "kubeadmConfigSpec:", TKR))
    found = images_of_boms([tkg, tkr])
    wanted = image(found, f"{BASE}/pause:3.10")
    assert wanted.components == ("a/v1", "b/v1", "c/v1")
    assert wanted.boms == ("tkg-bom:v0.9.0", "tkr-bom:v1.30.1+example.1-tkg.1")
    assert len(found.images) == 3


def test_another_source_takes_the_bases_place_and_leaves_overrides() -> None:
    text = override("o", "1", "r.io/extra")
    found = images_of_boms([parse(text)], source_repo="mirror.example.com:5000/x/")
    assert names(found) == ["mirror.example.com:5000/x/harbour/buoy:v1.0.0", "r.io/extra/o:1"]
    assert found.repositories == ("mirror.example.com:5000/x", "r.io/extra")
    assert image(found, "r.io/extra/o:1").path == "o"


def test_a_base_repository_may_be_a_bare_host() -> None:
    found = images_of_boms([parse(changed("registry.example.com/tkg", "Registry.example.com"))])
    assert names(found) == ["registry.example.com/harbour/buoy:v1.0.0"]
    assert found.repositories == ("registry.example.com",)


def test_the_boms_own_images_come_along_and_may_be_absent() -> None:
    found = images_of_boms([parse(TKG), parse(TKR)], own_images=True)
    for name, path in (
        (f"{BASE}/tkg-bom:v0.9.0", "tkg-bom"),
        (f"{BASE}/tkr-bom:v1.30.1_example.1-tkg.1", "tkr-bom"),
    ):
        own = image(found, name)
        assert (own.path, own.kind, own.required, own.components) == (path, "bom", False, ())


def test_an_own_image_that_a_component_lists_is_required() -> None:
    own = image(images_of_boms([parse(TKG + OWN_TKG)], own_images=True), f"{BASE}/tkg-bom:v0.9.0")
    assert (own.kind, own.required, own.components) == ("bom", True, ("tkg-bom/v0.9.0",))


def test_kubeadm_adds_only_what_components_lack_and_says_so() -> None:
    assert len(images_of_boms([parse(TKR)]).images) == 1
    found = images_of_boms([parse(f"{TKR}  dns: {{imageTag: v1.11}}\n")])
    assert image(found, f"{BASE}/coredns:v1.11").components == ("kubeadmConfigSpec/coredns",)
    assert found.notices == (
        "file.yaml:12: coredns:v1.11 is in kubeadmConfigSpec but in no component; added",
    )


def test_addon_templates_are_wanted_by_their_addon() -> None:
    addon = "addons: {cni: {templatesImagePath: a/cni, templatesImageTag: 1.10}}\n"
    found = images_of_boms([parse(TKR + addon)])
    assert image(found, f"{BASE}/a/cni:1.10").components == ("addon/cni",)


def test_one_reference_at_two_paths_is_refused() -> None:
    text = override("buoy", "v1.0.0", f"{BASE}/harbour")
    with pytest.raises(InputFault, match="two paths"):
        images_of_boms([parse(text)])


def test_two_references_for_one_destination_are_both_kept() -> None:
    text = override("harbour/buoy", "v1.0.0", "r.io/x")
    assert len(images_of_boms([parse(text)]).images) == 2


def test_parts_that_are_too_long_together_are_a_fault_of_that_image() -> None:
    bom = parse(changed("harbour/buoy", "a" * 240))
    with pytest.raises(BomFault) as caught:
        images_of_boms([bom])
    assert (caught.value.line, caught.value.file) == (11, "file.yaml")
    assert "longer than 255" in caught.value.found


def test_the_same_bom_twice_is_one_fact_and_merging_again_changes_nothing() -> None:
    once = images_of_boms([parse(TKG)])
    assert images_of_boms([parse(TKG), parse(TKG)]) == once
    assert merge([once, once]) == merge([once]) == once


def test_a_list_is_read_with_comments_blank_lines_and_windows_ends() -> None:
    text = f"\ufeff# all\r\n\r\n  r.io/b:1  # why\r\nr.io/a@sha256:{HEX}\r\nr.io/b:1\t#x\nr.io/b:2"
    found = images_of_list(text, "list.txt")
    assert names(found) == [f"r.io/a@sha256:{HEX}", "r.io/b:1", "r.io/b:2"]
    assert {(entry.components, entry.boms) for entry in found.images} == {((), ())}
    assert found.repositories == ("r.io",)


@pytest.mark.parametrize(
    ("source", "path", "repository"),
    [
        (None, "tkg/a/b", "r.io"),
        ("r.io", "tkg/a/b", "r.io"),
        ("r.io/tkg", "a/b", "r.io/tkg"),
        ("r.io/tkg/a", "b", "r.io/tkg/a"),
        ("r.io/tk", "tkg/a/b", "r.io"),
        ("r.io/tkg/a/b", "tkg/a/b", "r.io"),
        ("other.io/tkg", "tkg/a/b", "r.io"),
    ],
)
def test_the_path_of_a_listed_image_is_what_follows_the_source(
    source: str | None, path: str, repository: str
) -> None:
    (only,) = images_of_list("r.io/tkg/a/b:1", "list.txt", source_repo=source).images
    assert (only.path, only.repository) == (path, repository)


@pytest.mark.parametrize(
    ("line", "position", "reason"),
    [
        ("r.io/a", 6, "write :latest if that is meant"),
        ("nginx:1", 0, "docker.io/library/nginx:1"),
        ("r.io/a:1 r.io/b:1", 8, "white space"),
        ("r.io/a:1#x", 8, "'#'"),
        ("r.io/a\x0bb:1", 6, "white space"),
        ("user:pw@r.io/a:1", 0, "password"),
    ],
)
def test_a_wrong_line_is_told_with_its_number_and_place(
    line: str, position: int, reason: str
) -> None:
    with pytest.raises(ListFault) as caught:
        images_of_list(f"# head\nr.io/ok:1\n   {line}\n", "list.txt")
    fault = caught.value
    assert (fault.file, fault.line, fault.position) == ("list.txt", 3, position)
    assert reason in fault.reason
    assert str(fault).startswith("list.txt:3: ")


def test_a_list_without_images_or_without_end_is_refused() -> None:
    with pytest.raises(ListFault, match="names no image"):
        images_of_list("# nothing\n", "list.txt")
    with pytest.raises(ListFault, match="longer than"):
        images_of_list("\n" * (MAX_LIST_LINES + 1), "list.txt")


@steady
@given(st.text() | pieces)
def test_any_text_is_a_list_or_a_fault(text: str) -> None:
    with contextlib.suppress(InputFault):
        assert images_of_list(text, "list.txt", source_repo="r.io/a").images
