"""The files on disk: the project's own, and the real ones where they are at hand."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
import yaml

from bom.errors import BomFault
from bom.images import images_of_boms, images_of_list
from bom.model import Bom, BomKind
from bom.parse import read_bom
from tests.bom.documents import OWN, REAL, ROOT, needs_real

TKG = OWN / "tkg-bom-v0.9.0.yaml"
TKR = OWN / "tkr-bom-v1.30.1+example.1-tkg.1.yaml"

# File, listed and unique, from the samples' own index; the last is what addons add to unique.
COUNTS = [
    ("bom/tkg-bom-v1.6.0.yaml", 121, 112, 0),
    ("bom/tkr-bom-v1.23.8+vmware.2-tkg.1.yaml", 71, 71, 0),
    ("bom/tkg-bom-v1.3.1-zlatest.yaml", 66, 66, 0),
    ("bom/tkr-bom-v1.20.5+vmware.1-tkg.1-zlatest.yaml", 38, 38, 0),
    ("bom/tce-tkr-bom-v1.22.7.yaml", 49, 49, 0),
    ("odd/bom-v1.17.13+vmware.1.yaml", 2, 2, 0),
    ("odd/bom_configmap.yaml", 2, 2, 8),
    ("odd/isolated-tkg-bom-v1.3.0.yaml", 36, 36, 0),
    ("odd/isolated-tkr-bom-v1.17.16+vmware.2-tkg.1.yaml", 9, 9, 8),
    ("odd/tkg-bom-v2.1.0.yaml", 37, 37, 0),
]


def read_simply(name: str) -> list[str]:
    """References as a few lines of ordinary YAML reading give them, to compare with."""
    document: Any = next(yaml.load_all((REAL / name).read_bytes(), Loader=yaml.BaseLoader))
    if document.get("kind") == "ConfigMap":
        document = yaml.load(document["data"]["bomContent"], Loader=yaml.BaseLoader)  # noqa: S506
    base = document["imageConfig"]["imageRepository"]
    return [
        f"{image.get('repository', base)}/{image['imagePath']}:{image['tag']}"
        for versions in document["components"].values()
        for version in versions
        for image in (version.get("images") or {}).values()
    ]


@needs_real
@pytest.mark.parametrize(("name", "listed", "unique", "addons"), COUNTS)
def test_no_image_of_a_real_bom_is_lost_or_invented(
    name: str, listed: int, unique: int, addons: int
) -> None:
    bom = read_bom(REAL / name)
    simple = read_simply(name)
    found = images_of_boms([bom])
    components = {str(i.reference) for i in found.images if not is_addon(i.components)}
    assert (len(simple), len(set(simple))) == (listed, unique)
    assert components == set(simple)
    assert sum(len(component.images) for component in bom.components) == listed
    assert len(bom.addon_images) == len(found.images) - unique == addons


def is_addon(components: tuple[str, ...]) -> bool:
    return all(label.startswith("addon/") for label in components)


@needs_real
def test_tkg_1_6_and_its_tkr_want_181_images() -> None:
    pair = [read_bom(REAL / COUNTS[0][0]), read_bom(REAL / COUNTS[1][0])]
    assert [bom.kind for bom in pair] == [BomKind.TKG, BomKind.TKR]
    assert len(images_of_boms(pair).images) == 181
    # The TKG BOM lists itself, so only the TKr BOM's own image is new.
    assert len(images_of_boms(pair, own_images=True).images) == 182


@needs_real
@pytest.mark.parametrize("name", [name for name, *_ in COUNTS if "tkr-bom" in name])
def test_kubeadm_adds_nothing_to_a_real_tkr_bom(name: str) -> None:
    bom = read_bom(REAL / name)
    assert len(bom.kubeadm) == 6
    assert not images_of_boms([bom]).notices


@needs_real
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("odd/bad-bom.yaml", "nothing"),
        ("compat/tkr-compatibility-v19.yaml", "a tkr-compatibility file"),
        ("compat/tkr-compatibility-fake.yaml", "a tkr-compatibility file"),
        ("imageslock/tce-antrea-1.5.3.images.yml", "an ImagesLock"),
        ("imageslock/tf-empty-images.images.yml", "an ImagesLock"),
    ],
)
def test_a_real_file_that_is_no_bom_is_called_by_its_name(name: str, found: str) -> None:
    with pytest.raises(BomFault) as caught:
        read_bom(REAL / name)
    assert found in caught.value.found


@pytest.fixture
def own() -> list[Bom]:
    return [read_bom(TKG, expect=BomKind.TKG), read_bom(TKR, expect=BomKind.TKR)]


def test_the_own_samples_have_what_the_other_tests_build_on(own: list[Bom]) -> None:
    tkg, tkr = own
    assert [len(images_of_boms([bom]).images) for bom in own] == [12, 10]
    both = images_of_boms(own)
    assert len(both.images) == 21
    assert both.repositories == ("registry.example.com/extra", "registry.example.com/tkg")
    assert not both.notices
    assert [c.version[:2] for c in tkg.components if c.name == "harbour-pilot"] == [
        "v1",
        "v1",
        "v2",
    ]
    assert tkg.default_k8s_version == tkr.release
    assert {region: len(amis) for region, amis in tkr.amis.items()} == {
        "eu-example-1": 2,
        "us-example-2": 1,
    }


def test_the_image_of_both_own_samples_keeps_its_unquoted_tag(own: list[Bom]) -> None:
    (pause,) = [image for image in images_of_boms(own).images if image.path == "pause"]
    assert str(pause.reference) == "registry.example.com/tkg/pause:3.10"
    assert len(pause.boms) == 2


def test_the_own_list_is_read() -> None:
    text = (OWN / "images.txt").read_text(encoding="utf-8")
    found = images_of_list(text, "images.txt", source_repo="registry.example.com/tkg")
    assert sorted(image.path for image in found.images) == [
        "apps/ledger",
        "apps/ledger",
        "harbour/pilot",
        "library/nginx",
        "pause",
    ]


def test_the_readmes_snippet_gives_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = doctest.testfile(str(ROOT / "bom" / "README.md"), module_relative=False)
    assert (result.failed, result.attempted > 0) == (0, True)
