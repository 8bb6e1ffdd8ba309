"""What a YAML document is: a BOM and which, a compatibility file, an ImagesLock, or else."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from bom.cursor import Cursor, describe
from bom.errors import BomFault
from bom.model import BomKind
from bom.yamltree import MapNode, Scalar

# TKr versions have build metadata, "v1.23.8+vmware.2-tkg.1"; TKG's own have none.
_TKR_VERSION: Final = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+\+.*")

_TKR_KEYS: Final = ("kubeadmConfigSpec", "ova", "ami", "azure")
_TKG_KEYS: Final = ("default", "kindKubeadmConfigSpec", "tkr-bom", "tkr-compatibility")
_BOTH: Final = "a TKG BOM or a TKr BOM"


class DocumentKind(StrEnum):
    """The kinds of document that can be read; the values are their names in messages."""

    BOM = "a BOM"
    TKG_COMPATIBILITY = "a tkg-compatibility file"
    TKR_COMPATIBILITY = "a tkr-compatibility file"
    IMAGES_LOCK = "an ImagesLock"


def is_bom(root: Cursor) -> bool:
    """Does this look like a BOM, complete or not? A Kubernetes object with a ``kind`` does not."""
    if root.has("components"):
        return True
    return (root.has("release") or root.has("imageConfig")) and not root.has("kind")


def is_configmap(root: Cursor) -> bool:
    """Is this a Kubernetes ConfigMap, which may carry a BOM?"""
    return not is_bom(root) and _kind(root) == "ConfigMap"


def document_kind(root: Cursor) -> DocumentKind | None:
    """Which of the kinds this looks like, complete or not; None for anything else."""
    if is_bom(root):
        return DocumentKind.BOM
    if root.has("managementClusterVersions"):
        return DocumentKind.TKR_COMPATIBILITY
    if root.has("managementClusterPluginVersions"):
        return DocumentKind.TKG_COMPATIBILITY
    return DocumentKind.IMAGES_LOCK if _kind(root) == "ImagesLock" else None


def name_of(root: Cursor) -> str:
    """What a document is, for a message."""
    if not isinstance(root.node, MapNode):
        return describe(root.node)
    if known := document_kind(root):
        return known.value
    if kind := _kind(root):
        return f"{'an' if kind[:1] in 'AEIOU' else 'a'} {kind}"
    return "a mapping without release, components and imageConfig"


def kind_of(root: Cursor, release: str, expect: BomKind | None) -> BomKind:
    """Which BOM this is; raises BomFault where it cannot be told, or is not the expected one.

    TKG itself tells them apart by ``default.k8sVersion``. The other signs are for files that
    have neither that nor a ``kubeadmConfigSpec``.
    """
    kind, sign = _kind_and_sign(root, release)
    if kind is None:
        expected = expect.spoken if expect else _BOTH
        found = "neither default.k8sVersion (TKG BOM) nor kubeadmConfigSpec (TKr BOM)"
        raise root.fault(expected, found)
    if expect and kind is not expect:
        place = root.get(sign) or root
        raise place.fault(f"a {expect.spoken}", f"a {kind.spoken} (it has {sign})")
    return kind


def no_bom(root: Cursor, expect: BomKind | None) -> BomFault:
    """The fault for a document that is no BOM."""
    found = name_of(root)
    hint = f"this is {found}, not a BOM" if isinstance(root.node, MapNode) else ""
    return root.fault(f"a {expect.spoken}" if expect else _BOTH, found, hint)


def _kind_and_sign(root: Cursor, release: str) -> tuple[BomKind | None, str]:
    if root.find("default", "k8sVersion"):
        return BomKind.TKG, "default"
    for key in _TKR_KEYS:
        if root.get(key):
            return BomKind.TKR, key
    for key in _TKG_KEYS:
        if root.get(key):
            return BomKind.TKG, key
    return (BomKind.TKR, "release") if _TKR_VERSION.fullmatch(release) else (None, "")


def _kind(root: Cursor) -> str:
    value = root.get("kind") if isinstance(root.node, MapNode) else None
    if value is None or not isinstance(value.node, Scalar):
        return ""
    return value.node.text if re.fullmatch(r"[A-Za-z]{1,60}", value.node.text) else ""
