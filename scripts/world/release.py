"""What the made-up releases are: TKG versions, their TKrs, and the components of each, as tables.

A component is name -> version -> image key -> imagePath, or imagePath:tag where the tag is not
the version with its + as _. The names and the habits are those of real BOMs: several versions side
by side, one image under two keys, components that are binaries only, bundles that nothing marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = [
    "AWS",
    "AZURE",
    "DEAD",
    "OVERRIDES",
    "TKGS",
    "TKRS",
    "VSPHERE",
    "Components",
    "Tkg",
    "Tkr",
    "places",
    "tagged",
]

Components = Mapping[str, Mapping[str, Mapping[str, str]]]

# Where the BOMs say that everything is. Nobody answers there any more.
DEAD = "projects.registry.vmware.com/tkg"

# imagePath -> the path below DEAD that its own imageRepository names.
OVERRIDES = {"velero/restore-helper": "third-party"}

VSPHERE, AWS, AZURE = "vsphere-nonparavirt", "aws", "azure"


@dataclass(frozen=True)
class Tkg:
    """One TKG release, as its BOM has it.

    `compatibility` is where `tkg-compatibility` lists it; `tkr_compatibility` is the path that its
    BOM gives. `packages` are the infrastructures that tkr-package and tkr-package-repo name.
    """

    version: str
    default: str
    tkrs: tuple[str, ...]
    components: Components
    compatibility: str = "tkg-compatibility"
    tkr_compatibility: str = "v18-v1.6.0/tkr-compatibility"
    packages: tuple[str, ...] = (AWS, AZURE, VSPHERE)


@dataclass(frozen=True)
class Tkr:
    """One Tanzu Kubernetes release; `coredns` is a tag that only its kubeadmConfigSpec names."""

    version: str
    components: Components
    coredns: str
    regions: tuple[str, ...] = ("us-east-1", "us-gov-west-1")


def tagged(version: str) -> str:
    """Return a version as it stands in a tag, where + is no letter."""
    return version.replace("+", "_")


def places(components: Components) -> Iterator[tuple[str, str]]:
    """Yield imagePath and tag of each entry, twice where an image is listed twice."""
    for versions in components.values():
        for version, images in versions.items():
            for place in images.values():
                path, _, tag = place.partition(":")
                yield path, tag or tagged(version)


_DEFAULT = "v1.23.8+vmware.2-tkg.1"
_SECOND = "v1.22.11+vmware.2-tkg.1"
_FIPS = "v1.23.8+vmware.2-fips.1-tkg.1"
_OLD = "v1.21.14+vmware.2-tkg.1"
_METRICS = "metrics-server:v0.6.1_vmware.1-tkg.1"

_V160: Components = {
    "cluster_api": {
        "v1.1.5+vmware.1": {
            "cabpkControllerImage": "cluster-api/kubeadm-bootstrap-controller",
            "capiControllerImage": "cluster-api/cluster-api-controller",
            "kcpControllerImage": "cluster-api/kubeadm-control-plane-controller",
        }
    },
    "cluster_api_aws": {
        "v1.2.0+vmware.1": {"capaControllerImage": "cluster-api/cluster-api-aws-controller"}
    },
    "cluster_api_vsphere": {
        "v1.3.1+vmware.1": {"capvControllerImage": "cluster-api/cluster-api-vsphere-controller"}
    },
    "contour": {
        version: {"contourImage": "contour"}
        for version in ("v1.17.2+vmware.1", "v1.18.2+vmware.1", "v1.20.2+vmware.1")
    },
    "crash-diagnostics": {"v0.3.7+vmware.5": {}},
    "envoy": {
        version: {"envoyImage": "envoy"} for version in ("v1.18.4+vmware.1", "v1.21.3+vmware.1")
    },
    "grafana": {"v7.5.16+vmware.1": {"grafanaImage": "grafana/grafana"}},
    "harbor": {
        "v2.5.3+vmware.1": {
            "harborCoreImage": "harbor/harbor-core",
            "harborDatabaseImage": "harbor/harbor-db",
        }
    },
    "imgpkg": {"v0.29.0+vmware.1": {}},
    "kubernetes-sigs_kind": {
        f"{_DEFAULT}_v0.11.1": {"kindNodeImage": "kind/node"},
    },
    "kubernetes_autoscaler": {
        version: {"kubernetesAutoscalerImage": "cluster-autoscaler"}
        for version in ("v1.23.0+vmware.1", "v1.22.0+vmware.1")
    },
    # Written without quotes: who resolves it as a number asks for 3.1.
    "multus-cni": {"v3.8.0+vmware.1": {"multusImage": "multus-cni:3.10"}},
    "standalone-plugins-package": {
        "v0.25.0-standalone": {"standalonePluginsImage": "packages/standalone/standalone-plugins"}
    },
    "tanzu-framework": {
        "v0.25.0": {
            "clusterLinuxAmd64Image": "tanzu-cli/cluster-linux-amd64",
            "clusterLinuxAmd64StaticImage": "tanzu-cli/cluster-linux-amd64",
            "pluginsDarwinImage": "tanzu-cli/cluster-darwin-amd64",
        }
    },
    "tanzu-framework-management-packages": {
        "v0.25.0": {
            "managementPackageRepositoryImage": "packages/management/repo",
            "unifiedTkgPackageRepositoryImage": "packages/management/repo:v0.25.0-utkg",
        }
    },
    "tkg-bom": {"v1.6.0": {"tkgBom": "tkg-bom"}},
    "tkg-standard-packages": {
        "v1.6.0": {"tanzuStandardPackageRepositoryImage": "packages/standard/repo"}
    },
    "velero": {
        "v1.8.1+vmware.1": {
            "veleroImage": "velero/velero",
            "veleroRestoreHelperImage": "velero/restore-helper",
        }
    },
    "vendir": {"v0.27.0+vmware.1": {}},
}

_V160_FIPS: Components = {
    "cluster_api": {
        "v1.1.5+vmware.1-fips.1": {
            "cabpkControllerImage": "cluster-api/kubeadm-bootstrap-controller",
            "capiControllerImage": "cluster-api/cluster-api-controller",
        }
    },
    "tkg-bom": {"v1.6.0-fips.1": {"tkgBom": "tkg-bom"}},
    "vendir": {"v0.27.0+vmware.1": {}},
}

_V154: Components = {
    "cluster_api": {
        "v1.0.1+vmware.2": {"capiControllerImage": "cluster-api/cluster-api-controller"}
    },
    "contour": {"v1.18.2+vmware.1": {"contourImage": "contour"}},
    "tkg-bom": {"v1.5.4": {"tkgBom": "tkg-bom"}},
    "vendir": {"v0.23.1+vmware.1": {}},
}


def _kubernetes(version: str) -> Components:
    names = ("apiserver", "controller-manager", "proxy", "scheduler")
    return {"kubernetes": {version: {f"kube-{name}": f"kube-{name}" for name in names}}}


def _core(tkr: str, *packages: str) -> Components:
    """Return tkg-core-packages: each package of packages/core, and the repository of all."""
    own = {
        f"{package.partition(':')[0]}.tanzu.vmware.com": f"packages/core/{package}"
        for package in packages
    }
    whole = {"tanzuCorePackageRepositoryImage": "packages/core/repo"}
    return {"tkg-core-packages": {tkr: own | whole}}


_EVERYWHERE: Components = {
    "etcd": {"v3.5.4+vmware.6": {"etcd": "etcd"}},
    # A manifest list of which one platform is Windows.
    "pause": {"v3.7+vmware.1": {"pause": "pause:3.7"}},
    "carvel-tools": {"v0.1.0": {}},
}

_CAPABILITIES: Components = {
    "capabilities-package": {"v0.25.0-capabilities": {"capabilities": "tanzu-capabilities"}}
}

_DEFAULT_COMPONENTS: Components = {
    **_kubernetes("v1.23.8+vmware.2"),
    **_EVERYWHERE,
    **_CAPABILITIES,
    "antrea": {"v1.5.3-advanced": {"antreaImage": "antrea-advanced-debian:v1.5.3"}},
    # Called a bundle, and is none: it has no label.
    "byoh-k8s-ubuntu-2004": {
        _DEFAULT: {"byohImgpkgBundle": "cluster-api/byoh-bundle-ubuntu_20.04.1_x86-64_k8s"}
    },
    "csi-proxy": {"v1.1.1+vmware.1": {"csiProxyImage": "csi/csi-proxy"}},
    **_core(
        _DEFAULT,
        "antrea:v1.5.3_tkg.1-advanced",
        "kapp-controller:v0.38.4_vmware.1-tkg.1",
        _METRICS,
        "vsphere-cpi:v1.23.1_vmware.1-tkg.1",
    ),
}

_SECOND_COMPONENTS: Components = {
    **_kubernetes("v1.22.11+vmware.2"),
    **_EVERYWHERE,
    **_CAPABILITIES,
    "calico_all": {
        "v3.22.1+vmware.1": {
            "calicoCniImage": "calico-all/cni",
            "calicoNodeImage": "calico-all/node",
        }
    },
    **_core(_SECOND, "calico:v3.22.1_vmware.1-tkg.1", _METRICS),
}

_FIPS_COMPONENTS: Components = {
    **_kubernetes("v1.23.8+vmware.2-fips.1"),
    "etcd": {"v3.5.4+vmware.6-fips.1": {"etcd": "etcd"}},
    **_core(_FIPS, _METRICS),
}

_OLD_COMPONENTS: Components = {
    **_kubernetes("v1.21.14+vmware.2"),
    **_EVERYWHERE,
    **_core(_OLD, _METRICS),
}

TKGS = {
    tkg.version: tkg
    for tkg in (
        Tkg("v1.6.0", _DEFAULT, (_DEFAULT, _SECOND), _V160),
        Tkg("v1.6.0-fips.1", _FIPS, (_FIPS,), _V160_FIPS, compatibility="fips/tkg-compatibility"),
        Tkg(
            "v1.5.4",
            _SECOND,
            (_SECOND, _OLD),
            _V154,
            tkr_compatibility="tkr-compatibility",
            packages=(),
        ),
    )
}

TKRS = {
    tkr.version: tkr
    for tkr in (
        Tkr(_DEFAULT, _DEFAULT_COMPONENTS, "v1.8.6_vmware.7"),
        Tkr(_SECOND, _SECOND_COMPONENTS, "v1.8.4_vmware.10"),
        Tkr(_FIPS, _FIPS_COMPONENTS, "v1.8.6_vmware.7-fips.1"),
        Tkr(_OLD, _OLD_COMPONENTS, "v1.8.0_vmware.13"),
    )
}
