"""Ended at any moment, by a signal that nobody can catch or by a person: the next run goes on.

The registry pulls the trigger: it kills the client in the middle of a request of the seed's choice,
sometimes with half of the answer sent. So every kill lands while something is moving, whatever the
speed of the machine, and a seed that fails can be run again.
"""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from scripts.world.images import Image, ImageSpec, build
from tests.fakes.behaviours import Go, Rule
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, complete, finished, run, start

SECONDS = 30.0


@dataclass
class Trigger:
    """A behaviour that sends a signal to the client at its nth request, in the middle of it."""

    nth: int
    half: bool
    number: signal.Signals = signal.SIGKILL
    victim: subprocess.Popen[str] | None = None
    seen: int = 0
    ready: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request, go: Go) -> Reply:
        with self.lock:
            self.seen += 1
            mine = self.seen == self.nth
        if not mine:
            return go()
        assert self.ready.wait(SECONDS)
        assert self.victim is not None
        reply = go()
        self.victim.send_signal(self.number)
        return replace(reply, cut_after=len(reply.body) // 2) if self.half else reply

    def pull(self, victim: subprocess.Popen[str]) -> Ran:
        self.victim = victim
        self.ready.set()
        return finished(victim)


def images() -> dict[str, Image]:
    """Enough blobs to be killed among, some of them large enough for several pieces."""
    found = {}
    for n in range(8):
        sizes = (60_000, 400_000 if n == 0 else 3_000)
        platforms = ("amd64", "arm64") if n % 4 == 0 else ("amd64",)
        base = ((f"base-{n % 3}", 9_000),)
        found[f"app-{n}:v1"] = build(
            ImageSpec(f"kill-{n}", bases=base, own=sizes, platforms=platforms, docker=n % 2 == 1)
        )
    return found


@pytest.fixture(scope="module")
def world() -> dict[str, Image]:
    return images()


@pytest.fixture(scope="module")
def undisturbed(world: dict[str, Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a create makes that nobody disturbs; the source's port is in no name of it."""
    path = tmp_path_factory.mktemp("undisturbed") / "x.tar"
    with FakeRegistry() as source:
        fill(source, world)
        assert run(*create(source, world, path)).code == 0
    return path


def fill(fake: FakeRegistry, world: dict[str, Image]) -> None:
    for name, image in world.items():
        path, _, tag = name.partition(":")
        fake.add(f"tkg/{path}", tag, image)


def create(fake: FakeRegistry, world: dict[str, Image], path: Path, *more: object) -> list[object]:
    names = path.parent / "images.txt"
    names.write_text("".join(f"registry.example.com/tkg/{name}\n" for name in world))
    rewrite = f"registry.example.com={fake.host}"
    return [
        *("bundle", "create", "--images", names, "--rewrite", rewrite, "--plain-http"),
        *("-o", path, "-j", 2, *more),
    ]


def finished_blobs(path: Path) -> set[str]:
    """The whole lines of the journal, read without the tool."""
    lines = path.with_name("x.tar.journal").read_bytes().split(b"\n")[1:]
    whole = [line.split() for line in lines if re.fullmatch(rb"[0-9a-f]{64} [0-9a-f]{8}", line)]
    return {hexed.decode() for hexed, check in whole if int(check, 16) == zlib.crc32(hexed)}


def blobs_asked(fake: FakeRegistry, since: int) -> list[str]:
    paths = [seen.path for seen in fake.requests[since:] if "/blobs/" in seen.path]
    return [path.rpartition(":")[2] for path in paths]


@pytest.mark.parametrize("seed", range(5))
def test_a_create_that_is_killed_goes_on_to_the_same_bytes(
    seed: int, world: dict[str, Image], undisturbed: Path, fake: FakeRegistry, tmp_path: Path
) -> None:
    dice, path = random.Random(seed), tmp_path / "x.tar"
    fill(fake, world)
    kills = []
    for _ in range(2):
        before, trigger = len(fake.requests), Trigger(dice.randrange(4, 16), dice.random() < 0.5)
        rule = fake.on("GET", "/blobs/", trigger)
        ended = trigger.pull(start(*create(fake, world, path)))
        fake.rules.remove(rule)
        fake.settle()
        assert ended.code == -signal.SIGKILL, ended.err
        assert not path.exists()
        kills.append((trigger.nth, trigger.half, len(finished_blobs(path))))
    print(f"seed {seed}: killed at request, half sent, blobs finished: {kills}")
    done, before = finished_blobs(path), len(fake.requests)
    assert done
    again = run(*create(fake, world, path))
    assert again.code == 0, again.err
    asked = blobs_asked(fake, before)
    assert not done & set(asked)
    assert len(asked) == len(set(asked))
    assert path.read_bytes() == undisturbed.read_bytes()
    assert {each.name for each in tmp_path.iterdir()} == {"x.tar", "images.txt"}


def test_a_create_that_is_killed_while_it_resolves_leaves_nothing(
    world: dict[str, Image], fake: FakeRegistry, tmp_path: Path
) -> None:
    fill(fake, world)
    trigger = Trigger(3, half=True)
    fake.on("GET", "/manifests/", trigger)
    assert trigger.pull(start(*create(fake, world, tmp_path / "x.tar"))).code == -signal.SIGKILL
    assert {each.name for each in tmp_path.iterdir()} == {"images.txt"}


def test_killed_at_any_moment_there_is_no_file_or_a_whole_one(
    world: dict[str, Image], undisturbed: Path, fake: FakeRegistry, tmp_path: Path
) -> None:
    """By the clock this time, and so at the end of a run too: when it syncs and renames."""
    fill(fake, world)
    seed, path = random.randrange(1 << 32), tmp_path / "x.tar"
    print(f"seed {seed}")
    dice = random.Random(seed)
    for _ in range(3):
        begun = fake.on("GET", "/blobs/", lambda _request, go: go())
        process = start(*create(fake, world, path))
        wait_for(partial(has_moved, begun, process))
        threading.Event().wait(dice.random() * 0.1)
        process.kill()
        finished(process)
        if path.exists():
            assert path.read_bytes() == undisturbed.read_bytes()
            path.unlink()
    assert run(*create(fake, world, path)).code == 0
    assert path.read_bytes() == undisturbed.read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_create_says_so_and_goes_on(
    number: signal.Signals,
    world: dict[str, Image],
    undisturbed: Path,
    fake: FakeRegistry,
    tmp_path: Path,
) -> None:
    fill(fake, world)
    path, trigger = tmp_path / "x.tar", Trigger(9, half=False, number=number)
    rule = fake.on("GET", "/blobs/", trigger)
    ended = trigger.pull(start(*create(fake, world, path, "--format", "json")))
    fake.rules.remove(rule)
    fake.settle()
    assert ended.code == 130
    assert json.loads(ended.out)["error"]["name"] == "interrupted"
    assert "interrupted" in ended.err
    assert "Traceback" not in ended.err
    done, before = finished_blobs(path), len(fake.requests)
    assert run(*create(fake, world, path)).code == 0
    assert not done & set(blobs_asked(fake, before))
    assert path.read_bytes() == undisturbed.read_bytes()


def test_an_interrupt_is_heard_while_the_source_says_nothing(
    world: dict[str, Image], fake: FakeRegistry, tmp_path: Path
) -> None:
    fill(fake, world)
    fake.on("GET", "/blobs/", lambda _request, go: replace(go(), stall_after=10))
    process = start(*create(fake, world, tmp_path / "x.tar"))
    wait_for(lambda: fake.count("GET", "/blobs/") == 2)
    process.send_signal(signal.SIGINT)
    ended = finished(process)
    assert ended.code == 130
    assert "run the same command again" in ended.err


# --- push -------------------------------------------------------------------------------------


def push(bundle: Path, fake: FakeRegistry) -> list[object]:
    return ["bundle", "push", bundle, f"{fake.host}/air/gap", "--plain-http", "-j", 2]


@pytest.mark.parametrize("seed", range(3))
def test_a_push_that_is_killed_shows_no_half_image_and_goes_on(
    seed: int, world: dict[str, Image], undisturbed: Path, fake: FakeRegistry
) -> None:
    dice = random.Random(seed)
    for method, last in (("POST", 20), ("PUT", 30)):
        trigger = Trigger(dice.randrange(2, last), half=False)
        rule = fake.on(method, "/", trigger)
        ended = trigger.pull(start(*push(undisturbed, fake)))
        fake.rules.remove(rule)
        fake.settle()
        visible = complete(fake)
        print(f"seed {seed}: {method} {trigger.nth}, {len(visible)} tags visible")
        assert ended.code == -signal.SIGKILL, ended.err
        assert len(visible) < len(world)
    stored = {d for r in fake.store.repositories.values() for d in r.blobs}
    before = len(fake.requests)
    assert run(*push(undisturbed, fake)).code == 0
    assert complete(fake) == {f"air/gap/tkg/{name}" for name in world}
    puts = [seen for seen in fake.requests[before:] if seen.method == "PUT"]
    sent = {digest for seen in puts if (digest := digest_in(seen.path))}
    assert not stored & sent


def test_an_interrupted_push_says_so_and_goes_on(
    world: dict[str, Image], undisturbed: Path, fake: FakeRegistry
) -> None:
    trigger = Trigger(7, half=False, number=signal.SIGINT)
    rule = fake.on("PUT", "/", trigger)
    ended = trigger.pull(start(*push(undisturbed, fake)))
    fake.rules.remove(rule)
    fake.settle()
    assert (ended.code, ended.out) == (130, "")
    assert complete(fake) == set()
    assert run(*push(undisturbed, fake)).code == 0
    assert len(complete(fake)) == len(world)


def digest_in(path: str) -> str:
    found = re.search(r"[?&]digest=(sha256(?::|%3A)[0-9a-f]{64})", path)
    return found[1].replace("%3A", ":") if found else ""


def has_moved(begun: Rule, process: subprocess.Popen[str]) -> bool:
    return begun.seen > 0 or process.poll() is not None


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)
