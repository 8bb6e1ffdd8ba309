"""Images and bundles as imgpkg writes them, whatever its users put inside.

    antrea = bundle("antrea", [Member("agent", image, "registry.example.com/tkg/antrea")])
    [(member.name, member.digest) for member in antrea.walk()]

An image has one layer, docker's media types, and a config as Go writes an empty one. A bundle is
such an image with a label, and with `.imgpkg/images.yml` among its files: the ImagesLock, which
names its members by digest at the place they came from (imgpkg, pkg/imgpkg/image/file_image.go and
pkg/imgpkg/lockconfig/images_lock.go). The gzip is not the one that Go writes: no client looks.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import yaml

from scripts.world.images import DOCKER, Blob, Image, layer_of_tar

__all__ = [
    "LABEL",
    "Bundle",
    "Lock",
    "Member",
    "bundle",
    "locations_image",
    "locations_tag",
    "member_tag",
    "plain_image",
]

LABEL = "dev.carvel.imgpkg.bundle"
API = "imgpkg.carvel.dev/v1alpha1"

# Go's zero time, which imgpkg leaves in the config on purpose.
NO_TIME = "0001-01-01T00:00:00Z"

# How an ImagesLock without members may look: imgpkg takes all three.
Lock = Literal["listed", "null", "absent"]


@dataclass(frozen=True)
class Member:
    """One entry of a lock.

    `origin` is the host/repository that the lock names, and `tag` the one it was there. The
    content lies in the bundle's own repository, or at the path `home` where it was never copied
    there.
    """

    name: str
    content: Image | Bundle
    origin: str
    tag: str = "latest"
    home: str = ""

    @property
    def image(self) -> Image:
        """What the entry's digest is the digest of."""
        return self.content.image if isinstance(self.content, Bundle) else self.content

    @property
    def digest(self) -> str:
        """The digest that the lock names."""
        return self.image.manifest.digest


@dataclass(frozen=True)
class Bundle:
    """A bundle's image, and its members as its lock names them."""

    image: Image
    members: tuple[Member, ...] = ()

    def walk(self) -> Iterator[Member]:
        """Yield the members of all levels, those of a nested bundle before itself."""
        for member in self.members:
            if isinstance(member.content, Bundle):
                yield from member.content.walk()
            yield member


def bundle(
    name: str,
    members: Iterable[Member] = (),
    *,
    files: Mapping[str, bytes] | None = None,
    lock: Lock = "listed",
) -> Bundle:
    """Make a bundle of a package, or of a package repository where members are bundles."""
    members = tuple(members)
    own = {"config/package.yaml": f"# {name}\n".encode(), **(files or {})}
    text = _lock(members, lock)
    image = plain_image({".imgpkg/images.yml": text, **own}, directory=True, labels={LABEL: "true"})
    return Bundle(image, members)


def plain_image(
    files: Mapping[str, bytes], *, directory: bool = False, labels: Mapping[str, str] | None = None
) -> Image:
    """Make what `imgpkg push -i` makes of some files, or of a directory with them."""
    tar = _tar(files, directory=directory)
    layer = layer_of_tar(lambda: (tar,), DOCKER.layer)
    config = Blob.from_bytes(DOCKER.config, _config(layer.diff_id, labels))
    manifest = {
        "schemaVersion": 2,
        "mediaType": DOCKER.manifest,
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
    }
    return Image(Blob.from_bytes(DOCKER.manifest, compact(manifest)), (config, layer.blob))


def member_tag(digest: str) -> str:
    """Return the tag under which imgpkg leaves a copied image: sha256-<hex>.imgpkg."""
    return f"{digest.replace(':', '-')}.imgpkg"


def locations_tag(digest: str) -> str:
    """Return the tag of a bundle's locations image, which imgpkg makes where it copies to."""
    return f"{digest.replace(':', '-')}.image-locations.imgpkg"


def locations_image(copied: Bundle) -> Image:
    """Make the locations image of a bundle: a cache that says what its members are."""
    images = [
        {"image": f"{m.origin}@{m.digest}", "isBundle": isinstance(m.content, Bundle)}
        for m in copied.members
    ]
    text = _yaml({"apiVersion": API, "images": images, "kind": "ImageLocations"})
    return plain_image({"image-locations.yml": text}, directory=True)


def compact(value: object) -> bytes:
    """Return JSON as Go writes it: without a blank."""
    return json.dumps(value, separators=(",", ":")).encode()


def _lock(members: tuple[Member, ...], lock: Lock) -> bytes:
    document: dict[str, object] = {"apiVersion": API, "kind": "ImagesLock"}
    if members or lock == "listed":
        document["images"] = [_entry(member) for member in members]
    elif lock == "null":
        document["images"] = None
    return b"---\n" + _yaml(document)


def _entry(member: Member) -> dict[str, object]:
    origin = f"{member.origin}:{member.tag}"
    resolved = {"resolved": {"tag": member.tag, "url": origin}}
    return {
        "annotations": {
            "kbld.carvel.dev/id": origin,
            "kbld.carvel.dev/origins": _yaml([resolved]).decode(),
        },
        "image": f"{member.origin}@{member.digest}",
    }


def _config(diff_id: str, labels: Mapping[str, str] | None) -> bytes:
    config = {
        "architecture": "",
        "created": NO_TIME,
        "history": [{"author": "imgpkg", "created": NO_TIME, "created_by": "imgpkg"}],
        "os": "",
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "config": {"Labels": dict(labels)} if labels else {},
    }
    return compact(config)


def _tar(files: Mapping[str, bytes], *, directory: bool) -> bytes:
    # A walk over a directory begins with itself; a single file has no directory around it.
    parents = {part for name in files for part in _above(name)} | {"."} if directory else set()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(parents | set(files)):
            member = tarfile.TarInfo(name)
            member.mode = 0o700 if name in parents else 0o600
            member.type = tarfile.DIRTYPE if name in parents else tarfile.REGTYPE
            member.size = len(files.get(name, b""))
            archive.addfile(member, io.BytesIO(files.get(name, b"")))
    return out.getvalue()


def _above(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _yaml(value: object) -> bytes:
    return yaml.safe_dump(value, sort_keys=False, width=1000).encode()
