"""Files that look like bundles: taken apart, changed, and framed again as a bundle is."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from mirror.bundle import format as tar
from mirror.bundle.reader import Bundle
from mirror.bundle.slots import Slot, lay_out
from mirror.cli.failures import exit_code
from mirror.errors import Fault
from mirror.events import silent
from mirror.oci.digest import Digest
from mirror.settings import Settings
from mirror.verify import verify_all

Members = list[tuple[str, bytes]]
GIB = 1 << 30


def refused(path: Path) -> Fault:
    """The fault with which a push would end; verify has to find something too."""
    with pytest.raises(Fault) as caught, Bundle(path) as bundle:
        bundle.contents()
    assert verify_all([path], Settings(concurrency=2), silent).damages
    assert exit_code(caught.value) in (3, 6)
    return caught.value


def unpack(path: Path) -> Members:
    with tarfile.open(path, "r:") as opened:
        return [(m.name, f.read()) for m in opened if (f := opened.extractfile(m)) is not None]


def archive(members: Members) -> bytes:
    """Any members at all, framed as a bundle frames them."""
    framed = (
        tar.header(name, len(content), 0) + content + bytes(tar.padding(len(content)))
        for name, content in members
    )
    return b"".join(framed) + tar.TRAILER


def listing(members: Members) -> bytes:
    """A bundle.json for changed members: its other words, and a list that fits the file."""
    document = json.loads(members[0][1])
    document["members"] = [
        {"name": name, "sha256": Digest.of(content).hex, "size": len(content)}
        for name, content in members[1:]
    ]
    document["blobs"] = {
        "sha256:" + name.rpartition("/")[2]: len(content)
        for name, content in members[1:]
        if name.startswith("blobs/")
    }
    return canonical(document)


def canonical(document: object) -> bytes:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def slots(path: Path) -> list[Slot]:
    with Bundle(path) as bundle:
        sizes = [(each.name, each.size) for each in bundle.inventory.members]
    return lay_out([("bundle.json", len(unpack(path)[0][1])), *sizes])[0]


def sealed(before: bytes, after: bytes) -> bytes:
    """A header with a right checksum."""
    block = before[:148] + b" " * 8 + before[156:] + after
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]
