"""The files on disk: the project's own, and the real ones where they are at hand."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
import yaml

from bom.errors import BomFault
from bom.images import images_of_boms, images_of_list
from bom.model import Bom, BomKind, ImagesLock, TkrCompatibility
from bom.parse import read_bom, read_document
from bom.select import Selection, select
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


LOCKS = [
    ("imageslock/tce-antrea-1.5.3.images.yml", 1),
    ("imageslock/tce-app-toolkit-0.2.0.images.yml", 0),
    ("imageslock/tce-cert-manager-1.5.5.images.yml", 3),
    ("imageslock/tce-contour-1.20.1.images.yml", 2),
    ("imageslock/tce-fluent-bit-1.7.5.images.yml", 1),
    ("imageslock/tce-grafana-7.5.11.images.yml", 2),
    ("imageslock/tf-empty-images.images.yml", 0),
]

# File, TKG versions, TKrs of all together.
COMPATIBILITY = [
    ("compat/tkr-compatibility-v19.yaml", 18, 60),
    ("compat/tkr-compatibility-fake.yaml", 5, 13),
]


def load(name: str) -> Any:
    """The first document of a file, by PyYAML's own tree of texts; a ConfigMap's BOM unwrapped."""
    document: Any = next(yaml.load_all((REAL / name).read_bytes(), Loader=yaml.BaseLoader))
    if document.get("kind") == "ConfigMap":
        return yaml.load(document["data"]["bomContent"], Loader=yaml.BaseLoader)  # noqa: S506
    return document


def read_simply(name: str) -> list[str]:
    """References as a few lines of ordinary YAML reading give them, to compare with."""
    document = load(name)
    base = document["imageConfig"]["imageRepository"]
    return [
        f"{image.get('repository', base)}/{image['imagePath']}:{image['tag']}"
        for versions in document["components"].values()
        for version in versions
        for image in (version.get("images") or {}).values()
    ]


def addons_simply(name: str) -> set[str]:
    """The images that only addons name, as 1.3.0 wrote them."""
    document = load(name)
    base = document["imageConfig"]["imageRepository"]
    return {
        f"{base}/{addon['templatesImagePath']}:{addon['templatesImageTag']}"
        for addon in document.get("addons", {}).values()
        if "templatesImagePath" in addon
    }


@needs_real
def test_every_sample_is_read_by_a_test() -> None:
    files = {str(path.relative_to(REAL)) for path in REAL.glob("*/*")}
    assert files == {name for name, *_ in (*COUNTS, *LOCKS, *COMPATIBILITY)} | {"odd/bad-bom.yaml"}


@needs_real
@pytest.mark.parametrize(("name", "listed", "unique", "addons"), COUNTS)
def test_no_image_of_a_real_bom_is_lost_or_invented(
    name: str, listed: int, unique: int, addons: int
) -> None:
    bom = read_bom(REAL / name)
    assert read_document(REAL / name) == bom
    simple = read_simply(name)
    found = [str(image.reference) for image in images_of_boms([bom]).images]
    assert (len(simple), len(set(simple)), len(addons_simply(name))) == (listed, unique, addons)
    assert found == sorted({*simple, *addons_simply(name)})
    assert len(found) == unique + addons
    assert sum(len(component.images) for component in bom.components) == listed


@needs_real
@pytest.mark.parametrize("name", [name for name, *_ in COUNTS])
def test_what_a_real_bom_says_besides_images_is_read_whole(name: str) -> None:
    bom, document = read_bom(REAL / name), load(name)
    machines = [
        (kind, item.get("sku", item.get("name")), *item["osinfo"].values())
        for kind in ("ova", "azure")
        for item in document.get(kind, [])
    ]
    packages = [
        (key, addon["packageName"], addon["category"], tuple(addon["clusterTypes"]))
        for key, addon in document.get("addons", {}).items()
        if "packageName" in addon
    ]
    assert [tuple(each) for each in bom.os_images] == machines
    assert [tuple(each) for each in bom.packages] == packages
    assert bom.tkr_packages == document.get("tkr-package", {})
    assert bom.tkr_package_repositories == document.get("tkr-package-repo", {})
    assert {region: [ami.id for ami in amis] for region, amis in bom.amis.items()} == {
        region: [ami["id"] for ami in amis] for region, amis in document.get("ami", {}).items()
    }
    assert bom.fips is False


@needs_real
@pytest.mark.parametrize(("name", "count"), LOCKS)
def test_no_image_of_a_real_lock_is_lost_or_invented(name: str, count: int) -> None:
    lock = read_document(REAL / name)
    assert isinstance(lock, ImagesLock)
    simple = load(name).get("images") or []
    assert [str(image.reference) for image in lock.images] == [each["image"] for each in simple]
    assert [image.annotations for image in lock.images] == [each["annotations"] for each in simple]
    assert len(simple) == count


@needs_real
@pytest.mark.parametrize(("name", "versions", "tkrs"), COMPATIBILITY)
def test_no_tkr_of_a_real_compatibility_file_is_lost_or_invented(
    name: str, versions: int, tkrs: int
) -> None:
    found = read_document(REAL / name)
    assert isinstance(found, TkrCompatibility)
    document = load(name)
    simple = [
        (each["version"], tuple(each["supportedKubernetesVersions"]))
        for each in document["managementClusterVersions"]
    ]
    assert found.version == document.get("version", "")
    assert [(release.version, release.tkrs) for release in found.releases] == simple
    assert (len(simple), sum(len(each) for _, each in simple)) == (versions, tkrs)


@needs_real
def test_tkg_1_6_wants_six_tkr_packages_for_its_tkr() -> None:
    pair = [read_bom(REAL / COUNTS[0][0]), read_bom(REAL / COUNTS[1][0])]
    found = images_of_boms(pair, infrastructures=None)
    names = {str(image.reference) for image in found.images if not image.required}
    document, tag = load(COUNTS[0][0]), pair[1].release.replace("+", "_")
    assert len(found.images) == 181 + 6
    assert names == {
        f"{document['imageConfig']['imageRepository']}/{path}:{tag}"
        for section in ("tkr-package", "tkr-package-repo")
        for path in document[section].values()
    }


@needs_real
@pytest.mark.parametrize(
    ("glob", "count"), [("contour", 3), ("tkg-core-packages", 16), ("*/v1.23.8*", 30)]
)
def test_components_of_tkg_1_6_can_be_chosen(glob: str, count: int) -> None:
    pair = [read_bom(REAL / COUNTS[0][0]), read_bom(REAL / COUNTS[1][0])]
    chosen = select(images_of_boms(pair, own_images=True), Selection((glob,)))
    assert len(chosen.images) == count
    assert f"{182 - count} of 182 images" in chosen.notices[-1]


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
