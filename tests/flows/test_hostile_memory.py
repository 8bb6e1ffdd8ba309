"""What a hostile registry can do to this machine's memory: not much, whatever it sends."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from mirror.settings import MAX_ARTIFACT
from scripts.world.images import ImageSpec, build
from tests.fakes.behaviours import Go
from tests.fakes.message import Reply, Request
from tests.fakes.packages import HEAD, bundle, lock
from tests.fakes.release import layers_image, offer, tagged, tar, tkr_bom
from tests.fakes.release import put as put_bom
from tests.fakes.simple import FakeRegistry
from tests.fakes.store import sha256

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = {
    "mediaType": "application/vnd.oci.image.config.v1+json",
    "digest": sha256(b"c"),
    "size": 1,
}
# The largest manifest that is read at all is 4 MiB.
LARGE = 4 * (1 << 20) - 600
BOUND_MB = 150

# Runs the tool, and says at the end how much memory it had at most (VmHWM, kB).
MEASURED = """\
import sys
from mirror.__main__ import run
code = run()
text = open("/proc/self/status").read()
print("PEAK", text.split("VmHWM:")[1].split()[0], file=sys.stderr)
sys.exit(code)
"""


def manifest(number: int) -> bytes:
    padding = {"n": f"{number:06}", "p": "x" * LARGE}
    document = {"schemaVersion": 2, "mediaType": IMAGE, "config": CONFIG, "layers": []}
    return json.dumps(document | {"annotations": padding}).encode()


def put(fake: FakeRegistry, repository: str, raw: bytes, kind: str = IMAGE) -> str:
    place = fake.store.repositories[repository]
    place.manifests[sha256(raw)] = (kind, raw)
    place.tags["1"] = sha256(raw)
    return f"{fake.host}/{repository}:1\n"


def an_index_of_large_manifests(fake: FakeRegistry) -> str:
    children = []
    for number in range(20):
        raw = manifest(number)
        put(fake, "a/b", raw)
        children.append({"mediaType": IMAGE, "digest": sha256(raw), "size": len(raw)})
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": children}
    return put(fake, "a/b", json.dumps(document).encode(), INDEX)


def many_large_manifests(fake: FakeRegistry) -> str:
    return "".join(put(fake, f"a/b{number}", manifest(number)) for number in range(25))


def large_manifests_that_claim_to_be_small(fake: FakeRegistry) -> str:
    """Where there are chunks a Content-Length says nothing (RFC 9112, 6.3)."""

    def claim(_request: Request, go: Go) -> Reply:
        honest = go()
        headers = {**honest.headers, "Content-Length": "1000"}
        return Reply(honest.status, headers, honest.body, chunked=True)

    fake.on("GET", "/manifests/", claim)
    return many_large_manifests(fake)


def json_that_unfolds(fake: FakeRegistry) -> str:
    bombs = (
        b"[" * 2_000_000 + b"]" * 2_000_000,
        b'{"a":[' + b"{}," * 1_300_000 + b"{}]}",
        b'{"layers":[' + b"0," * 2_000_000 + b"0]}",
        b'{"layers":[' + b"[[]]," * 800_000 + b"0]}",
        b"{" + b",".join(b'"%d":0' % number for number in range(300_000)) + b"}",
        b'{"size":' + b"9" * 4_000_000 + b"}",
    )
    return "".join(put(fake, f"a/b{number}", raw) for number, raw in enumerate(bombs))


def blobs_without_an_end(fake: FakeRegistry) -> str:
    fake.store.repositories["a/b"].blobs[sha256(b"c")] = bytes(200_000_000)
    return put(fake, "a/b", manifest(1))


def locks_that_unfold(fake: FakeRegistry) -> str:
    """Package bundles as large as they may be, each another one, and wrong at the very end."""
    entries = "".join(f"- image: a.b/c@sha256:{number:064}\n" for number in range(9_999))
    names = []
    for number in range(12):
        text = f"# {number}\nimages:\n{entries}- image: a.b/c:1\n"
        fake.add(f"a/b{number}", "1", bundle(HEAD + text.encode()))
        names.append(f"{fake.host}/a/b{number}:1\n")
    return "".join(names)


def large_configurations(fake: FakeRegistry) -> str:
    labels = {"dev.carvel.imgpkg.bundle": "x" * LARGE}
    names = []
    for number in range(20):
        made = bundle(b"", labels=labels | {"number": str(number)})
        fake.add(f"a/b{number}", "1", made)
        names.append(f"{fake.host}/a/b{number}:1\n")
    return "".join(names)


def media_types_without_an_end(fake: FakeRegistry) -> str:
    """Each image is said to have one referrer, whose kind is a text of 4 MiB."""

    def lists(request: Request, _go: Go) -> Reply:
        entry = CONFIG | {"mediaType": request.path[-64:] + "x" * LARGE}
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
        return Reply(200, {"Content-Type": INDEX}, json.dumps(index).encode())

    fake.on("GET", "/referrers/", lists)
    images = {f"a/b{number}": build(ImageSpec(f"b{number}")) for number in range(40)}
    for name, image in images.items():
        fake.add(name, "1", image)
    return "".join(f"{fake.host}/{name}:1\n" for name in images)


def a_lock_of_many_registries(fake: FakeRegistry) -> str:
    """Nobody is there, and each would have a TLS context of its own."""
    places = (f"127.0.{n // 250}.{1 + n % 250}:9/x@sha256:{n:064}" for n in range(300))
    fake.add("a/b", "1", bundle(lock(*places)))
    return f"{fake.host}/a/b:1\n"


def peak_mb(*arguments: object, code: int) -> float:
    command = [sys.executable, "-c", MEASURED, *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == code, ran.stderr
    assert "Traceback" not in ran.stderr
    return int(ran.stderr.rpartition("PEAK")[2]) / 1024


@pytest.mark.parametrize(
    ("fill", "code"),
    [
        (an_index_of_large_manifests, 4),
        (many_large_manifests, 4),
        (large_manifests_that_claim_to_be_small, 4),
        (json_that_unfolds, 4),
        (blobs_without_an_end, 6),
        (locks_that_unfold, 3),
        (large_configurations, 3),
        (media_types_without_an_end, 4),
        (a_lock_of_many_registries, 4),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_memory_stays_bounded(
    fake: FakeRegistry, tmp_path: Path, fill: Callable[[FakeRegistry], str], code: int
) -> None:
    images = tmp_path / "images.txt"
    images.write_text(fill(fake))
    line = ("bundle", "create", "--images", images, "-o", tmp_path / "x.tar")
    assert peak_mb(*line, "--plain-http", "--retries", 0, code=code) < BOUND_MB


def tags_without_an_end(fake: FakeRegistry) -> None:
    """16 MiB in all, three million texts of two characters."""
    page = json.dumps({"tags": ["ab"] * 95_000}, separators=(",", ":")).encode()
    path, pages = "/v2/tkg/tkg-compatibility/tags/list", count()
    fake.on(
        "GET", path, lambda *_: Reply(200, {"Link": f'<{path}?n={next(pages)}>; rel="next"'}, page)
    )


def files_without_an_end(fake: FakeRegistry) -> None:
    """One layer that unfolds to 50 MB of files, in each of the TKr BOMs' images."""
    noise = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(400))
    text = noise + bytes(MAX_ARTIFACT - len(noise))
    image = layers_image(tar({f"{number}.yaml": text for number in range(25)}))
    for tkr in TKRS:
        fake.add("tkg/tkr-bom", tagged(tkr), image)


def documents_without_an_end(fake: FakeRegistry) -> None:
    """As many images as the bytes of all BOMs allow."""
    lines = "".join(f"      k{n}: {{imagePath: a{n}, tag: t}}\n" for n in range(24_000))
    for tkr in TKRS:
        text = tkr_bom(tkr).replace("    images:\n", f"    images:\n{lines}")
        put_bom(fake, "tkg/tkr-bom", tagged(tkr), "x.yaml", text)


TKRS = [f"v1.23.{number}+vmware.1-tkg.1" for number in range(6)]


@pytest.mark.parametrize(
    ("fill", "code"),
    [(tags_without_an_end, 4), (files_without_an_end, 4), (documents_without_an_end, 4)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_memory_stays_bounded_while_a_release_is_read(
    fake: FakeRegistry, tmp_path: Path, fill: Callable[[FakeRegistry], None], code: int
) -> None:
    offer(fake, tkrs=TKRS)
    fill(fake)
    line = ("bom", "fetch", "--tkg-version", "v1.6.0", "--all-tkrs", "-o", tmp_path / "to")
    where = ("--source-repo", f"{fake.host}/tkg", "--plain-http", "--retries", 0)
    assert peak_mb(*line, *where, code=code) < BOUND_MB
