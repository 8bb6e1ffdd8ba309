from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bom.errors import BomFault
from bom.limits import MAX_FILE_BYTES
from bom.model import Ami, Bom, BomKind, ImageEntry, OsImage, Package
from bom.parse import parse_bom, read_bom
from tests.bom.documents import HEX, TKG, TKR, changed, fault_of, nested, parse, steady

RELEASE = "release.version"
BASE = "imageConfig.imageRepository"
IMAGE = "components.buoy[0].images.buoyImage"
VERSION = "    - version: v1.0.0+example.1"
CONFIG = "imageConfig:\n  imageRepository: registry.example.com/tkg\n"
ENTRY = "        buoyImage:\n          imagePath: harbour/buoy\n          tag: v1.0.0\n"


def only_image(bom: Bom) -> ImageEntry:
    ((image,),) = [component.images for component in bom.components]
    return image


def test_a_tkg_bom_is_read_whole() -> None:
    bom = parse(TKG + "tkr-bom: {imagePath: tkr-bom}\ntkr-compatibility: {imagePath: v1/compat}\n")
    assert (bom.kind, bom.release, bom.label) == (BomKind.TKG, "v0.9.0", "tkg-bom:v0.9.0")
    assert bom.base_repository == "registry.example.com/tkg"
    assert bom.default_k8s_version == "v1.30.1+example.1-tkg.1"
    assert (bom.tkr_bom_path, bom.tkr_compatibility_path) == ("tkr-bom", "v1/compat")
    assert [component.label for component in bom.components] == ["buoy/v1.0.0+example.1"]
    assert only_image(bom) == ImageEntry("buoyImage", "harbour/buoy", "v1.0.0", None, 11)


def test_a_tkr_bom_is_read_whole() -> None:
    osinfo = "osinfo: {name: photon, version: 3, arch: amd64}"
    bom = parse(f"{TKR}ami:\n  r-1:\n  - {{id: ami-1, {osinfo}}}\n  - {{id: ami-2}}\n  r-2:\n")
    assert (bom.kind, bom.label) == (BomKind.TKR, "tkr-bom:v1.30.1+example.1-tkg.1")
    assert bom.kubeadm == (ImageEntry("etcd", "etcd", "v3.5.12_example.1", None, 11),)
    amis = (Ami("ami-1", "photon", "3", "amd64"), Ami("ami-2", "", "", ""))
    assert bom.amis == {"r-1": amis, "r-2": ()}
    assert len({bom, bom}) == 1


def test_the_tkr_packages_of_each_infrastructure_are_read() -> None:
    bom = parse(f"{TKG}tkr-package: {{aws: tkr-aws}}\ntkr-package-repo: {{aws: r/aws, azure: b}}\n")
    assert bom.tkr_packages == {"aws": "tkr-aws"}
    assert bom.tkr_package_repositories == {"aws": "r/aws", "azure": "b"}
    assert parse(TKG).tkr_packages == parse(f"{TKG}tkr-package:\n").tkr_packages == {}


@pytest.mark.parametrize("value", ["", "../x", "[a]", "'A'"])
def test_a_tkr_package_at_a_wrong_path_is_a_fault(value: str) -> None:
    fault = fault_of(f"{TKG}tkr-package:\n  aws: {value}\n")
    assert (fault.line, fault.key) == (15, "tkr-package.aws")


def test_machine_images_of_vsphere_and_azure_are_read() -> None:
    osinfo = "osinfo: {name: photon, version: 3, arch: amd64}"
    azure = "azure: [{sku: k8s, name: x}, {name: gallery}, {id: i}, {}]"
    assert parse(
        f"{TKR}ova: [{{name: ova-photon-3, version: v1, {osinfo}}}]\n{azure}\n"
    ).os_images == (
        OsImage("ova", "ova-photon-3", "photon", "3", "amd64"),
        *(OsImage("azure", name, "", "", "") for name in ("k8s", "gallery", "i", "")),
    )


def test_the_packages_of_later_releases_are_read_and_earlier_forms_left() -> None:
    addons = "addons:\n  cni: {packageName: cni.example.com, category: cni, clusterTypes: [a, b]}\n"
    addons += "  cpi: {packageName: cpi.example.com}\n  old: {category: csi}\n  none:\n"
    assert parse(TKR + addons).packages == (
        Package("cni", "cni.example.com", "cni", ("a", "b")),
        Package("cpi", "cpi.example.com", "", ()),
    )


