"""The tools that people use now, where they are on PATH; each in the way it does this work best.

Who can take many images in one command does; the others run once an image, one after the other, as
scripts around them do. All copy every platform. skopeo and crane push from registry to registry,
since neither can push a layout of many images; imgpkg puts all images into one repository, which is
how it carries them. Under TLS they all find the CA by SSL_CERT_FILE.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from scripts.bench.contenders import Contender
from scripts.bench.site import Site, Wanted

__all__ = ["PEERS", "installed"]


class Skopeo:
    """skopeo: copy to one OCI layout; sync from registry to registry."""

    name = "skopeo"
    adds, kept = True, False

    def create(self, site: Site, target: Path) -> list[str] | None:
        """One copy an image: sync keeps no shared layer once."""
        copy = [*self._start, "copy", "--quiet", "--all", *_plain(site, "--src-tls-verify=false")]
        return site.script(
            "skopeo",
            [
                [*copy, f"docker://{site.reference(i)}", f"oci:{target}:{i.name}"]
                for i in site.images
            ],
        )

    def verify(self, target: Path) -> list[str] | None:
        """It has no such command."""

    def show(self, target: Path) -> list[str] | None:
        """It lists no layouts."""

    def push(self, site: Site, target: Path, destination: str) -> list[str] | None:
        """sync, its own command for many images."""
        images = {image.repository: [image.tag] for image in site.images}
        # JSON is YAML.
        listed = {site.host: {"tls-verify": bool(site.ca), "images": images}}
        file = site.write("sync.yml", json.dumps(listed))
        switches = _plain(site, "--src-tls-verify=false", "--dest-tls-verify=false")
        ends = ["--src=yaml", "--dest=docker", str(file), destination]
        return [*self._start, "sync", "--all", *switches, *ends]

    _start = ("skopeo", "--insecure-policy")


class Crane:
    """crane: pull many images into one OCI layout; copy from registry to registry."""

    name = "crane"
    adds, kept = True, False

    def create(self, site: Site, target: Path) -> list[str] | None:
        """One pull of all images."""
        form = ["--format=oci", "--annotate-ref", *_plain(site, "--insecure")]
        return ["crane", "pull", *form, *site.references, str(target)]

    def verify(self, target: Path) -> list[str] | None:
        """Its `validate` reads no layouts."""

    def show(self, target: Path) -> list[str] | None:
        """It lists no layouts."""

    def push(self, site: Site, target: Path, destination: str) -> list[str] | None:
        """One copy an image: its push takes a layout of one."""
        copy = ["crane", "copy", *_plain(site, "--insecure")]
        return site.script(
            "crane", [[*copy, site.reference(i), _landing(destination, i)] for i in site.images]
        )


class Imgpkg:
    """imgpkg: many images in one tar, by a lock; all of them into one repository."""

    name = "imgpkg"
    adds, kept = False, True
    # Its default of 5 was slower.
    _copy = ("imgpkg", "copy", "--concurrency", "16", "--yes", "--tty=false")

    def create(self, site: Site, target: Path) -> list[str] | None:
        """One copy of a lock."""
        images = [{"image": f"{site.host}/{i.repository}@{i.digest}"} for i in site.images]
        lock = {"apiVersion": "imgpkg.carvel.dev/v1alpha1", "kind": "ImagesLock", "images": images}
        file = site.write("images.lock.yml", json.dumps(lock))
        return [*self._copy, "--lock", str(file), "--to-tar", str(target), *self._manner(site)]

    def verify(self, target: Path) -> list[str] | None:
        """It has no such command."""

    def show(self, target: Path) -> list[str] | None:
        """It describes bundles in registries alone."""

    def push(self, site: Site, target: Path, destination: str) -> list[str] | None:
        """One copy of the tar."""
        to = f"{destination}/all"
        return [*self._copy, "--tar", str(target), "--to-repo", to, *self._manner(site)]

    def _manner(self, site: Site) -> list[str]:
        if site.ca:
            return ["--registry-ca-cert-path", str(site.ca)]
        return ["--registry-insecure"]


class Oras:
    """oras: copy to and from one OCI layout."""

    name = "oras"
    adds = kept = True
    _copy = ("oras", "cp", "--no-tty")

    def create(self, site: Site, target: Path) -> list[str] | None:
        """One copy an image."""
        copy = [*self._copy, *_plain(site, "--from-plain-http"), "--to-oci-layout"]
        return site.script(
            "oras-in", [[*copy, site.reference(i), f"{target}:{i.name}"] for i in site.images]
        )

    def verify(self, target: Path) -> list[str] | None:
        """It has no such command."""

    def show(self, target: Path) -> list[str] | None:
        """The tags of the layout, without what they name."""
        return ["oras", "repo", "tags", "--oci-layout", str(target)]

    def push(self, site: Site, target: Path, destination: str) -> list[str] | None:
        """One copy an image."""
        copy = [*self._copy, "--from-oci-layout", *_plain(site, "--to-plain-http")]
        return site.script(
            "oras-out",
            [[*copy, f"{target}:{i.name}", _landing(destination, i)] for i in site.images],
        )


class Regctl:
    """regctl: copy to and from one OCI layout."""

    name = "regctl"
    adds = kept = True

    def create(self, site: Site, target: Path) -> list[str] | None:
        """One copy an image."""
        copy = [*self._copy(site, site.host)]
        return site.script(
            "regctl-in",
            [[*copy, site.reference(i), f"ocidir://{target}:{i.name}"] for i in site.images],
        )

    def verify(self, target: Path) -> list[str] | None:
        """It has no such command."""

    def show(self, target: Path) -> list[str] | None:
        """The tags of the layout, without what they name."""
        return ["regctl", "tag", "ls", f"ocidir://{target}"]

    def push(self, site: Site, target: Path, destination: str) -> list[str] | None:
        """One copy an image."""
        copy = self._copy(site, destination.partition("/")[0])
        return site.script(
            "regctl-out",
            [[*copy, f"ocidir://{target}:{i.name}", _landing(destination, i)] for i in site.images],
        )

    def _copy(self, site: Site, host: str) -> list[str]:
        tls = "enabled" if site.ca else "disabled"
        return ["regctl", "--host", f"reg={host},tls={tls}", "image", "copy"]


PEERS: tuple[Contender, ...] = (Imgpkg(), Crane(), Oras(), Regctl(), Skopeo())


def installed(names: Iterable[str] | None = None) -> list[Contender]:
    """Return those on PATH, or those of them that are named."""
    wanted = None if names is None else set(names)
    return [p for p in PEERS if shutil.which(p.name) and (wanted is None or p.name in wanted)]


def _plain(site: Site, *switches: str) -> list[str]:
    """Return the switches that a registry without TLS needs."""
    return [] if site.ca else list(switches)


def _landing(destination: str, image: Wanted) -> str:
    return f"{destination}/{image.repository}:{image.tag}"
