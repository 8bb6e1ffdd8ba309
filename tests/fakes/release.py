"""A TKG release as a registry has it: BOM and compatibility images, each one layer with one file.

    with FakeRegistry() as fake:
        offer(fake)                                     # TKG v1.6.0 with two TKrs, under "tkg"
        put(fake, "tkg/tkg-bom", "v1.7.0", "tkg-bom-v1.7.0.yaml", tkg_bom("v1.7.0"))
        put(fake, "tkg/tkg-bom", "v1.8.0", "x.yaml", layers=[b"no tar at all"])

The texts are small, and of the shape that real ones have.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping, Sequence

from scripts.world.images import DOCKER, Blob, Image, Layer, make_image
from tests.fakes.simple import FakeRegistry

__all__ = [
    "BASE",
    "DEFAULT_TKR",
    "OTHER_TKR",
    "file_image",
    "layers_image",
    "offer",
    "put",
    "tar",
    "tkg_bom",
    "tkg_compatibility",
    "tkr_bom",
    "tkr_compatibility",
]

# The base repository that the BOMs name: nobody is there.
BASE = "gone.example.com/tkg"
DEFAULT_TKR = "v1.23.8+vmware.2-tkg.1"
OTHER_TKR = "v1.22.11+vmware.2-tkg.1"


def offer(
    fake: FakeRegistry, prefix: str = "tkg", *, tkrs: Sequence[str] = (DEFAULT_TKR, OTHER_TKR)
) -> None:
    """Put TKG v1.6.0 in, with the files around it; images of components are not there."""
    bom = tkg_bom()
    put(fake, f"{prefix}/tkg-compatibility", "v15", "tkg-compatibility.yaml", tkg_compatibility())
    put(fake, f"{prefix}/tkg-bom", "v1.6.0", "tkg-bom-v1.6.0.yaml", bom)
    listed = tkr_compatibility({"v1.6.0": tkrs, "v1.5.4": [OTHER_TKR]})
    put(fake, f"{prefix}/v18/tkr-compatibility", "v19", "tkr-compatibility.yaml", listed)
    for tkr in tkrs:
        put(fake, f"{prefix}/tkr-bom", tagged(tkr), f"tkr-bom-{tkr}.yaml", tkr_bom(tkr))


def tagged(version: str) -> str:
    return version.replace("+", "_")


def put(fake: FakeRegistry, repository: str, tag: str, name: str, text: str) -> str:
    """Put an image with one file in; returns its digest."""
    return fake.add(repository, tag, file_image({name: text.encode()}))


def file_image(files: Mapping[str, bytes]) -> Image:
    """An image of docker's media types with these files in one layer."""
    return layers_image(tar(files))


def layers_image(*layers: bytes) -> Image:
    """An image whose layers are just these bytes."""
    nothing = f"sha256:{'0' * 64}"
    blobs = [Layer(Blob.from_bytes(DOCKER.layer, data), nothing) for data in layers]
    return make_image(blobs, docker=True)


def tar(files: Mapping[str, bytes]) -> bytes:
    """A layer with these files, in gzip."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def tkg_compatibility(*boms: tuple[str, str], version: str = "v15", path: str = "tkg-bom") -> str:
    """A tkg-compatibility file; ``boms`` are pairs of path and tag, each with a plugin."""
    listed = boms or ((path, "v1.5.4"), (path, "v1.6.0"))
    plugins = "".join(
        f"- version: v0.{number}.0\n  supportedTKGBomVersions:\n"
        f"  - imagePath: {place}\n    tag: {tag}\n"
        for number, (place, tag) in enumerate(listed)
    )
    return f"version: {version}\nmanagementClusterPluginVersions:\n{plugins}"


def tkr_compatibility(releases: Mapping[str, Iterable[str]], version: str = "v19") -> str:
    """A tkr-compatibility file: TKG version to TKrs."""
    listed = "".join(
        f"- version: {tkg}\n  supportedKubernetesVersions:\n"
        + "".join(f"  - {tkr}\n" for tkr in tkrs)
        for tkg, tkrs in releases.items()
    )
    return f"version: {version}\nmanagementClusterVersions:\n{listed}"


def tkg_bom(release: str = "v1.6.0", tkr: str = DEFAULT_TKR) -> str:
    """A TKG BOM with one component, which also lists itself, as real ones do."""
    return f"""\
apiVersion: run.tanzu.vmware.com/v1alpha2
default:
  k8sVersion: {tkr}
release:
  version: {release}
components:
  buoy:
  - version: v1.0.0+vmware.1
    images:
      buoyImage: {{imagePath: harbour/buoy, tag: v1.0.0_vmware.1}}
  tkg-bom:
  - version: {release}
    images:
      tkgBomImage: {{imagePath: tkg-bom, tag: {release}}}
imageConfig:
  imageRepository: {BASE}
tkr-bom:
  imagePath: tkr-bom
tkr-compatibility:
  imagePath: v18/tkr-compatibility
tkr-package:
  aws: tkr-aws
  vsphere-nonparavirt: tkr-vsphere-nonparavirt
tkr-package-repo:
  aws: tkr-repository-aws
  vsphere-nonparavirt: tkr-repository-vsphere-nonparavirt
"""


def tkr_bom(release: str = DEFAULT_TKR) -> str:
    """A TKr BOM with one component of its own."""
    return f"""\
apiVersion: run.tanzu.vmware.com/v1alpha2
release:
  version: {release}
components:
  etcd:
  - version: v3.5.4+vmware.6
    images:
      etcd: {{imagePath: etcd, tag: v3.5.4_{tagged(release)}}}
kubeadmConfigSpec: {{}}
imageConfig:
  imageRepository: {BASE}
"""
