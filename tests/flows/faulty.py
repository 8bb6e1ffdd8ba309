"""Two images, and the tool on its way to a real registry through a proxy that breaks things.

    front.on("GET", f"/blobs/{LARGE.digest}", cut_response(after=300_000), nth=1)
    assert create(front, output).code == 0              # ``front`` stands before IMAGES
    assert whole_bundle(output)

    ran = push(bundle, proxy, "--retries", 2)           # ``proxy`` stands before nothing yet
    assert visible(registry.url) == PUSHED

What is at a destination is judged without the tool: every tag is followed down to its blobs, each
byte is hashed, and the registry is asked directly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from scripts.world.images import Image, ImageSpec, build
from scripts.world.registry import Registry
from scripts.world.seed import Seeder
from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import Action, Go, answer, chunked
from tests.fakes.proxy_message import Answer, Ended, Question
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, run
from tests.flows.judge import visible as visible

# Nobody owns this name: a rewrite says where the images are, so that no port is in any bundle.
NAMED = "registry.example.com/tkg"
APP = build(ImageSpec("app", own=(1_500_000, 3_000)))
PAIR = build(ImageSpec("pair", own=(2_000,), platforms=("amd64", "arm64")))
IMAGES = {"app:v1": APP, "pair:v1": PAIR}
# Large enough for several pieces, and for four chunks of the least size that is tried.
CONFIG, LARGE, SMALL = APP.blobs
BLOBS = {b.digest for image in IMAGES.values() for node in image.walk() for b in node.blobs}
SESSIONS = "/blobs/uploads/"
# The large blob is refused as a whole, and goes in four chunks.
LIMIT = LARGE.size // 3
# Once a run, an upload is opened in vain at most: can a repository's blob be mounted from itself?
ASKED = 1
PUSHED = {f"air/gap/{name}": image.manifest.digest for name, image in IMAGES.items()}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """IMAGES as a bundle; read it, do not write to it."""
    return bundle_of(IMAGES, tmp_path_factory.mktemp("bundle") / "x.tar")


@pytest.fixture
def front(registry: Registry, proxy: FaultProxy) -> FaultProxy:
    """The fault proxy, in front of a real registry that has IMAGES in its project tkg."""
    with httpx.Client(trust_env=False) as client:
        seeder = Seeder(registry.url, client)
        for name, image in IMAGES.items():
            path, _, tag = name.partition(":")
            seeder.put(f"tkg/{path}", tag, image)
    return proxy


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let further attempts follow at once: the pauses of our own choice are capped at nothing."""
    monkeypatch.setattr("mirror.transfer.retry.LONGEST_PAUSE", 0.0)


def bundle_of(images: dict[str, Image], path: Path) -> Path:
    """A bundle of images by ``path:tag``, as an undisturbed create makes it."""
    with FakeRegistry() as source:
        for name, image in images.items():
            repository, _, tag = name.partition(":")
            source.add(f"tkg/{repository}", tag, image)
        ran = create(source, path, images=images)
    assert ran.code == 0, ran.err
    return path


def create(
    source: FaultProxy | FakeRegistry,
    output: Path,
    *more: object,
    images: dict[str, Image] = IMAGES,
    stdin: str = "",
) -> Ran:
    """Make a bundle of the images in the project tkg; the same images give the same bytes."""
    names = output.with_suffix(".txt")
    names.write_text("".join(f"{NAMED}/{name}\n" for name in images))
    where = ("--source-repo", NAMED, "--rewrite", f"{NAMED}={source.host}/tkg", "--plain-http")
    return run("bundle", "create", "--images", names, *where, "-o", output, *more, stdin=stdin)


def push(
    bundle: Path, destination: FaultProxy | FakeRegistry, *more: object, stdin: str = ""
) -> Ran:
    """Push to the project air/gap."""
    place = f"{destination.host}/air/gap"
    return run("bundle", "push", bundle, place, "--plain-http", *more, stdin=stdin)


def chunks(proxy: FaultProxy) -> list[str]:
    """The Content-Range of each PATCH."""
    return [record.headers["content-range"] for record in proxy.found("PATCH", SESSIONS)]


def sessions_begun(proxy: FaultProxy) -> int:
    """How many uploads were opened; one that is refused for its size counts as well."""
    return proxy.count("POST", SESSIONS)


def is_own(path: str) -> bool:
    """True for a mount from the very repository that is to have the blob."""
    asked = urlsplit(path)
    return asked.path == f"/v2/{parse_qs(asked.query)['from'][0]}{SESSIONS}"


# --- actions for one row of the table each ------------------------------------------------------


def without_request_header(name: str) -> Action:
    """Take a header off the request: a proxy that knows no ranges, say."""

    def act(question: Question, go: Go) -> Answer:
        kept = tuple(pair for pair in question.headers if pair[0].lower() != name.lower())
        if kept != question.headers:
            question.note(f"request without {name}")
        return go(replace(question, headers=kept))

    return act


def end_without_last_chunk() -> Action:
    """End the connection when all of a body has gone that has no length, and before its end."""

    def unended(question: Question, body: Iterator[bytes]) -> Iterator[bytes]:
        yield from body
        question.note("all but the last chunk")
        raise Ended

    def act(question: Question, go: Go) -> Answer:
        found = chunked()(question, go)
        return replace(found, body=unended(question, found.body))

    return act


def spoil_request(offset: int = 0) -> Action:
    """Change one byte of the request's body; the length stays true."""

    def spoilt(question: Question) -> Iterator[bytes]:
        left = offset
        for piece in question.body:
            if 0 <= left < len(piece):
                question.note("request spoilt")
                piece = piece[:left] + bytes([piece[left] ^ 0xFF]) + piece[left + 1 :]
            left -= len(piece)
            yield piece

    return lambda question, go: go(replace(question, body=spoilt(question)))


def refuse_larger(limit: int) -> Action:
    """Answer 413 to a body of more than ``limit`` bytes, unread, as nginx does."""
    refuse = answer(413, body=b"<html>413 Request Entity Too Large</html>", unread=True)

    def act(question: Question, go: Go) -> Answer:
        size = int(question.record.headers.get("content-length", 0))
        return refuse(question, go) if size > limit else go(question)

    return act


def claims_to_hold(size: int) -> Action:
    """Answer a HEAD as if the blob were there, with this size in bytes."""

    def act(question: Question, _go: Go) -> Answer:
        question.note("claimed to hold")
        return Answer(200, (("Content-Length", str(size)),), iter(()))

    return act


def relative_location() -> Action:
    """Give the Location without scheme and host, its query kept."""

    def act(question: Question, go: Go) -> Answer:
        found = go(question)
        where = urlsplit(found.header("Location") or "")
        if not where.query:
            return found
        question.note("relative Location")
        return found.with_header("Location", f"{where.path}?{where.query}")

    return act


def unmounted() -> Action:
    """Take the mount off a POST, so that the registry opens an upload instead."""
    return lambda question, go: go(replace(question, target=question.target.partition("?")[0]))
