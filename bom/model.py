"""What a BOM says, as frozen values. Texts stand here as the file wrote them, already checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class BomKind(StrEnum):
    """The two BOM files of a TKG release; the values are those of JSON results and labels."""

    TKG = "tkg-bom"
    TKR = "tkr-bom"

    @property
    def spoken(self) -> str:
        """The name people use."""
        return "TKG BOM" if self is BomKind.TKG else "TKr BOM"


@dataclass(frozen=True, slots=True)
class ImageEntry:
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


@dataclass(frozen=True, slots=True)
class Component:
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


@dataclass(frozen=True, slots=True)
class Ami:
    """A machine image on AWS (an item of ``ami.<region>``), with the system it holds.

    ``os``, ``version`` and ``arch`` come from ``osinfo`` and are empty where it has none.
    """

    id: str
    os: str
    version: str
    arch: str


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

    @property
    def label(self) -> str:
        """``kind:release``, such as ``tkg-bom:v1.6.0``."""
        return f"{self.kind}:{self.release}"
