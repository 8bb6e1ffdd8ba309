from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from bom.errors import BomFault
from bom.model import BomPlace, PluginVersion, TkgRelease
from bom.parse import parse_tkg_compatibility, parse_tkr_compatibility
from tests.bom.documents import (
    HEX,
    LOCK,
    TKG,
    TKG_COMPATIBILITY,
    TKR_COMPATIBILITY,
    changed,
    refusal,
)

Reader = Callable[[bytes, str], object]

PLUGINS = "managementClusterPluginVersions"
PLACE = f"{PLUGINS}[0].supportedTKGBomVersions[0]"
BOM = "{imagePath: tkg-bom, tag: v0.9.0}"
RELEASES = "managementClusterVersions"
TKRS = f"{RELEASES}[0].supportedKubernetesVersions"
LAST_TKRS = f"{RELEASES}[1].supportedKubernetesVersions"


def test_a_tkg_compatibility_file_is_read_whole() -> None:
    data = TKG_COMPATIBILITY.encode()
    found = parse_tkg_compatibility(data, "file.yaml")
    new, old = BomPlace("tkg-bom", "v0.9.0"), BomPlace("tkg-bom", "v0.8.1")
    assert found.plugins == (PluginVersion("v0.9.0", (new, old)), PluginVersion("v0.8.0", (old,)))
    assert found.boms == (new, old)
    assert (found.version, found.file) == ("v3", "file.yaml")
    assert found.sha256 == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert len({found, found}) == 1


def test_a_tkr_compatibility_file_is_read_whole() -> None:
    data = TKR_COMPATIBILITY.encode()
    found = parse_tkr_compatibility(data, "file.yaml")
    tkrs = ("v1.30.1+example.1-tkg.1", "v1.29.4+example.1-tkg.2")
    assert found.releases == (TkgRelease("v0.9.0", tkrs), TkgRelease("v0.8.1", tkrs[1:]))
    assert (found.version, found.file) == ("v7", "file.yaml")
    assert found.sha256 == f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.mark.parametrize("value", ["", "[]", "null"])
def test_empty_lists_are_empty(value: str) -> None:
    text = f"{RELEASES}: [{{version: 1.10, supportedKubernetesVersions: {value}}}]"
    assert parse_tkr_compatibility(text.encode(), "f").releases == (TkgRelease("1.10", ()),)
    assert parse_tkr_compatibility(f"{RELEASES}: {value}".encode(), "f").releases == ()
    text = f"{PLUGINS}: [{{version: 1.10, supportedTKGBomVersions: {value}}}]"
    found = parse_tkg_compatibility(text.encode(), "f")
    assert (found.plugins, found.boms, found.version) == ((PluginVersion("1.10", ()),), (), "")


def test_a_tkr_listed_twice_for_one_tkg_comes_once() -> None:
    text = f"{RELEASES}: [{{version: v1, supportedKubernetesVersions: [a, b, a]}}]"
    assert parse_tkr_compatibility(text.encode(), "f").releases == (TkgRelease("v1", ("a", "b")),)


def test_a_tkg_version_listed_twice_is_a_fault() -> None:
    text = changed("- version: v0.8.1", "- version: v0.9.0", TKR_COMPATIBILITY)
    fault = refusal(parse_tkr_compatibility, text)
    assert (fault.line, fault.key) == (7, f"{RELEASES}[1]")
    assert "v0.9.0" in fault.found


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "words"),
    [
        ("version: v7", "version: a/b", 1, "version", "'/'"),
        ("version: v7", "version: [a]", 1, "version", "a list"),
        ("- version: v0.9.0\n ", "-", 3, f"{RELEASES}[0].version", "nothing"),
        ("version: v0.9.0", "version: ../x", 3, f"{RELEASES}[0].version", "'/'"),
        ("version: v0.9.0", 'version: "a\\nb"', 3, f"{RELEASES}[0].version", "'a\\nb'"),
        ("- version: v0.9.0", "- text\n- version: x", 3, f"{RELEASES}[0]", "'text'"),
        ("  - v1.30", "  - ../v1.30", 5, f"{TKRS}[0]", "'/'"),
        ("  - v1.30", "  - x" + "y" * 200, 5, f"{TKRS}[0]", "128"),
        ("  - v1.30", "  -\n  - v1.30", 5, f"{TKRS}[0]", "empty"),
        ("[v1.29.4+example.1-tkg.2]", "{a: b}", 8, LAST_TKRS, "a mapping"),
    ],
)
def test_each_fault_of_a_tkr_compatibility_file_names_line_and_key(
    old: str, new: str, line: int, key: str, words: str
) -> None:
    fault = refusal(parse_tkr_compatibility, changed(old, new, TKR_COMPATIBILITY))
    assert (fault.file, fault.line, fault.key) == ("file.yaml", line, key)
    assert words in fault.found


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "words"),
    [
        ("version: v3", "version: {a: b}", 1, "version", "a mapping"),
        ("- version: v0.9.0\n ", "-", 3, f"{PLUGINS}[0].version", "nothing"),
        (BOM, "{tag: v0.9.0}", 5, f"{PLACE}.imagePath", "nothing"),
        (BOM, "{imagePath: b}", 5, f"{PLACE}.tag", "nothing"),
        (BOM, "{imagePath: ../b, tag: a}", 5, f"{PLACE}.imagePath", "'..'"),
        (BOM, f"{{imagePath: b, tag: 'sha256:{HEX}'}}", 5, f"{PLACE}.tag", "a digest"),
        (BOM, "text", 5, PLACE, "'text'"),
    ],
)
def test_each_fault_of_a_tkg_compatibility_file_names_line_and_key(
    old: str, new: str, line: int, key: str, words: str
) -> None:
    fault = refusal(parse_tkg_compatibility, changed(old, new, TKG_COMPATIBILITY))
    assert (fault.file, fault.line, fault.key) == ("file.yaml", line, key)
    assert words in fault.found


@pytest.mark.parametrize(
    ("read", "text", "expected", "found"),
    [
        (parse_tkg_compatibility, TKR_COMPATIBILITY, "a tkg-comp", "a tkr-compatibility file"),
        (parse_tkr_compatibility, TKG_COMPATIBILITY, "a tkr-comp", "a tkg-compatibility file"),
        (parse_tkr_compatibility, TKG, "a tkr-compatibility file", "a BOM"),
        (parse_tkr_compatibility, LOCK, "a tkr-compatibility file", "an ImagesLock"),
        (parse_tkr_compatibility, "- a", "a tkr-compatibility file", "a list"),
        (parse_tkr_compatibility, "version: v1", "a tkr-compatibility file", "a mapping"),
        (parse_tkr_compatibility, "# nothing", "a tkr-compatibility file", "an empty file"),
        (parse_tkg_compatibility, "kind: Secret", "a tkg-compatibility file", "a Secret"),
        (parse_tkg_compatibility, f"{TKG_COMPATIBILITY}---\na: b", "one YAML doc", "a second one"),
    ],
)
def test_another_document_than_wanted_is_called_by_its_name(
    read: Reader, text: str, expected: str, found: str
) -> None:
    fault = refusal(read, text)
    assert isinstance(fault, BomFault)
    assert fault.expected.startswith(expected)
    assert fault.found.startswith(found)
