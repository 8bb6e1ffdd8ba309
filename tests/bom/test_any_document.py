"""What nobody wrote on purpose: any bytes, and documents one or two mistakes from a valid one."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bom.errors import BomFault, InputFault
from bom.images import ImageSet, images_of_boms
from bom.model import Bom, Document, LockedImage, PluginVersion, TkgRelease
from bom.parse import (
    parse_bom,
    parse_document,
    parse_images_lock,
    parse_tkg_compatibility,
    parse_tkr_compatibility,
)
from bom.reference import Reference, check_path, check_tag
from tests.bom.documents import (
    HEX,
    LOCK,
    TKG,
    TKG_COMPATIBILITY,
    TKR,
    TKR_COMPATIBILITY,
    grammar,
    nested,
    steady,
)

Reader = Callable[[bytes, str], Document]
Path = tuple[str | int, ...]

READERS: tuple[Reader, ...] = (
    parse_bom,
    parse_document,
    parse_images_lock,
    parse_tkg_compatibility,
    parse_tkr_compatibility,
)

FULL_TKG = f"""{TKG}\
        extra: {{imagePath: extra, tag: 3.10, imageRepository: r.io/x, repository: r.io/x}}
tkr-bom: {{imagePath: tkr-bom}}
tkr-compatibility: {{imagePath: v1/tkr-compatibility}}
tkr-package: {{aws: tkr-aws}}
tkr-package-repo: {{aws: tkr-repository-aws}}
"""
OSINFO = "osinfo: {name: photon, version: 3, arch: amd64}"
FULL_TKR = f"""{TKR}\
  dns: {{imageTag: v1.11}}
  kubernetesVersion: v1.30.1+example.1
ova: [{{name: ova-photon-3, {OSINFO}}}]
ami: {{r-1: [{{id: ami-1, {OSINFO}}}]}}
azure: [{{sku: k8s, {OSINFO}}}]
addons:
  cni: {{category: cni, clusterTypes: [management], packageName: cni.example.com}}
  old: {{templatesImagePath: a/cni, templatesImageTag: 1.10}}
