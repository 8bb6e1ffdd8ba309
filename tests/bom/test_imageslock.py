from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bom.limits import MAX_FILE_BYTES, MAX_LOCK_IMAGES
from bom.model import Bom, ImagesLock, TkgCompatibility, TkrCompatibility
from bom.parse import parse_document, parse_images_lock, read_document
from tests.bom.documents import (
    HEX,
    LOCK,
    TKG,
    TKG_COMPATIBILITY,
    TKR_COMPATIBILITY,
    changed,
    nested,
    refusal,
)

HEAD = "apiVersion: imgpkg.carvel.dev/v1alpha1\nkind: ImagesLock\n"
FIRST = f"image: r.io/a@sha256:{HEX}"
SECOND = f"- image: r.io/b/c:2@sha256:{HEX[::-1]}"
IMAGE = "images[0].image"


def lock(text: str) -> ImagesLock:
    return parse_images_lock(text.encode(), "file.yaml")


def test_a_lock_is_read_whole() -> None:
    found = lock(LOCK)
    first, second = found.images
    assert str(first.reference) == f"r.io/a@sha256:{HEX}"
    assert first.annotations == {
        "kbld.carvel.dev/id": "r.io/a:1",
        "kbld.carvel.dev/origins": "- resolved: {tag: 1, url: r.io/a:1}\n",
    }
    assert str(second.reference) == f"r.io/b/c:2@sha256:{HEX[::-1]}"
    assert second.annotations == {}
    assert found.sha256 == f"sha256:{hashlib.sha256(LOCK.encode()).hexdigest()}"
    assert found.file == "file.yaml"
    assert len({found, found}) == 1


@pytest.mark.parametrize("images", ["", "images:", "images: null", "images: []"])
def test_a_lock_without_images_is_an_empty_one(images: str) -> None:
    assert lock(HEAD + images).images == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "words"),
    [
        ("apiVersion: imgpkg.carvel.dev/v1alpha1\n", "", 2, "apiVersion", "nothing"),
        ("dev/v1alpha1", "dev/v1beta1", 2, "apiVersion", "v1beta1"),
        ("kind: ImagesLock\n", "", 2, "", "a mapping without"),
        ("kind: ImagesLock\n", "kind: BundleLock\n", 2, "", "a BundleLock"),
        (FIRST, "image: r.io/a:1", 8, IMAGE, "no digest"),
        (FIRST, "image: r.io/a@sha512:00", 8, IMAGE, "sha512"),
        (FIRST, f"image: a@sha256:{HEX}", 8, IMAGE, "no registry host"),
        (FIRST, f"image: r.io/../a@sha256:{HEX}", 8, IMAGE, "'..'"),
        (FIRST, "image: [a]", 8, IMAGE, "a list"),
        (FIRST, "other: x", 4, IMAGE, "nothing"),
        (SECOND, "- text", 9, "images[1]", "'text'"),
        (SECOND, "-", 9, "images[1].image", "nothing"),
        (SECOND, f"- annotations: [x]\n  {FIRST}", 9, "images[1].annotations", "a list"),
        ("kbld.carvel.dev/id: r.io/a:1", "id: {a: b}", 5, "images[0].annotations.id", "a mapping"),
    ],
)
def test_each_fault_names_line_and_key(old: str, new: str, line: int, key: str, words: str) -> None:
    fault = refusal(parse_images_lock, changed(old, new, LOCK))
    assert (fault.file, fault.line, fault.key) == ("file.yaml", line, key)
    assert words in fault.found


def test_a_password_in_a_lock_is_not_repeated() -> None:
    fault = refusal(parse_images_lock, changed("r.io/a@", "me:sesame@r.io/a@", LOCK))
    assert "user name or password" in fault.found
    assert "sesame" not in str(fault) + repr(fault.__cause__)


def test_a_lock_of_more_images_than_any_bundle_has_is_refused() -> None:
    item = f"- image: r.io/a@sha256:{HEX}\n"
    assert len(lock(f"{HEAD}images:\n{item * 300}").images) == 300
    bomb = "- &i {image: r.io/a@sha256:" + HEX + "}\n" + "- *i\n" * MAX_LOCK_IMAGES
    fault = refusal(parse_images_lock, f"{HEAD}images:\n{bomb}")
    assert str(MAX_LOCK_IMAGES) in fault.expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (TKG, Bom),
        (nested(TKG), Bom),
        (f"kind: Secret\n---\n{TKG}", Bom),
        (TKG_COMPATIBILITY, TkgCompatibility),
        (TKR_COMPATIBILITY, TkrCompatibility),
        (LOCK, ImagesLock),
    ],
)
def test_a_document_tells_by_itself_what_it_is(text: str, kind: type, tmp_path: Path) -> None:
    path = tmp_path / "any name"
    path.write_text(text, encoding="utf-8")
    found = read_document(path)
    assert type(found) is kind
    assert found == parse_document(text.encode(), str(path))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "an empty file"),
        ("- a", "a list"),
        ("kind: Secret", "a Secret"),
        ("a: b", "a mapping"),
        (f"{LOCK}---\na: b", "a second one"),
        (nested(TKR_COMPATIBILITY), "a tkr-compatibility file"),
        ("x: " + "y" * MAX_FILE_BYTES, "a larger file"),
    ],
)
def test_what_is_none_of_the_kinds_is_called_by_its_name(text: str, found: str) -> None:
    fault = refusal(parse_document, text)
    assert found in fault.found