@pytest.mark.parametrize(
    ("release", "fips"),
    [
        ("v1.6.0", False),
        ("v1.6.0-fips.1", True),
        ("v1.23.8+vmware.2-fips.1-tkg.1", True),
        ("v1.22.9+vmware.1-fips-tkg.1", True),
        ("v1.6.0-fips", True),
        ("v1.6.0-fipsy.1", False),
        ("v1.6.0+nofips.1", False),
    ],
)
def test_a_fips_release_is_known_by_its_name(release: str, fips: bool) -> None:
    assert parse(changed("version: v0.9.0", f"version: {release}")).fips is fips


def test_kubeadm_implies_all_that_it_starts() -> None:
    dns = "  dns: {imageTag: v1.11}\n  kubernetesVersion: v1.30.1+x.1\n"
    entries = parse(TKR + dns).kubeadm
    assert [f"{entry.path}:{entry.tag}" for entry in entries] == [
        "etcd:v3.5.12_example.1",
        "coredns:v1.11",
        "kube-apiserver:v1.30.1_x.1",
        "kube-controller-manager:v1.30.1_x.1",
        "kube-proxy:v1.30.1_x.1",
        "kube-scheduler:v1.30.1_x.1",
    ]


def test_addon_templates_of_1_3_are_images() -> None:
    addon = "addons:\n  cni:\n    templatesImagePath: a/cni\n    templatesImageTag: 1.10\n  x:\n"
    assert parse(TKR + addon).addon_images == (ImageEntry("cni", "a/cni", "1.10", None, 14),)


def test_an_addon_template_without_its_tag_is_a_fault() -> None:
    fault = fault_of(TKR + "addons:\n  cni:\n    templatesImagePath: a/cni\n")
    assert (fault.line, fault.key) == (13, "addons.cni.templatesImageTag")


def test_every_version_of_a_component_is_kept() -> None:
    more = "    - version: v2.0.0\n    - version: v3.0.0\n"
    more += "      images: {i: {imagePath: a, tag: 3.10}}\n"
    bom = parse(TKG + more)
    assert [component.version for component in bom.components] == [
        "v1.0.0+example.1",
        "v2.0.0",
        "v3.0.0",
    ]
    assert bom.components[2].images[0].tag == "3.10"


@pytest.mark.parametrize(
    "images", ["", "      images:\n", "      images: {}\n", "      images: ~\n"]
)
def test_a_component_without_images_is_fine(images: str) -> None:
    assert parse(changed(f"      images:\n{ENTRY}", images)).components[0].images == ()


@pytest.mark.parametrize("versions", ["[]", "", "null"])
def test_a_component_without_versions_is_fine(versions: str) -> None:
    assert len(parse(f"{TKG}  empty: {versions}\n").components) == 1


@pytest.mark.parametrize("key", ["imageRepository", "repository"])
def test_an_image_may_have_its_own_repository(key: str) -> None:
    text = changed("          tag: v1.0.0\n", f"          tag: v1\n          {key}: r.io/extra/\n")
    assert only_image(parse(text)).repository == "r.io/extra"


def test_two_spellings_of_one_repository_must_agree() -> None:
    both = "          tag: v1\n          imageRepository: r.io/{}\n          repository: r.io/b\n"
    place = "          tag: v1.0.0\n"
    assert only_image(parse(changed(place, both.format("b")))).repository == "r.io/b"
    fault = fault_of(changed(place, both.format("a")))
    assert (fault.line, fault.key) == (15, f"{IMAGE}.repository")


def test_unknown_keys_are_ignored_everywhere() -> None:
    text = changed("          tag: v1.0.0\n", "          tag: v1\n          new: [1]\n")
    assert only_image(parse(f"{text}future: {{a: [b]}}\n")).tag == "v1"


