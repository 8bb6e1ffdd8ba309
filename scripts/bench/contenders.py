"""Who runs: the command lines of the tool, of the floor and of skopeo for one and the same work."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Contenders"]

FLOOR = (sys.executable, "-m", "scripts.bench.floor")
TOOL = (sys.executable, "-m", "mirror", "bundle")
SKOPEO = ("skopeo", "--insecure-policy")


class Contenders:
    """The commands for one list of references host/repository:tag."""

    def __init__(self, references: Sequence[str], scratch: Path, jobs: int) -> None:
        self._references, self._scratch, self._jobs = references, scratch, str(jobs)
        self.list = scratch / "images.txt"
        self.list.write_text("".join(f"{reference}\n" for reference in references))

    def create_tool(self, target: Path) -> list[str]:
        """Registry to bundle, by the tool."""
        inputs = ["--images", str(self.list), "--plain-http"]
        return [*TOOL, "create", *inputs, "-o", str(target), "-j", self._jobs]

    def create_floor(self, target: Path) -> list[str]:
        """Registry to one tar, by bare sockets."""
        return [*FLOOR, "create", str(self.list), str(target), "-j", self._jobs]

    def create_skopeo(self, target: Path) -> list[str]:
        """Registry to one OCI layout, one image after the other: the way of the usual scripts."""
        copy = " ".join((*SKOPEO, "copy", "--quiet", "--all", "--src-tls-verify=false"))
        lines = [
            f"{copy} docker://{reference} oci:{target}:{number}"
            for number, reference in enumerate(self._references)
        ]
        return self._script("create", lines)

    def verify_tool(self, bundle: Path) -> list[str]:
        """Check a bundle, by the tool."""
        return [*TOOL, "verify", str(bundle), "--format", "json"]

    def verify_floor(self, bundle: Path) -> list[str]:
        """Hash the blobs of a bundle, on all cores."""
        return [*FLOOR, "verify", str(bundle)]

    def push_tool(self, bundle: Path, destination: str) -> list[str]:
        """Bundle to registry, by the tool; the result tells the bytes moved."""
        options = ["--plain-http", "-j", self._jobs, "--format", "json"]
        return [*TOOL, "push", str(bundle), destination, *options]

    def push_floor(self, bundle: Path, destination: str) -> list[str]:
        """Bundle to registry, by bare sockets."""
        return [*FLOOR, "push", str(bundle), destination, "-j", self._jobs]

    def push_skopeo(self, destination: str) -> list[str]:
        """Registry to registry, by skopeo's own command for many images."""
        host = self._references[0].partition("/")[0]
        paths = [reference.partition("/")[2].rpartition(":") for reference in self._references]
        images = {name: [tag] for name, _, tag in paths}
        # JSON is YAML.
        file = self._scratch / "sync.yml"
        file.write_text(json.dumps({host: {"tls-verify": False, "images": images}}))
        switches = ["--all", "--src-tls-verify=false", "--dest-tls-verify=false"]
        return [*SKOPEO, "sync", *switches, "--src=yaml", "--dest=docker", str(file), destination]

    def _script(self, name: str, lines: Sequence[str]) -> list[str]:
        path = self._scratch / f"{name}.sh"
        path.write_text("\n".join(("set -e", *lines, "")))
        return ["sh", str(path)]
