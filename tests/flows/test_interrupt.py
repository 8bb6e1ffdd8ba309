"""Stopped by a person or the system while a peer hangs: it ends, and says how to go on.

Every run here is given an hour without a byte, so nothing but the signal can end it.
"""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from scripts.world.images import Image
from tests.fakes.behaviours import Behaviour, Go, Rule, answer, stall
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import ROOT, Ran, complete, finished, in_child, listed, run, start, stock
from tests.flows.test_kill import wait_for

PATIENT = ("--plain-http", "--timeout", 3600, "-j", 2)


@pytest.fixture
def images(fake: FakeRegistry) -> dict[str, Image]:
    return stock(fake)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a push takes: four images of nowhere in particular."""
    path = tmp_path_factory.mktemp("bundle") / "x.tar"
    with FakeRegistry() as source:
        names = listed(source, stock(source), path.parent)
        own = f"{source.host}/tkg"
        line = ("bundle", "create", "--images", names, "--source-repo", own, "--plain-http")
        assert run(*line, "-o", path).code == 0
    return path


def create(fake: FakeRegistry, images: dict[str, Image], path: Path) -> list[object]:
    names = listed(fake, images, path.parent)
    return ["bundle", "create", "--images", names, *PATIENT, "-o", path]


def push(bundle: Path, fake: FakeRegistry) -> list[object]:
    return ["bundle", "push", bundle, f"{fake.host}/air/gap", *PATIENT]


@contextmanager
def silence() -> Iterator[Behaviour]:
    """A behaviour that takes a request and never answers it."""
    over = threading.Event()

    def behave(_request: Request, _go: Go) -> Reply:
        over.wait()
        return Reply(cut_after=-1)

    try:
        yield behave
    finally:
        over.set()


def stopped(process: subprocess.Popen[str], rule: Rule, number: int = signal.SIGINT) -> Ran:
    """How a run ends that gets a signal once the rule has taken a request of it."""
    wait_for(partial(reached, rule, process))
    process.send_signal(number)
    return finished(process)


def reached(rule: Rule, process: subprocess.Popen[str]) -> bool:
    assert process.poll() is None
    return rule.seen > 0


def again(ended: Ran) -> subprocess.CompletedProcess[str]:
    """Do what the message says, as a person would: paste it into a shell."""
    (line,) = re.findall(r"^  command: (.+)$", ended.err, re.MULTILINE)
    return subprocess.run(
        ["sh", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


# --- the first one ----------------------------------------------------------------------------

CREATES = {
    "a manifest is never answered": ("/manifests/", None),
    "a blob stops in the middle": ("/blobs/", stall(100)),
    "a manifest is to come in 100 s": ("/manifests/", answer(429, Retry_After="100")),
    "a blob is to come in 100 s": ("/blobs/", answer(503, Retry_After="100")),
}


@pytest.mark.parametrize("place", CREATES)
def test_a_create_ends_whatever_the_source_does_and_its_command_goes_on(
    place: str, fake: FakeRegistry, images: dict[str, Image], tmp_path: Path
) -> None:
    (pattern, behaviour), path = CREATES[place], tmp_path / "it's mine.tar"
    with ExitStack() as stack:
        rule = fake.on("GET", pattern, behaviour or stack.enter_context(silence()))
        ended = stopped(start(*create(fake, images, path)), rule)
    assert (ended.code, ended.out) == (130, "")
    assert "interrupted" in ended.err
    assert "Traceback" not in ended.err
    assert not path.exists()
    fake.rules.remove(rule)
    done = again(ended)
    assert done.returncode == 0, done.stderr
    assert run("bundle", "verify", path).code == 0
    assert {each.name for each in tmp_path.iterdir()} == {"it's mine.tar", "images.txt"}


PUSHES = {
    "a tag is never looked up": ("HEAD", "/manifests/", None),
    "an upload is never begun": ("POST", "/uploads/", None),
    "an upload never ends": ("PUT", "/uploads/", None),
    "an upload is to come in 100 s": ("PUT", "/uploads/", answer(503, Retry_After="100")),
}


@pytest.mark.parametrize("place", PUSHES)
def test_a_push_ends_whatever_the_destination_does_and_its_command_goes_on(
    place: str, fake: FakeRegistry, bundle: Path
) -> None:
    method, pattern, behaviour = PUSHES[place]
    with ExitStack() as stack:
        rule = fake.on(method, pattern, behaviour or stack.enter_context(silence()))
        ended = stopped(start(*push(bundle, fake), "--format", "json"), rule, signal.SIGTERM)
    assert ended.code == 130
    assert ended.json["error"]["name"] == "interrupted"
    assert complete(fake) == set()
    fake.rules.remove(rule)
    done = again(ended)
    assert json.loads(done.stdout)["result"] == "ok"
    assert len(complete(fake)) == 4


def test_a_connection_that_is_never_made_holds_nothing_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, ExitStack() as stack:
        address = deaf.getsockname()
        # One is waiting to be accepted, and nobody does: the next one's packets are dropped.
        stack.enter_context(socket.create_connection(address))
        names = tmp_path / "images.txt"
        names.write_text(f"127.0.0.1:{address[1]}/tkg/app:v1\n")
        line = ["bundle", "create", "--images", names, *PATIENT, "-o", tmp_path / "x.tar"]
        process = start(*line)
        wait_for(partial(is_connecting, address[1]))
        process.send_signal(signal.SIGINT)
        assert finished(process).code == 130
    assert {each.name for each in tmp_path.iterdir()} == {"images.txt"}


def is_connecting(port: int) -> bool:
    """True while somebody's SYN to this port is not answered (state 02 in proc(5)'s table)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[2].endswith(f":{port:04X}") and row[3] == "02" for row in rows)