"""
VALID = {
    "tkg-bom": FULL_TKG,
    "tkr-bom": FULL_TKR,
    "configmap": nested(TKG),
    "tkg-compatibility": TKG_COMPATIBILITY,
    "tkr-compatibility": TKR_COMPATIBILITY,
    "lock": LOCK,
}

# Each stands in place of each value: other types, nothing, and texts that no field may pass on.
WRONG: tuple[Any, ...] = (
    None,
    "",
    "~",
    "text",
    [],
    ["a", None, ["b"]],
    {},
    {"a": "b"},
    {"": {"\x1b": [None]}},
    [{"version": None, "images": [], "image": {}, "imagePath": "a", "tag": "b"}],
    "a" * 100_000,
    ["a"] * 3_000,
    "\x1b[31m\n\x00",
    "\u202e\u2028\x85",
    "../../etc/passwd",
    "https://me:sesame@r.io/a",
    "me:sesame@r.io/a",
    "https://me:" + "sesame" * 100 + f"@r.io/a@sha256:{HEX}",
    f"a@sha256:{HEX}",
    "v1+x",
)


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every value in a document, its root first."""
    yield path
    if isinstance(value, dict):
        for key, below in value.items():
            yield from places(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from places(below, (*path, index))


def with_value(document: Any, path: Path, value: Any) -> Any:
    """The document with another value at a place; where a place went, the root of what is left."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    here = changed
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    return changed


def without(document: Any, path: Path) -> Any:
    """The document with a key or an item taken out."""
    changed = copy.deepcopy(document)
    here = changed
    for step in path[:-1]:
        here = here[step]
    del here[path[-1]]
    return changed


def tree(name: str) -> Any:
    return yaml.load(VALID[name], Loader=yaml.BaseLoader)  # noqa: S506


def check(document: Any) -> bool:
    """Read a document, and the images of a BOM. Is it in shape? Whatever is said must be fit."""
    text = json.dumps(document, indent=1)
    try:
        found = parse_document(text.encode(), "file.yaml")
    except BomFault as fault:
        check_fault(fault, text)
        return False
    if isinstance(found, Bom):
        try:
            check_images(images_of_boms([found], own_images=True, infrastructures=None))
        except InputFault as fault:
            check_fault(fault, text)
            return False
    return True


def check_fault(fault: InputFault, text: str) -> None:
    said = f"{fault} {fault.hint}"
    assert said.isprintable()
    assert len(said) < 3_000
    assert "sesame" not in said
    assert not isinstance(fault, BomFault) or 0 <= fault.line <= text.count("\n") + 1


def check_images(found: ImageSet) -> None:
    """What goes on from here became file names, requests and output."""
    for image in found.images:
        assert Reference.parse(str(image.reference)) == image.reference
        assert check_path(image.path) == image.path
        assert check_tag(image.reference.tag or "")
        assert all(label.isprintable() and label for label in image.components)


@steady
@given(st.binary() | st.text().map(str.encode) | grammar, st.sampled_from(READERS))
def test_any_bytes_are_a_document_or_a_fault(data: bytes, read: Reader) -> None:
    with contextlib.suppress(BomFault):
        read(data, "file.yaml")


@pytest.mark.parametrize("name", VALID)
def test_the_valid_documents_are_valid(name: str) -> None:
    assert check(tree(name))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("name", VALID)
def test_a_wrong_value_in_any_place_is_a_result_or_a_fault(name: str, wrong: Any) -> None:
    document = tree(name)
    results = [check(with_value(document, path, wrong)) for path in places(document)]
    # At the root, at least, none of them is a document.
    assert not all(results)


@pytest.mark.parametrize("name", VALID)
def test_a_value_left_out_in_any_place_is_a_result_or_a_fault(name: str) -> None:
    document = tree(name)
    results = {path: check(without(document, path)) for path in places(document) if path}
    assert not all(results.values())


@steady
@given(st.data())
def test_two_mistakes_in_one_document_are_a_result_or_a_fault(data: st.DataObject) -> None:
    document = tree(data.draw(st.sampled_from(sorted(VALID))))
    for _ in range(2):
        path = data.draw(st.sampled_from(list(places(document))))
        document = with_value(document, path, data.draw(st.sampled_from(WRONG) | st.text()))
    check(document)


@steady
@given(st.sampled_from(sorted(VALID)), st.data())
def test_a_damaged_place_in_the_text_is_a_result_or_a_fault(name: str, data: st.DataObject) -> None:
    text = VALID[name]
    start = data.draw(st.integers(0, len(text)))
    piece = data.draw(grammar | st.text(max_size=3).map(str.encode))
    damaged = text[:start].encode() + piece + text[start + data.draw(st.integers(0, 9)) :].encode()
    with contextlib.suppress(BomFault):
        parse_document(damaged, "file.yaml")


versions = st.from_regex(
    r"v[0-9]{1,2}\.[0-9]{1,2}(\+[a-z]{1,3}\.[0-9])?(-fips\.1)?", fullmatch=True
)
places_of_boms = st.tuples(
    st.sampled_from(["tkg-bom", "a/tkg-bom"]), st.sampled_from(["v1", "3.10"])
)


@steady
@given(st.dictionaries(versions, st.lists(versions, unique=True, max_size=4), max_size=5))
def test_every_tkr_of_a_well_formed_file_comes_out_with_its_text(
    releases: dict[str, list[str]],
) -> None:
    items = [{"version": v, "supportedKubernetesVersions": tkrs} for v, tkrs in releases.items()]
    text = json.dumps({"version": "v1", "managementClusterVersions": items})
    found = parse_tkr_compatibility(text.encode(), "file.yaml")
    assert found.releases == tuple(TkgRelease(v, tuple(tkrs)) for v, tkrs in releases.items())


@steady
@given(st.lists(st.tuples(versions, st.lists(places_of_boms, max_size=4)), max_size=5))
def test_every_bom_of_a_well_formed_file_comes_out_once(
    plugins: list[tuple[str, list[tuple[str, str]]]],
) -> None:
    items = [
        {
            "version": version,
            "supportedTKGBomVersions": [{"imagePath": path, "tag": tag} for path, tag in boms],
        }
        for version, boms in plugins
    ]
    text = json.dumps({"managementClusterPluginVersions": items})
    found = parse_tkg_compatibility(text.encode(), "file.yaml")
    assert [(p.version, [(b.path, b.tag) for b in p.boms]) for p in found.plugins] == plugins
    assert all(isinstance(plugin, PluginVersion) for plugin in found.plugins)
    every = [place for _, boms in plugins for place in boms]
    assert [(place.path, place.tag) for place in found.boms] == list(dict.fromkeys(every))


# JSON writes what is above U+FFFF as two surrogates, which YAML does not put together again.
plane = st.characters(codec="utf-8", max_codepoint=0xFFFF)
texts = st.text(plane, max_size=40)
printable = st.text(plane.filter(str.isprintable), max_size=20)
locked = st.tuples(
    st.text("ab9", min_size=1, max_size=4),
    st.text("0123456789abcdef", min_size=64, max_size=64),
    st.dictionaries(printable, texts, max_size=3),
)


@steady
@given(st.lists(locked, max_size=5))
def test_every_image_of_a_well_formed_lock_comes_out_with_its_annotations(
    images: list[tuple[str, str, dict[str, str]]],
) -> None:
    items = [
        {"image": f"r.io/{name}@sha256:{digest}", "annotations": annotations}
        for name, digest, annotations in images
    ]
    document = {"apiVersion": "imgpkg.carvel.dev/v1alpha1", "kind": "ImagesLock", "images": items}
    found = parse_images_lock(json.dumps(document).encode(), "file.yaml")
    assert found.images == tuple(
        LockedImage(Reference("r.io", name, None, f"sha256:{digest}"), annotations)
        for name, digest, annotations in images
    )