def test_a_trailing_slash_of_the_base_repository_is_dropped() -> None:
    assert parse(changed("com/tkg\n", "com/tkg/\n")).base_repository == "registry.example.com/tkg"


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "words"),
    [
        ("  version: v0.9.0\n", "  version: ''\n", 4, RELEASE, "nothing"),
        ("  version: v0.9.0\n", "  name: x\n", 3, RELEASE, "nothing"),
        ("release:\n  version: v0.9.0\n", "", 1, RELEASE, "nothing"),
        ("  version: v0.9.0\n", "  version: ../x\n", 4, RELEASE, "'/'"),
        ("  version: v0.9.0\n", "  version: [a]\n", 4, RELEASE, "a list"),
        (CONFIG, "", 1, BASE, "nothing"),
        ("registry.example.com/tkg", "''", 6, BASE, "nothing"),
        ("registry.example.com/tkg", "https://r.io/tkg", 6, BASE, "scheme"),
        ("registry.example.com/tkg", "tkg", 6, BASE, "no registry host"),
        ("          imagePath: harbour/buoy\n", "", 11, f"{IMAGE}.imagePath", "nothing"),
        ("          tag: v1.0.0\n", "", 11, f"{IMAGE}.tag", "nothing"),
        ("tag: v1.0.0", "tag:", 13, f"{IMAGE}.tag", "nothing"),
        ("tag: v1.0.0", "tag: ''", 13, f"{IMAGE}.tag", "empty"),
        ("tag: v1.0.0", "tag: v1.0+x", 13, f"{IMAGE}.tag", "no '+'"),
        ("tag: v1.0.0", "tag: a b", 13, f"{IMAGE}.tag", "white space"),
        ("tag: v1.0.0", f"tag: sha256:{HEX}", 13, f"{IMAGE}.tag", "a digest, not a tag"),
        ("tag: v1.0.0", "tag: {a: b}", 13, f"{IMAGE}.tag", "a mapping"),
        ("harbour/buoy", "harbour/../buoy", 12, f"{IMAGE}.imagePath", "'..'"),
        ("harbour/buoy", "Harbour/buoy", 12, f"{IMAGE}.imagePath", "upper case"),
        ("harbour/buoy", "https://r.io/buoy", 12, f"{IMAGE}.imagePath", "scheme"),
        ("harbour/buoy", "r.io:5000/buoy", 12, f"{IMAGE}.imagePath", "':'"),
        ("harbour/buoy", "/harbour/buoy", 12, f"{IMAGE}.imagePath", "slash"),
        ("harbour/buoy", f"buoy@sha256:{HEX}", 12, f"{IMAGE}.imagePath", "'@'"),
        ("harbour/buoy", '"a\\nb"', 12, f"{IMAGE}.imagePath", "'a\\nb'"),
        (ENTRY, "        buoyImage:\n", 11, f"{IMAGE}.imagePath", "nothing"),
        (ENTRY, "        buoyImage: text\n", 11, IMAGE, "'text'"),
        (f"images:\n{ENTRY}", "images: [a]\n", 10, "components.buoy[0].images", "a list"),
        (VERSION, "      version: v1", 8, "components.buoy", "a mapping"),
        (VERSION, f"    - text\n{VERSION}", 9, "components.buoy[0]", "'text'"),
        ("  buoy:\n", '  "bu\\eoy":\n', 8, "components.'bu\\x1boy'", "x1b"),
    ],
)  # fmt: skip
def test_each_fault_names_line_key_and_what_was_found(
    old: str, new: str, line: int, key: str, words: str
) -> None:
    fault = fault_of(changed(old, new))
    assert (fault.file, fault.line, fault.key) == ("file.yaml", line, key)
    assert words in fault.found
    assert str(fault).startswith(f"file.yaml:{line}: {key}: expected ")


@pytest.mark.parametrize("components", ["", "components:\n", "components: {}\n", "components: ~\n"])
def test_a_bom_without_components_is_refused(components: str) -> None:
    head, _, _ = TKG.partition("components:")
    fault = fault_of(head + components)
    assert fault.key == "components"
    assert fault.line == (7 if components else 1)


def test_the_hint_spells_a_plus_as_underscore() -> None:
    assert fault_of(changed("tag: v1.0.0", "tag: v1+x.1")).hint == "write v1_x.1"


def test_the_hint_of_a_scheme_shows_the_right_spelling() -> None:
    assert "without a scheme" in fault_of(changed("registry.example.com", "http://r.io")).hint


def test_a_password_in_the_base_repository_is_not_repeated() -> None:
    fault = fault_of(changed("registry.example.com/tkg", "https://me:sesame@r.io/tkg"))
    assert "user name or password" in fault.found
    assert "sesame" not in str(fault) + repr(fault.__cause__)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "an empty file"),
        ("# nothing\n---\n", "an empty file"),
        ("just text", "'just text'"),
        ("- a\n- b\n", "a list"),
        ("{}", "without release"),
        ("kind: ImagesLock\nimages: []\n", "an ImagesLock"),
        ("kind: Secret\ndata: {}\n", "a Secret"),
        ("version: v1\nmanagementClusterVersions: []\n", "a tkr-compatibility file"),
        ("managementClusterPluginVersions: []\n", "a tkg-compatibility file"),
        (TKG.replace("default:\n  k8sVersion: v1.30.1+example.1-tkg.1\n", ""), "neither"),
        (f"{TKG}---\n{TKR}", "a second one"),
    ],
)
def test_what_is_no_bom_is_called_by_its_name(text: str, found: str) -> None:
    assert found in fault_of(text).found


def test_another_kind_than_expected_is_told_with_the_sign() -> None:
    with pytest.raises(BomFault) as caught:
        parse_bom(TKR.encode(), "tkr.yaml", expect=BomKind.TKG)
    assert caught.value.expected == "a TKG BOM"
    assert caught.value.found == "a TKr BOM (it has kubeadmConfigSpec)"
    assert (caught.value.line, caught.value.key) == (10, "kubeadmConfigSpec")
    assert parse_bom(TKR.encode(), "tkr.yaml", expect=BomKind.TKR).kind is BomKind.TKR


