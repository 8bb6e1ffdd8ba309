"""BOM texts for the tests of this room, and where the files on disk are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from bom.errors import BomFault, ReferenceFault
from bom.model import Bom
from bom.parse import parse_bom

ROOT = Path(__file__).resolve().parents[2]
OWN = ROOT / "scripts" / "samples"
REAL = ROOT.parent / "shared" / "samples"

# A loaded machine must not fail a test by its clock; the number keeps each under a second.
steady = settings(deadline=None, max_examples=60)

needs_real = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real BOM samples are not beside this checkout"
)

TKG = """\
default:
  k8sVersion: v1.30.1+example.1-tkg.1
release:
  version: v0.9.0
imageConfig:
  imageRepository: registry.example.com/tkg
components:
  buoy:
    - version: v1.0.0+example.1
      images:
        buoyImage:
          imagePath: harbour/buoy
          tag: v1.0.0
"""

TKR = """\
release:
  version: v1.30.1+example.1-tkg.1
imageConfig:
  imageRepository: registry.example.com/tkg
components:
  etcd:
    - version: v3.5.12+example.1
      images:
        etcd: {imagePath: etcd, tag: v3.5.12_example.1}
kubeadmConfigSpec:
  etcd: {local: {imageTag: v3.5.12_example.1}}
"""

TKG_COMPATIBILITY = """\
version: v3
managementClusterPluginVersions:
- version: v0.9.0
  supportedTKGBomVersions:
  - {imagePath: tkg-bom, tag: v0.9.0}
  - {imagePath: tkg-bom, tag: v0.8.1}
- version: v0.8.0
  supportedTKGBomVersions:
  - {imagePath: tkg-bom, tag: v0.8.1}
"""

TKR_COMPATIBILITY = """\
version: v7
managementClusterVersions:
- version: v0.9.0
  supportedKubernetesVersions:
  - v1.30.1+example.1-tkg.1
  - v1.29.4+example.1-tkg.2
- version: v0.8.1
  supportedKubernetesVersions: [v1.29.4+example.1-tkg.2]
"""

HEX = "0123456789abcdef" * 4

LOCK = f"""\
---
apiVersion: imgpkg.carvel.dev/v1alpha1
images:
- annotations:
    kbld.carvel.dev/id: r.io/a:1
    kbld.carvel.dev/origins: |
      - resolved: {{tag: 1, url: r.io/a:1}}
  image: r.io/a@sha256:{HEX}
- image: r.io/b/c:2@sha256:{HEX[::-1]}
kind: ImagesLock
"""


def parse(text: str) -> Bom:
    return parse_bom(text.encode(), "file.yaml")


def changed(old: str, new: str, text: str = TKG) -> str:
    """A BOM with one place replaced, which must be there exactly once."""
    assert text.count(old) == 1
    return text.replace(old, new)


def fault_of(text: str | bytes) -> BomFault:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(BomFault) as caught:
        parse_bom(data, "file.yaml")
    return caught.value


def refusal(read: Callable[[bytes, str], object], text: str) -> BomFault:
    """What a reader of ``bom.parse`` has against a text."""
    with pytest.raises(BomFault) as caught:
        read(text.encode(), "file.yaml")
    return caught.value


def reference_fault(check: Callable[[str], object], text: str) -> ReferenceFault | None:
    """What a check has against a text; None where it accepts it."""
    try:
        check(text)
    except ReferenceFault as fault:
        return fault
    return None


def nested(data: str) -> str:
    """A ConfigMap with one key that holds a BOM, as a literal block."""
    block = "\n".join(f"    {line}" if line else "" for line in data.splitlines())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: r1}}\ndata:\n  bom: |\n{block}\n"
