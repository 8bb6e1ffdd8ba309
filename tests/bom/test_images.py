from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bom.errors import BomFault, InputFault, ListFault
from bom.images import ImageSet, WantedImage, images_of_boms, images_of_list, merge
from bom.limits import MAX_LIST_LINES
from bom.parse import parse_bom
from tests.bom.documents import HEX, TKG, TKR, changed, parse, steady

TKR_RELEASE = "v1.30.1+example.1-tkg.1"
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
    for name, path, label in (
        (f"{BASE}/tkg-bom:v0.9.0", "tkg-bom", "tkg-bom/v0.9.0"),
        (f"{BASE}/tkr-bom:v1.30.1_example.1-tkg.1", "tkr-bom", f"tkr-bom/{TKR_RELEASE}"),
    ):
        own = image(found, name)
        assert (own.path, own.kind, own.required, own.components) == (path, "bom", False, (label,))


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


@pytest.mark.parametrize("path_and_tag", ["harbour/buoy:v1.0.0", "tkg-bom:v0.9.0"])
def test_an_override_that_lands_where_another_image_does_is_refused(path_and_tag: str) -> None:
    path, _, tag = path_and_tag.partition(":")
    with pytest.raises(InputFault) as caught:
        images_of_boms([parse(override(path, tag, "r.io/x"))], own_images=True)
    fault = caught.value
    assert fault.what == f"two images would land at {path_and_tag}"
    assert f"r.io/x/{path_and_tag} (file.yaml:15: o)" in fault.fact
    assert f"{BASE}/{path_and_tag} (file.yaml:" in fault.fact
    assert "in the BOM" in fault.hint


@pytest.mark.parametrize("turned", [False, True])
def test_overrides_of_two_boms_that_land_at_one_place_are_refused(turned: bool) -> None:
    boms = [
        parse_bom(override("o", "1", repository).encode(), file)
        for file, repository in (("a.yaml", "r.io/x"), ("b.yaml", "r.io/y"))
    ]
    with pytest.raises(InputFault, match=r"a\.yaml:15") as caught:
        images_of_boms(boms[::-1] if turned else boms)
    assert "b.yaml:15" in caught.value.fact
    assert "two runs" in caught.value.hint


def test_an_override_meets_the_image_behind_it_when_the_source_is_another() -> None:
    text = override("harbour/buoy", "v1.0.0", BASE)
    assert len(images_of_boms([parse(text)]).images) == 1
    with pytest.raises(InputFault, match="mirror"):
        images_of_boms([parse(text)], source_repo="mirror.example.com/x")


def test_one_override_in_two_boms_and_two_base_repositories_are_no_collision() -> None:
    text = override("o", "1", "r.io/x")
    other = changed(BASE, "r.io/other", text)
    assert names(images_of_boms([parse(text), parse(other)])) == [
        "r.io/other/harbour/buoy:v1.0.0",
        "r.io/x/o:1",
        f"{BASE}/harbour/buoy:v1.0.0",
    ]


PACKAGES = (
    f"{TKG}tkr-package: {{aws: tkr-aws, azure: p/tkr}}\ntkr-package-repo: {{aws: repo-aws}}\n"
)


@pytest.mark.parametrize(
    ("infrastructures", "found"),
    [
        ((), []),
        (("azure",), ["p/tkr"]),
        (("aws", "aws"), ["repo-aws", "tkr-aws"]),
        (None, ["p/tkr", "repo-aws", "tkr-aws"]),
    ],
)
def test_tkr_packages_come_for_each_tkr_of_the_infrastructures_that_are_asked_for(
    infrastructures: tuple[str, ...] | None, found: list[str]
) -> None:
    second = parse(changed(f"version: {TKR_RELEASE}", "version: v1.29.4+x.1", TKR))
    boms = [parse(PACKAGES), parse(TKR), second]
    images = images_of_boms(boms, infrastructures=infrastructures).images
    extra = {str(each.reference) for each in images} - set(names(images_of_boms(boms)))
    tags = ("v1.29.4_x.1", "v1.30.1_example.1-tkg.1")
    assert sorted(extra) == [f"{BASE}/{path}:{tag}" for path in found for tag in tags]


def test_a_tkr_package_may_be_absent_and_knows_who_wants_it() -> None:
    boms = [parse(PACKAGES), parse(TKR)]
    found = images_of_boms(boms, source_repo="r.io/m", infrastructures=["aws"])
    for path, label in (("tkr-aws", "tkr-package/aws"), ("repo-aws", "tkr-package-repo/aws")):
        wanted = image(found, f"r.io/m/{path}:v1.30.1_example.1-tkg.1")
        assert (wanted.path, wanted.repository, wanted.kind) == (path, "r.io/m", "image")
        assert (wanted.required, wanted.components) == (False, (label,))
        assert wanted.boms == ("tkg-bom:v0.9.0", f"tkr-bom:{TKR_RELEASE}")
    assert not found.notices


def test_an_infrastructure_that_no_tkg_bom_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputFault, match="'azur'") as caught:
        images_of_boms([parse(PACKAGES), parse(TKR)], infrastructures=["aws", "azur"])
    assert caught.value.fact == "they have 'aws', 'azure'"
    for boms in ([parse(TKG), parse(TKR)], [parse(TKR)], []):
        with pytest.raises(InputFault, match="none of the BOMs has a tkr-package section"):
            images_of_boms(boms, infrastructures=["aws"])
        assert images_of_boms(boms, infrastructures=None) == images_of_boms(boms)


def test_tkr_packages_without_a_tkr_are_none_and_said_so() -> None:
    found = images_of_boms([parse(PACKAGES)], infrastructures=["aws"])
    assert len(found.images) == 1
    assert found.notices == ("no TKr packages are wanted, as none of the BOMs is a TKr BOM",)


@pytest.mark.parametrize("own_images", [False, True])
def test_names_that_are_too_long_only_together_are_a_fault_of_their_bom(own_images: bool) -> None:
    host = "r.io/" + "a" * 235
    tkg = parse(changed("harbour/buoy", "b", changed(BASE, host, PACKAGES)))
    tkg = replace(tkg, tkr_packages={"aws": "c" * 20}, base_repository=host)
    if own_images:
        tkg = replace(tkg, base_repository=host + "a" * 10)
    with pytest.raises(BomFault) as caught:
        images_of_boms([tkg, parse(TKR)], own_images=own_images, infrastructures=["aws"])
    assert (caught.value.file, caught.value.line) == ("file.yaml", 0)
    assert caught.value.key == ("tkg-bom/v0.9.0" if own_images else "tkr-package/aws")
    assert "longer than 255" in caught.value.found


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
