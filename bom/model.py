"""What a BOM says, as frozen values. Texts stand here as the file wrote them, already checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from bom.reference import Reference

# "v1.6.0-fips.1", "v1.23.8+vmware.2-fips.1-tkg.1" and, older, "v1.22.9+vmware.1-fips-tkg.1".
_FIPS: Final = re.compile(r"-fips(?=[.-]|$)")


class BomKind(StrEnum):
    """The two BOM files of a TKG release; the values are those of JSON results and labels."""

    TKG = "tkg-bom"
    TKR = "tkr-bom"

    @property
    def spoken(self) -> str:
        """The name people use."""
        return "TKG BOM" if self is BomKind.TKG else "TKr BOM"


class ImageEntry(NamedTuple):
    """One image that a BOM names (``components.<name>[].images.<key>``).

    ``key`` is the image's name in its map, or the addon's, or kubeadm's; ``path`` the imagePath;
    ``tag`` the tag, never absent; ``repository`` the image's own ``imageRepository`` (or
    ``repository``), None where the BOM's holds; ``line`` where it stands, counted from 1.
    """

    key: str
    path: str
    tag: str
    repository: str | None
    line: int


class Component(NamedTuple):
    """One version of one component (an item of ``components.<name>``).

    ``version`` is in the BOM's spelling, with ``+``, and empty where the file has none;
    ``images`` is empty for what is shipped as a binary.
    """

    name: str
    version: str
    images: tuple[ImageEntry, ...] = ()

    @property
    def label(self) -> str:
        """``name/version``."""
        return f"{self.name}/{self.version}" if self.version else self.name


class Ami(NamedTuple):
    """A machine image on AWS (an item of ``ami.<region>``), with the system it holds.

    ``os``, ``version`` and ``arch`` come from ``osinfo`` and are empty where it has none.
    """

    id: str
    os: str
    version: str
    arch: str


class OsImage(NamedTuple):
    """A machine image on vSphere or Azure (an item of ``ova`` or ``azure``), with its system.

    ``kind`` is "ova" or "azure"; ``name`` the template's name, or Azure's ``sku`` (marketplace),
    ``name`` (gallery) or ``id``. ``os``, ``version`` and ``arch`` are as in Ami.
    """

    kind: str
    name: str
    os: str
    version: str
    arch: str


class Package(NamedTuple):
    """A core package of a TKr (an item of ``addons``, as TKG writes it since 1.4).

    ``name`` is the addon's, ``package_name`` such as "antrea.tanzu.vmware.com", ``category`` such
    as "cni" and empty where the file has none; ``cluster_types`` of "management", "workload".
    """

    name: str
    package_name: str
    category: str
    cluster_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bom:
    """One BOM file.

    ``release`` is ``release.version`` in the BOM's spelling; ``base_repository`` is
    ``imageConfig.imageRepository`` without its trailing slash; ``components`` has one entry for
    each version of each component, in the file's order. ``sha256`` is "sha256:<hex>" of the
    file's bytes and ``file`` its name as given. ``notices`` are sentences for the operator.
    """

    kind: BomKind
    release: str
    base_repository: str
    components: tuple[Component, ...]
    sha256: str
    file: str
    notices: tuple[str, ...] = ()
    default_k8s_version: str | None = None
    """``default.k8sVersion``: the TKr a TKG BOM is paired with. None in a TKr BOM."""
    tkr_bom_path: str | None = None
    """``tkr-bom.imagePath``: where the TKr BOMs' own images are. TKG BOM only."""
    tkr_compatibility_path: str | None = None
    """``tkr-compatibility.imagePath``; differs from release to release. TKG BOM only."""
    addon_images: tuple[ImageEntry, ...] = ()
    """``addons.<name>.templatesImagePath`` and ``templatesImageTag``, 1.3.0; key is the addon."""
    kubeadm: tuple[ImageEntry, ...] = ()
    """What ``kubeadmConfigSpec`` implies, to compare with ``components``. TKr BOM only."""
    amis: Mapping[str, tuple[Ami, ...]] = field(default_factory=dict, hash=False)
    """``ami``: region to machine images. TKr BOM only."""
    os_images: tuple[OsImage, ...] = ()
    """``ova``, then ``azure``, each in the file's order. TKr BOM only."""
    packages: tuple[Package, ...] = ()
    """The ``addons`` that have a ``packageName``, in the file's order. TKr BOM only."""
    tkr_packages: Mapping[str, str] = field(default_factory=dict, hash=False)
    """``tkr-package``: infrastructure to imagePath; the tag is each TKr's. TKG BOM, from 1.6."""
    tkr_package_repositories: Mapping[str, str] = field(default_factory=dict, hash=False)
    """``tkr-package-repo``: the same for the package repositories."""

    @property
    def label(self) -> str:
        """``kind:release``, such as ``tkg-bom:v1.6.0``."""
        return f"{self.kind}:{self.release}"

    @property
    def fips(self) -> bool:
        """Is this a FIPS release, by its name?"""
        return bool(_FIPS.search(self.release))


class BomPlace(NamedTuple):
    """Where a TKG BOM's image is (an item of ``supportedTKGBomVersions``).

    ``path`` is its imagePath below the repository, ``tag`` the TKG version.
    """

    path: str
    tag: str


class PluginVersion(NamedTuple):
    """A version of the management-cluster plugin, and the TKG BOMs that it can use.

    The plugin takes the first of ``boms``; there may be none.
    """

    version: str
    boms: tuple[BomPlace, ...]


class TkgCompatibility(NamedTuple):
    """A tkg-compatibility file: which TKG BOM goes with which plugin.

    ``version`` is the file's own ("v15"), empty where it has none; ``sha256`` and ``file`` are
    as in Bom. A plugin that the file lists twice is here twice.
    """

    version: str
    plugins: tuple[PluginVersion, ...]
    sha256: str
    file: str

    @property
    def boms(self) -> tuple[BomPlace, ...]:
        """Every TKG BOM that a plugin can use, each once, in the file's order."""
        return tuple(dict.fromkeys(place for plugin in self.plugins for place in plugin.boms))


class TkgRelease(NamedTuple):
    """A TKG version and its TKrs (an item of ``managementClusterVersions``).

    ``tkrs`` are in the BOM's spelling, with ``+``, each once, in the file's order.
    """

    version: str
    tkrs: tuple[str, ...]


class TkrCompatibility(NamedTuple):
    """A tkr-compatibility file: which TKrs go with which TKG; each TKG version once.

    ``version`` is the file's own ("v19"), empty where it has none; ``sha256`` and ``file`` are
    as in Bom.
    """

    version: str
    releases: tuple[TkgRelease, ...]
    sha256: str
    file: str


@dataclass(frozen=True, slots=True)
class LockedImage:
    """An image that an imgpkg bundle refers to (an item of an ImagesLock's ``images``).

    ``reference`` is where it was first and always has a digest. ``annotations`` are texts as the
    file has them, of several lines too: they may hold anything, so escape what you show.
    """

    reference: Reference
    annotations: Mapping[str, str] = field(hash=False)


class ImagesLock(NamedTuple):
    """An imgpkg bundle's list of its members, ``.imgpkg/images.yml``, in the file's order.

    ``sha256`` and ``file`` are as in Bom.
    """

    images: tuple[LockedImage, ...]
    sha256: str
    file: str


Document: TypeAlias = Bom | TkgCompatibility | TkrCompatibility | ImagesLock
