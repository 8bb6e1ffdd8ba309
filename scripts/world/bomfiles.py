"""The YAML files of a release, as texts: BOMs of both kinds and compatibility files of both.

The keys and their order are those of the real files of TKG 1.6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import yaml

from scripts.world.release import DEAD, OVERRIDES, Components, Tkg, Tkr, tagged

__all__ = ["compatibility", "tkg_bom", "tkr_bom", "tkr_compatibility"]

API = "run.tanzu.vmware.com/v1alpha2"


def tkg_bom(tkg: Tkg) -> bytes:
    """Return tkg-bom-<version>.yaml."""
    bom: dict[str, object] = {
        "apiVersion": API,
        "default": {"k8sVersion": tkg.default},
        "release": {"version": tkg.version},
        "components": _components(tkg.components),
        "kindKubeadmConfigSpec": _kind_config(),
        "imageConfig": {"imageRepository": DEAD},
        "tkr-bom": {"imagePath": "tkr-bom"},
        "tkr-compatibility": {"imagePath": tkg.tkr_compatibility},
    }
    if tkg.packages:
        bom["tkr-package-repo"] = {name: f"tkr-repository-{name}" for name in tkg.packages}
        bom["tkr-package"] = {name: f"tkr-{name}" for name in tkg.packages}
    # The one scalar that a reader of types would spoil, see release.py.
    return _yaml(bom).replace(b"'3.10'", b"3.10")


def tkr_bom(tkr: Tkr) -> bytes:
    """Return tkr-bom-<version>.yaml, the version with its +."""
    kubernetes = next(iter(tkr.components["kubernetes"]))
    etcd = tagged(next(iter(tkr.components["etcd"])))
    core = tkr.components["tkg-core-packages"][tkr.version]
    bom = {
        "apiVersion": API,
        "release": {"version": tkr.version},
        "components": _components(tkr.components),
        "kubeadmConfigSpec": _kubeadm(kubernetes, etcd, tkr.coredns),
        "ova": [{"name": "ova-photon-3", **_system("photon", "3"), "version": f"{tkr.version}-0"}],
        "ami": {region: _amis(region) for region in tkr.regions},
        "azure": [{"sku": "k8s-1dot23dot8-ubuntu-2004", "publisher": "vmware-inc"}],
        "imageConfig": {"imageRepository": DEAD},
        "addons": {name.partition(".")[0]: _addon(name) for name in core if "." in name},
    }
    return _yaml(bom)


def compatibility(version: str, supported: Mapping[str, str]) -> bytes:
    """Return a tkg-compatibility file: plugin version -> TKG version."""
    entries = [
        {"version": plugin, "supportedTKGBomVersions": [{"imagePath": "tkg-bom", "tag": tkg}]}
        for plugin, tkg in supported.items()
    ]
    return _yaml({"version": version, "managementClusterPluginVersions": entries})


def tkr_compatibility(version: str, supported: Mapping[str, Iterable[str]]) -> bytes:
    """Return a tkr-compatibility file: TKG version -> TKr versions."""
    entries = [
        {"version": tkg, "supportedKubernetesVersions": list(tkrs)}
        for tkg, tkrs in supported.items()
    ]
    return _yaml({"version": version, "managementClusterVersions": entries})


def _components(components: Components) -> dict[str, object]:
    return {
        name: [_version(version, images) for version, images in versions.items()]
        for name, versions in components.items()
    }


def _version(version: str, images: Mapping[str, str]) -> dict[str, object]:
    if not images:
        return {"version": version}
    return {"version": version, "images": {k: _image(p, version) for k, p in images.items()}}


def _image(place: str, version: str) -> dict[str, str]:
    path, _, tag = place.partition(":")
    own = {"imageRepository": f"{DEAD}/{OVERRIDES[path]}"} if path in OVERRIDES else {}
    return {"imagePath": path, "tag": tag or tagged(version), **own}


def _kind_config() -> list[str]:
    """Return the lines for kind: a BOM's other images, written as text inside of a text."""
    return [
        "kind: Cluster",
        "apiVersion: kind.x-k8s.io/v1alpha4",
        "kubeadmConfigPatches:",
        "- |",
        "  kind: ClusterConfiguration",
        f"  imageRepository: {DEAD}",
        "  etcd:",
        "    local:",
        f"      imageRepository: {DEAD}",
        "      imageTag: v3.5.4_vmware.6",
    ]


def _kubeadm(kubernetes: str, etcd: str, coredns: str) -> dict[str, object]:
    local = {"dataDir": "/var/lib/etcd", "imageRepository": DEAD, "imageTag": etcd}
    return {
        "apiVersion": "kubeadm.k8s.io/v1beta2",
        "kind": "ClusterConfiguration",
        "imageRepository": DEAD,
        "kubernetesVersion": kubernetes,
        "etcd": {"local": local | {"extraArgs": {"experimental-initial-corrupt-check": True}}},
        "dns": {"type": "CoreDNS", "imageRepository": DEAD, "imageTag": coredns},
    }


def _amis(region: str) -> list[dict[str, object]]:
    number = f"{sum(region.encode()):017x}"
    return [{"id": f"ami-{number}", **_system("ubuntu", "20.04")}]


def _system(name: str, version: str) -> dict[str, object]:
    return {"osinfo": {"name": name, "version": version, "arch": "amd64"}}


def _addon(package: str) -> dict[str, object]:
    types = ["management", "workload"]
    return {"category": "core", "clusterTypes": types, "packageName": package}


def _yaml(value: object) -> bytes:
    return yaml.safe_dump(value, sort_keys=False, width=1000).encode()