def test_a_tkr_bom_without_kubeadm_is_known_by_its_version() -> None:
    head, _, _ = TKR.partition("kubeadmConfigSpec")
    assert parse(head).kind is BomKind.TKR


def test_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    data = b"\xef\xbb\xbf" + TKG.replace("\n", "\r\n").encode()
    bom = parse_bom(data, "file.yaml")
    assert bom.components == parse(TKG).components
    assert bom.sha256 == f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_a_bom_in_a_configmap_is_unwrapped_and_said_so() -> None:
    bom = parse(nested(TKG) + "---\nkind: Secret\n")
    assert bom.release == "v0.9.0"
    assert bom.notices == (
        "unwrapped from ConfigMap r1, key bom",
        "left aside the YAML document on line 20: a Secret",
    )


def test_a_bom_in_binary_data_is_unwrapped() -> None:
    packed = base64.b64encode(TKG.encode()).decode()
    bom = parse(f"kind: ConfigMap\nbinaryData:\n  bom.yaml: {packed}\n")
    assert only_image(bom) == ImageEntry("buoyImage", "harbour/buoy", "v1.0.0", None, 3)
    assert bom.notices == ("unwrapped from a ConfigMap without a name, key bom.yaml",)


def test_a_fault_inside_a_configmap_points_at_the_outer_line() -> None:
    outer = nested(changed("tag: v1.0.0", "tag: v1+x"))
    fault = fault_of(outer)
    assert fault.key == f"data.bom.{IMAGE}.tag"
    assert "tag: v1+x" in outer.splitlines()[fault.line - 1]


def test_broken_yaml_inside_a_configmap_points_at_the_outer_line() -> None:
    outer = nested(changed("release:", "release: ["))
    fault = fault_of(outer)
    assert fault.key == "data.bom"
    assert 8 <= fault.line <= 10


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("kind: ConfigMap\n", "data"),
        ("kind: ConfigMap\ndata: {a: x, b: y}\n", "data"),
        ("kind: ConfigMap\ndata: [a]\n", "data"),
        ("kind: ConfigMap\ndata: {a: [x]}\n", "data.a"),
        ("kind: ConfigMap\ndata: {a: just text}\n", "data.a"),
        ("kind: ConfigMap\ndata: {a: ''}\n", "data.a"),
        ("kind: ConfigMap\nbinaryData: {a: '%'}\n", "binaryData.a"),
        ("kind: ConfigMap\nbinaryData: {a: '/w=='}\n", "binaryData.a"),
        ("kind: ConfigMap\ndata:\n  a: 'kind: ConfigMap'\n", "data.a"),
    ],
)
def test_a_configmap_without_a_bom_is_refused(text: str, key: str) -> None:
    assert fault_of(text).key == key


def test_a_file_above_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(BomFault, match=f"at most {MAX_FILE_BYTES} bytes"):
        read_bom(path)


def test_a_file_that_cannot_be_read_is_a_fault_of_the_input(tmp_path: Path) -> None:
    with pytest.raises(BomFault, match=r"absent\.yaml: .*no such file"):
        read_bom(tmp_path / "absent.yaml")
    with pytest.raises(BomFault, match="is a directory"):
        read_bom(tmp_path)
    with pytest.raises(BomFault, match="file name"):
        read_bom("a\x00b")


names = st.text("abc-9", min_size=1, max_size=6)
image_paths = st.lists(st.text("ab9", min_size=1, max_size=4), min_size=1, max_size=3).map("/".join)
image_tags = st.lists(st.integers(0, 30).map(str), min_size=1, max_size=3).map(".".join)
images = st.dictionaries(names, st.tuples(image_paths, image_tags), max_size=4)


@steady
@given(st.dictionaries(names, st.lists(images, max_size=3), min_size=1, max_size=4))
def test_every_image_of_a_well_formed_bom_comes_out_with_its_text(
    components: dict[str, list[dict[str, tuple[str, str]]]],
) -> None:
    lines = [TKG.partition("components:")[0] + "components:"]
    expected = []
    for name, versions in components.items():
        lines.append(f"  '{name}':")
        for number, entries in enumerate(versions):
            lines.append(f"  - version: v{number}\n    images:")
            for key, (path, tag) in entries.items():
                lines.append(f"      '{key}': {{imagePath: {path}, tag: {tag}}}")
                expected.append((name, f"v{number}", key, path, tag))
    bom = parse("\n".join(lines))
    assert expected == [
        (component.name, component.version, image.key, image.path, image.tag)
        for component in bom.components
        for image in component.images
    ]
