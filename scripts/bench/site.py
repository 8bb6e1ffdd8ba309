"""What every contender is told: the images, where they are, and where results may lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Site", "Wanted"]


@dataclass(frozen=True)
class Wanted:
    """One image: repository, tag, digest of the manifest, bytes of manifests and blobs."""

    repository: str
    tag: str
    digest: str
    bytes: int = 0

    @property
    def name(self) -> str:
        """A word for it, where a layout wants a tag: unique within a world."""
        return self.repository.rpartition("/")[2]


@dataclass(frozen=True)
class Site:
    """Images on a host, as `host/repository:tag`; with a CA, the host speaks TLS."""

    host: str
    images: Sequence[Wanted]
    folder: Path
    """For whatever a contender needs besides its result: lists, scripts."""
    jobs: int = 4
    ca: Path | None = None

    def reference(self, image: Wanted) -> str:
        """Return what an image is asked for as."""
        return f"{self.host}/{image.repository}:{image.tag}"

    @property
    def references(self) -> list[str]:
        """All of them."""
        return [self.reference(image) for image in self.images]

    def write(self, name: str, text: str) -> Path:
        """Write a file beside the results, and return where."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / name
        path.write_text(text)
        return path

    def listed(self) -> Path:
        """Write all references to a file, one a line."""
        return self.write("images.txt", "".join(f"{reference}\n" for reference in self.references))

    def script(self, name: str, commands: Sequence[Sequence[str]]) -> list[str]:
        """Return the command that runs others one after the other, until one fails."""
        lines = [" ".join(command) for command in commands]
        return ["sh", str(self.write(f"{name}.sh", "\n".join(("set -e", *lines, ""))))]
