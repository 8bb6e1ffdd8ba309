"""Which parts of the reference design are there: none lost to its spelling, none invented."""

from __future__ import annotations

import pytest

from bom.coverage import PARTS, Cover, absent_kind, coverage
from bom.model import Bom, BomKind
from bom.parse import read_bom
from tests.bom.documents import REAL, TKG, TKR, changed, needs_real, parse

TKG_1_6 = REAL / "bom" / "tkg-bom-v1.6.0.yaml"
TKR_1_23 = REAL / "bom" / "tkr-bom-v1.23.8+vmware.2-tkg.1.yaml"


def cover(boms: list[Bom], part: str) -> Cover:
    (found,) = [each for each in coverage(boms) if each.part.title == part]
    return found


def present(*boms: Bom) -> set[str]:
    return {each.part.title for each in coverage(boms) if each.present}


def with_component(name: str, path: str = "some/image", tag: str = "v1") -> Bom:
    """A BOM in which one component is replaced by another."""
    text = changed("  buoy:\n", f"  {name}:\n")
    return parse(
        changed("harbour/buoy\n          tag: v1.0.0", f"{path}\n          tag: {tag}", text)
    )


# Read off the two files by eye.
PAIR = {
    "Antrea": ["v1.5.3-advanced"],
    "Calico": ["v3.22.1+vmware.1"],
    "Multus": ["v3.8.0+vmware.1"],
    "Contour": ["v1.17.2+vmware.1", "v1.18.2+vmware.1", "v1.20.2+vmware.1"],
    "Envoy": ["v1.18.4+vmware.1", "v1.19.1+vmware.1", "v1.21.3+vmware.1"],
    "Pinniped": ["v0.12.1+vmware.1"],
    "Dex": ["v2.30.2+vmware.1"],
    "Prometheus": ["v2.36.2+vmware.1"],
    "Alertmanager": ["v0.24.0+vmware.1"],
    "Grafana": ["v7.5.16+vmware.1"],
    "Fluent Bit": ["v1.8.15+vmware.1"],
    "Harbor": ["v2.5.3+vmware.1"],
    "cert-manager": ["v1.5.3+vmware.4", "v1.7.2+vmware.1"],
    "external-dns": ["v0.11.0+vmware.1"],
    "CoreDNS": ["v1.8.6+vmware.7"],
    "etcd": ["v3.5.4+vmware.6"],
    "AWS provider": ["v1.2.0+vmware.1"],
    "AWS EBS CSI driver": ["v1.8.0+vmware.1"],
}


@needs_real
def test_tkg_1_6_and_its_tkr_bring_every_part_in_these_versions() -> None:
    found = coverage([read_bom(TKG_1_6), read_bom(TKR_1_23)])
    assert {each.part.title: list(each.versions) for each in found} == PAIR
    assert all(each.present for each in found)


@needs_real
def test_each_part_is_in_the_kind_of_bom_that_it_is_said_to_be_in() -> None:
    for file in (TKG_1_6, TKR_1_23):
        bom = read_bom(file)
        assert present(bom) == {part.title for part in PARTS if part.home is bom.kind}


@needs_real
@pytest.mark.parametrize(
    ("file", "absent"),
    [
        ("bom/tkg-bom-v1.3.1-zlatest.yaml", {"Multus"}),
        ("bom/tkr-bom-v1.20.5+vmware.1-tkg.1-zlatest.yaml", {"AWS EBS CSI driver"}),
        ("bom/tce-tkr-bom-v1.22.7.yaml", {"AWS EBS CSI driver"}),
    ],
)
def test_older_releases_lack_what_they_did_not_have_yet(file: str, absent: set[str]) -> None:
    bom = read_bom(REAL / file)
    home = {part.title for part in PARTS if part.home is bom.kind}
    assert home - present(bom) == absent


@needs_real
def test_templates_of_addons_are_not_what_they_configure() -> None:
    file = "odd/isolated-tkr-bom-v1.17.16+vmware.2-tkg.1.yaml"
    bom = read_bom(REAL / file)
    assert {"antrea", "calico", "pinniped"} <= {entry.key for entry in bom.addon_images}
    assert present(bom) == {"CoreDNS", "etcd"}


