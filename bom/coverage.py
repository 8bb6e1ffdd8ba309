"""Which parts of the reference design a set of BOMs brings: present or absent, which versions.

The parts are those of VMware's reference design for TKG on AWS: networking, ingress, identity,
observability, the registry, certificates, DNS, and what Kubernetes and AWS themselves need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from bom.model import Bom, BomKind, Component
from bom.order import natural


class Part(NamedTuple):
    """One part and how BOMs name it.

    ``names`` are component names with ``-`` for ``_``; ``paths`` imagePaths of the image that the
    part cannot do without, for where it stands under another component; ``home`` is the kind of
    BOM that has it in real releases.
    """

    title: str
    home: BomKind
    names: frozenset[str]
    paths: frozenset[str]


def _part(title: str, home: BomKind, names: str, paths: str) -> Part:
    return Part(title, home, frozenset(names.split()), frozenset(paths.split()))


# Names and paths are compared as wholes. Half a name would take harbor-scanner for Harbor,
# pinniped-post-deploy (a job that configures Pinniped) for Pinniped, prometheus_node_exporter for
# Prometheus, velero-plugin-for-aws for the AWS provider, and the templates of 1.3's addons
# (tanzu_core/addons/antrea-templates), which hold no Antrea, for Antrea.
#
# Measured in the BOMs of TKG 1.3.1 and 1.6.0, TKr 1.20.5, 1.22.7 (TCE) and 1.23.8, and 1.3-era
# fakes: calico is "calico_all", cert-manager "jetstack_cert-manager", Multus "multus-cni", the
# AWS provider "cluster_api_aws" while Azure's is "cluster-api-provider-azure". Antrea's image is
# antrea/antrea-debian up to 1.20, antrea-standard-debian in TCE and antrea-advanced-debian from
# 1.23 on; cert-manager's is in a folder of its own in the fakes. The packages under packages/core
# (TKr 1.22 on) are imgpkg bundles that bring the part's images as their members.
PARTS: Final = (
    _part(
        "Antrea",
        BomKind.TKR,
        "antrea",
        "antrea/antrea-debian antrea-standard-debian antrea-advanced-debian packages/core/antrea",
    ),
    _part("Calico", BomKind.TKR, "calico calico-all", "calico-all/node packages/core/calico"),
    _part("Multus", BomKind.TKG, "multus multus-cni", "multus-cni"),
    _part("Contour", BomKind.TKG, "contour", "contour"),
    _part("Envoy", BomKind.TKG, "envoy", "envoy"),
    _part("Pinniped", BomKind.TKR, "pinniped", "pinniped packages/core/pinniped"),
    _part("Dex", BomKind.TKR, "dex", "dex"),
    _part("Prometheus", BomKind.TKG, "prometheus", "prometheus/prometheus"),
    _part("Alertmanager", BomKind.TKG, "alertmanager", "prometheus/alertmanager"),
    _part("Grafana", BomKind.TKG, "grafana", "grafana/grafana"),
    _part("Fluent Bit", BomKind.TKG, "fluent-bit", "fluent-bit"),
    _part("Harbor", BomKind.TKG, "harbor", "harbor/harbor-core"),
    _part(
        "cert-manager",
        BomKind.TKG,
        "cert-manager jetstack-cert-manager",
        "cert-manager-controller cert-manager/cert-manager-controller"
        " packages/standard/cert-manager",
    ),
    _part("external-dns", BomKind.TKG, "external-dns", "external-dns"),
    _part("CoreDNS", BomKind.TKR, "coredns", "coredns"),
    _part("etcd", BomKind.TKR, "etcd", "etcd"),
    _part(
        "AWS provider",
        BomKind.TKG,
        "cluster-api-aws cluster-api-provider-aws",
        "cluster-api/cluster-api-aws-controller",
    ),
    _part(
        "AWS EBS CSI driver",
        BomKind.TKR,
        "aws-ebs-csi-driver",
        "csi/aws-ebs-csi-driver packages/core/aws-ebs-csi-driver",
    ),
)


class Cover(NamedTuple):
    """What became of one part.

    ``versions`` are those that come with images, in natural order; where no component of that
    name has any, they are the tags of its images under other components. ``components``
    ("name/version") bring them, sorted. ``bare`` are versions that a BOM lists without an image:
    nothing of them can be carried.
    """

    part: Part
    versions: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()

    @property
    def present(self) -> bool:
        """Does at least one image of it come?"""
        return bool(self.components)


def coverage(boms: Iterable[Bom]) -> tuple[Cover, ...]:
    """Every part in the order of ``PARTS``, over all these BOMs together."""
    components = [component for bom in boms for component in _components(bom)]
    return tuple(_cover(part, components) for part in PARTS)


def absent_kind(cover: Cover, given: Iterable[BomKind]) -> BomKind | None:
    """The kind of BOM to add for a part that is absent; None where that is no matter of kinds."""
    return None if cover.present or cover.part.home in set(given) else cover.part.home


def _components(bom: Bom) -> Iterator[Component]:
    """Those of the BOM, and what else it brings, under the names that image sets have for it."""
    yield from bom.components
    for entry in bom.addon_images:
        yield Component(f"addon/{entry.key}", "", (entry,))
    for entry in bom.kubeadm:
        yield Component(f"kubeadmConfigSpec/{entry.key}", "", (entry,))


def _cover(part: Part, components: Iterable[Component]) -> Cover:
    named, bare, within = list[Component](), set[str](), list[tuple[str, str]]()
    for component in components:
        if component.name.replace("_", "-") in part.names:
            if component.images:
                named.append(component)
            else:
                bare.add(component.version)
        else:
            tags = [entry.tag for entry in component.images if entry.path in part.paths]
            within += [(component.label, tag) for tag in tags]
    found = [(each.label, each.version) for each in named] or within
    return Cover(
        part,
        versions=tuple(sorted({version for _, version in found if version}, key=natural)),
        components=tuple(sorted({label for label, _ in found}, key=natural)),
        bare=tuple(sorted(bare, key=natural)),
    )