def test_an_interrupt_that_the_shell_ignores_is_ignored(
    fake: FakeRegistry, images: dict[str, Image], tmp_path: Path
) -> None:
    path, asked = tmp_path / "x.tar", threading.Event()

    def held(_request: Request, go: Go) -> Reply:
        asked.wait()
        return go()

    rule = fake.on("GET", "/manifests/", held)
    process = start(*create(fake, images, path), deaf=True)
    wait_for(partial(reached, rule, process))
    process.send_signal(signal.SIGINT)
    asked.set()
    assert finished(process).code == 0


# --- the second one ---------------------------------------------------------------------------


def test_a_second_signal_ends_at_once_and_leaves_what_the_next_run_needs(
    fake: FakeRegistry, images: dict[str, Image], tmp_path: Path
) -> None:
    path = tmp_path / "x.tar"
    rule = fake.on("GET", "/blobs/", stall(100), nth={8, 9})
    process = start(*create(fake, images, path))
    wait_for(lambda: fake.count("GET", "/blobs/") == 9)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    ended = finished(process)
    assert (ended.code, ended.out) == (130, "")
    assert "ended at once" in ended.err
    fake.rules.remove(rule)
    before = fake.count("GET", "/blobs/")
    assert run(*create(fake, images, path)).code == 0
    # Two workers were at the eighth and ninth of sixteen, so seven were finished.
    assert fake.count("GET", "/blobs/") - before == 16 - 7
    assert {each.name for each in tmp_path.iterdir()} == {"x.tar", "images.txt"}


def test_a_person_who_keeps_pressing_is_heard(
    fake: FakeRegistry, images: dict[str, Image], tmp_path: Path
) -> None:
    with silence() as never:
        rule = fake.on("GET", "/manifests/", never)
        process = start(*create(fake, images, tmp_path / "x.tar"))
        wait_for(partial(reached, rule, process))
        wait_for(partial(pressed, process))
        ended = finished(process)
    assert ended.code == 130
    assert "ended at once" in ended.err


def test_a_terminal_gets_its_cursor_back_when_a_run_ends_at_once(
    fake: FakeRegistry, images: dict[str, Image], tmp_path: Path
) -> None:
    terminal, end = pty.openpty()
    with silence() as never:
        rule = fake.on("GET", "/manifests/", never)
        process = subprocess.Popen(
            [sys.executable, "-m", "mirror", *map(str, create(fake, images, tmp_path / "x.tar"))],
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm"},
            stderr=end,
            text=True,
            preexec_fn=in_child(),
        )
        os.close(end)
        wait_for(partial(reached, rule, process))
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        shown = b"".join(iter(partial(read_terminal, terminal), b""))
        assert process.wait(60) == 130
    os.close(terminal)
    hidden, given_back = shown.rindex(b"\x1b[?25l"), shown.rindex(b"\x1b[?25h")
    assert hidden < given_back


def read_terminal(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        # Linux's way to say that the other end of a terminal is closed.
        return b""


def pressed(process: subprocess.Popen[str]) -> bool:
    process.send_signal(signal.SIGINT)
    return process.poll() is not None


# --- what is said -----------------------------------------------------------------------------


def test_a_registry_that_does_not_answer_is_told_with_the_command_that_goes_on(
    fake: FakeRegistry, bundle: Path
) -> None:
    rule = fake.on("PUT", "/uploads/", answer(500))
    ended = finished(start(*push(bundle, fake), "--retries", 0))
    assert ended.code == 4
    fake.rules.remove(rule)
    assert again(ended).returncode == 0


def test_a_command_that_would_fail_again_is_not_offered(fake: FakeRegistry, bundle: Path) -> None:
    fake.require_basic("ann", "correct horse")
    ended = finished(start(*push(bundle, fake)))
    assert ended.code == 5
    assert "command:" not in ended.err


def test_a_second_run_on_one_output_is_told_who_was_first(
    fake: FakeRegistry, images: dict[str, Image], tmp_path: Path
) -> None:
    path = tmp_path / "x.tar"
    rule = fake.on("GET", "/blobs/", stall(100), nth={1, 2})
    first = start(*create(fake, images, path))
    wait_for(partial(reached, rule, first))
    second = run(*create(fake, images, path))
    assert second.code == 9
    assert f"process {first.pid} on {os.uname().nodename} since " in second.err
    first.kill()
    finished(first)
    # What the killed one left beside the output is nobody's any more.
    assert run(*create(fake, images, path)).code == 0
    assert {each.name for each in tmp_path.iterdir()} == {"x.tar", "images.txt"}