@needs_real
def test_a_version_that_is_listed_without_an_image_brings_nothing() -> None:
    contour = cover([read_bom(REAL / "odd/isolated-tkg-bom-v1.3.0.yaml")], "Contour")
    assert not contour.present
    assert (contour.versions, contour.bare) == ((), ("v1.8.1+vmware.1",))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("harbor-scanner", "harbor/scanner"),
        ("my-harbor", "my/harbor"),
        ("pinniped-post-deploy", "tanzu_core/addons/tkg-pinniped-post-deploy"),
        ("tanzu-framework", "tanzu_core/tanzu-cli-plugins/pinniped-auth-linux-amd64"),
        ("prometheus_node_exporter", "prometheus/prometheus_node_exporter"),
        ("configmap-reload", "prometheus/configmap-reload"),
        ("k8s-sidecar", "grafana/k8s-sidecar"),
        ("velero-plugin-for-aws", "velero/velero-plugin-for-aws"),
        ("cluster_api", "cluster-api/cluster-api-controller"),
        ("kubernetes-csi_external-resizer", "kubernetes-csi_external-resizer"),
        ("etcdadm", "somebody/etcd"),
        ("tkg-standard-packages", "packages/standard/repo"),
        ("antrea-interworking", "antrea/interworking-debian"),
        ("CONTOUR", "not/contour"),
    ],
)
def test_what_only_sounds_like_a_part_is_not_it(name: str, path: str) -> None:
    assert present(with_component(name, path)) == set()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("calico_all", "Calico"),
        ("calico-all", "Calico"),
        ("multus_cni", "Multus"),
        ("cert-manager", "cert-manager"),
        ("jetstack_cert_manager", "cert-manager"),
        ("external_dns", "external-dns"),
        ("fluent_bit", "Fluent Bit"),
        ("cluster-api-provider-aws", "AWS provider"),
        ("aws_ebs_csi_driver", "AWS EBS CSI driver"),
    ],
)
def test_hyphens_underscores_and_suffixes_hide_no_part(name: str, part: str) -> None:
    assert present(with_component(name)) == {part}


def test_a_part_under_another_components_name_is_found_by_its_image() -> None:
    found = cover([with_component("ingress", "contour", "v1.20.2_vmware.1")], "Contour")
    assert (found.versions, found.components) == (
        ("v1.20.2_vmware.1",),
        ("ingress/v1.0.0+example.1",),
    )


def test_an_image_elsewhere_adds_no_version_to_a_component_of_the_name() -> None:
    package = with_component("core-packages", "packages/core/antrea", "v9_tkg.1")
    assert cover([package], "Antrea").versions == ("v9_tkg.1",)
    both = [package, with_component("antrea")]
    assert cover(both, "Antrea").versions == ("v1.0.0+example.1",)


def test_what_kubeadm_alone_names_is_carried_and_so_it_counts() -> None:
    text = changed("  etcd:\n    - version", "  other:\n    - version", TKR)
    text = changed("{imagePath: etcd, tag: v3.5.12_example.1}", "{imagePath: o, tag: v1}", text)
    found = cover([parse(text)], "etcd")
    assert found.versions == ("v3.5.12_example.1",)
    assert found.components == ("kubeadmConfigSpec/etcd",)


def test_versions_are_in_the_order_of_their_numbers() -> None:
    boms = [
        parse(changed("v1.0.0+example.1", version, TKG.replace("buoy:", "contour:")))
        for version in ("v1.9.0", "v1.10.0", "v1.2.0", "v1.9.0")
    ]
    assert cover(boms, "Contour").versions == ("v1.2.0", "v1.9.0", "v1.10.0")


def test_the_kind_to_add_is_told_where_that_kind_was_not_given() -> None:
    antrea = cover([parse(TKG)], "Antrea")
    assert absent_kind(antrea, [BomKind.TKG]) is BomKind.TKR
    assert absent_kind(antrea, [BomKind.TKG, BomKind.TKR]) is None
    contour = cover([parse(TKG)], "Contour")
    assert absent_kind(contour, [BomKind.TKG]) is None
    assert absent_kind(contour, [BomKind.TKR]) is BomKind.TKG
    assert absent_kind(cover([with_component("antrea")], "Antrea"), [BomKind.TKG]) is None
