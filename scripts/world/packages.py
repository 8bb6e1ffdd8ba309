"""The package bundles of the made-up releases, and the repository bundles that name packages.

    all_bundles(build)["packages/core/repo:v1.23.8_vmware.2-tkg.1"].members

A repository bundle's lock names package bundles, whose locks name images: two levels, all of which
a mirror keeps in the repository of the outer one (imgpkg, pkg/imgpkg/v1/copy.go).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scripts.world.images import Image
from scripts.world.imgpkg import Bundle, Lock, Member, bundle
from scripts.world.release import AWS, DEAD, TKGS, TKRS, VSPHERE, tagged

__all__ = ["MEMBERS", "all_bundles", "copied"]

# Where locks say that images came from which were never published; nobody answers there.
STAGING = "projects-stg.registry.vmware.com/tkg"

# Used by several packages, so that several locks name it.
_PROXY = "kube-rbac-proxy:v0.11.0_vmware.2"

# The packages of which an image was never copied to them: imagePath -> where it lies.
HOMES = {"capabilities-manager": "build/capabilities-manager"}

# Bundle -> the images or bundles that its lock names, in the lock's order.
_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "packages/core/antrea:v1.5.3_tkg.1-advanced": (
        "antrea-advanced-debian:v1.5.3",
        "antrea-ubi:v1.5.3",
    ),
    "packages/core/calico:v3.22.1_vmware.1-tkg.1": (
        "calico-all/cni:v3.22.1_vmware.1",
        "calico-all/node:v3.22.1_vmware.1",
        "calico-all/typha:v3.22.1_vmware.1",
    ),
    "packages/core/kapp-controller:v0.38.4_vmware.1-tkg.1": (),
    "packages/core/metrics-server:v0.6.1_vmware.1-tkg.1": (
        "metrics-server:v0.6.1_vmware.1",
        _PROXY,
    ),
    "packages/core/vsphere-cpi:v1.23.1_vmware.1-tkg.1": ("vsphere-cpi:v1.23.1_vmware.1", _PROXY),
    "packages/management/repo:v0.25.0": ("addons-manager:v1.6.0", _PROXY),
    "packages/management/repo:v0.25.0-utkg": ("addons-manager:v1.6.0",),
    "packages/standalone/standalone-plugins:v0.25.0-standalone": (),
    "packages/standard/cert-manager:v1.7.2": ("cert-manager-controller:v1.7.2", _PROXY),
    "packages/standard/contour:v1.20.2": ("contour:v1.20.2_vmware.1", "envoy:v1.21.3_vmware.1"),
    "packages/standard/repo:v1.6.0": (
        "packages/standard/cert-manager:v1.7.2",
        "packages/standard/contour:v1.20.2",
    ),
    "tanzu-capabilities:v0.25.0-capabilities": (
        "capabilities-manager:v0.25.0",
        "capabilities-webhook:v0.25.0",
    ),
}

_LOCKS: Mapping[str, Lock] = {"packages/standalone/standalone-plugins": "absent", "tkr-aws": "null"}


def _contents() -> dict[str, tuple[str, ...]]:
    """Return all bundles with their members' names, those of each TKr included."""
    found = dict(_PACKAGES)
    for version, tkr in TKRS.items():
        core = tkr.components["tkg-core-packages"][version]
        own = tuple(place for place in core.values() if ":" in place)
        found[f"packages/core/repo:{tagged(version)}"] = own
    with_packages = {tkr for tkg in TKGS.values() if tkg.packages for tkr in tkg.tkrs}
    for tag in map(tagged, sorted(with_packages)):
        found[f"tkr-{AWS}:{tag}"] = ()
        found[f"tkr-{VSPHERE}:{tag}"] = (f"tkr-data:{tag}",)
        for name in (AWS, VSPHERE):
            found[f"tkr-repository-{name}:{tag}"] = (f"tkr-{name}:{tag}",)
    return found


BUNDLES = _contents()

# The images that locks name, whether or not a BOM names them too.
MEMBERS = tuple(
    sorted({name for names in BUNDLES.values() for name in names if name not in BUNDLES})
)


def all_bundles(image: Callable[[str], Image]) -> dict[str, Bundle]:
    """Make every bundle by path:tag; `image` makes the members that are no bundles."""
    made: dict[str, Bundle] = {}

    def make(name: str) -> Bundle:
        if name not in made:
            path = name.partition(":")[0]
            members = [_member(each, content(each)) for each in BUNDLES[name]]
            made[name] = bundle(name, members, lock=_LOCKS.get(path, "listed"))
        return made[name]

    def content(name: str) -> Image | Bundle:
        return make(name) if name in BUNDLES else image(name)

    return {name: make(name) for name in BUNDLES}


def copied(path: str) -> bool:
    """Return whether imgpkg copied a bundle to where it is published, members and tags."""
    return path.endswith("/repo")


def _member(name: str, content: Image | Bundle) -> Member:
    path, _, tag = name.partition(":")
    home = HOMES.get(path, "")
    known = home or isinstance(content, Bundle) or path.startswith(("contour", "calico"))
    return Member(path, content, f"{DEAD if known else STAGING}/{home or path}", tag, home)
