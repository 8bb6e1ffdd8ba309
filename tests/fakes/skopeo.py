"""skopeo as the independent witness: what another client sees in a registry or in a bundle.

Nothing of the tool is used here; digests are made by hashlib over the bytes that skopeo hands out.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

__all__ = ["blobs_of", "copy_out", "digest_of", "installed", "open_archive", "raw", "tags"]

SECONDS = 120


def installed() -> bool:
    """Return whether skopeo is on PATH."""
    return shutil.which("skopeo") is not None


def raw(reference: str) -> bytes:
    """Return the manifest or index of host/repository:tag, byte by byte."""
    return _run("inspect", "--raw", "--tls-verify=false", f"docker://{reference}")


def digest_of(reference: str) -> str:
    """Return the digest of what stands under host/repository:tag."""
    return f"sha256:{hashlib.sha256(raw(reference)).hexdigest()}"


def tags(repository: str) -> list[str]:
    """Return the tags of host/repository, sorted."""
    listed = _run("list-tags", "--tls-verify=false", f"docker://{repository}")
    return sorted(json.loads(listed)["Tags"])


def copy_out(reference: str, directory: Path) -> dict[str, bytes]:
    """Copy an image with all of its platforms, unconverted, and return its blobs by digest.

    `dir:` and not `oci:`, since an OCI layout takes no docker media types without a conversion.
    """
    source = f"docker://{reference}"
    _run(
        "copy", "--all", "--preserve-digests", "--src-tls-verify=false", source, f"dir:{directory}"
    )
    return blobs_of(directory)


def open_archive(bundle: Path, reference: str, directory: Path) -> dict[str, bytes]:
    """Open one image straight from a bundle file, and return its blobs by digest.

    skopeo 1.9.3 finds only those with OCI media types; newer ones find all.
    """
    source = f"oci-archive:{bundle}:{reference}"
    _run("copy", "--all", "--preserve-digests", source, f"dir:{directory}")
    return blobs_of(directory)


def blobs_of(directory: Path) -> dict[str, bytes]:
    """Return every blob and manifest of a `dir:` directory by the digest of its bytes."""
    contents = (path.read_bytes() for path in directory.iterdir() if path.name != "version")
    return {f"sha256:{hashlib.sha256(data).hexdigest()}": data for data in contents}


def _run(*arguments: str) -> bytes:
    # An empty policy file would forbid everything; this switch accepts any image.
    command = ["skopeo", "--insecure-policy", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr.decode(errors='replace')}")
    return done.stdout
