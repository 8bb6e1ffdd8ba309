"""Two runs on one output: who is told what, and what a killed run's note is worth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mirror.bundle.lock import Lock
from mirror.errors import MachineFault

_HOLD = """\
import sys
from pathlib import Path
from mirror.bundle.lock import Lock
lock = Lock(Path(sys.argv[1]))
lock.sign()
print("locked", flush=True)
sys.stdin.readline()
lock.forget()
"""
_FLOCK = """\
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.tar.partial"


def note(path: Path) -> Path:
    return path.with_name("x.tar.partial.lock")


@contextmanager
def elsewhere(program: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lock."""
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "locked\n"
        yield other
        other.kill()


def signed(path: Path) -> Lock:
    lock = Lock(path)
    lock.sign()
    return lock


def refusal(path: Path) -> MachineFault:
    with pytest.raises(MachineFault, match="another run") as caught:
        Lock(path)
    return caught.value


def test_the_second_run_is_told_process_host_and_start_of_the_first(path: Path) -> None:
    with elsewhere(_HOLD, path) as other:
        fact = refusal(path).fact
    assert f"process {other.pid} on {os.uname().nodename} since 20" in fact


def test_a_killed_run_holds_nothing_back_and_its_note_is_replaced(path: Path) -> None:
    with elsewhere(_HOLD, path) as other:
        pass
    assert json.loads(note(path).read_text())["pid"] == other.pid
    lock = signed(path)
    assert json.loads(note(path).read_text())["pid"] == os.getpid()
    lock.forget()
    os.close(lock.file)
    assert not note(path).exists()


def test_the_note_of_a_killed_run_is_not_taken_for_the_holders(path: Path) -> None:
    with elsewhere(_HOLD, path) as killed:
        pass
    with elsewhere(_FLOCK, path):
        fact = refusal(path).fact
    assert note(path).exists()
    assert str(killed.pid) not in fact.removeprefix(str(path))
    assert fact == str(path)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"pid": 1, "host": 2, "since": "x"}', "\0"])
def test_a_note_that_says_nothing_keeps_the_refusal(path: Path, text: str) -> None:
    with elsewhere(_HOLD, path):
        note(path).write_text(text)
        assert refusal(path).fact == str(path)


def test_a_note_cannot_steer_the_terminal(path: Path) -> None:
    with elsewhere(_HOLD, path):
        evil = {"pid": "\x1b[2J1", "host": "h\x1b[31m\nerror: forged", "since": "\u202e9"}
        note(path).write_text(json.dumps(evil))
        fact = refusal(path).fact
    assert fact.isprintable()


def test_a_link_in_the_notes_place_is_not_written_through(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_text("precious")
    note(path).symlink_to(victim)
    lock = signed(path)
    lock.forget()
    os.close(lock.file)
    assert victim.read_text() == "precious"


def test_a_note_that_cannot_be_written_is_no_reason_to_stop(path: Path) -> None:
    note(path).mkdir()
    lock = signed(path)
    assert str(os.getpid()) not in refusal(path).fact.removeprefix(str(path))
    lock.forget()
    os.close(lock.file)
    assert note(path).is_dir()


def test_forgetting_twice_leaves_the_next_holders_note_alone(path: Path) -> None:
    first = signed(path)
    first.forget()
    os.close(first.file)
    second = signed(path)
    first.forget()
    assert note(path).exists()
    second.forget()
    os.close(second.file)
