"""The tool as a child process, which may be killed in the middle of what it does."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from scripts.world.process import die_with_parent
from tests.fakes.proxy_actions import Go
from tests.fakes.proxy_message import Answer, Question

__all__ = ["Ran", "Trap", "run"]

ROOT = Path(__file__).parents[2]
# Seconds a single run may take; one that hangs is a finding as well.
LONGEST = 900.0
# Seconds after the trap was sprung: up to here a kill falls between two requests, or into the end.
LATE = 0.03

_OURS = re.compile(r"TKG_MIRROR_.*|(HTTPS?|ALL|NO)_PROXY", re.IGNORECASE)


@dataclass(frozen=True)
class Ran:
    """How a run ended, and its last words."""

    code: int
    killed: bool
    err: str


@dataclass
class Trap:
    """An action of a proxy that is sprung after so many requests and pieces of bodies."""

    left: int
    late: float
    sprung: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def within(cls, dice: random.Random, steps: int) -> Trap:
        """Make one for any of the next ``steps``; every other one waits a moment longer."""
        return cls(dice.randint(1, max(steps, 1)), dice.choice((0.0, dice.random() * LATE)))

    def __call__(self, question: Question, go: Go) -> Answer:
        """Count one exchange, and both of its bodies as they pass."""
        self._step()
        found = go(replace(question, body=self._watched(question.body)))
        return replace(found, body=self._watched(found.body))

    def _watched(self, body: Iterator[bytes]) -> Iterator[bytes]:
        for piece in body:
            self._step()
            yield piece

    def _step(self) -> None:
        with self._lock:
            self.left -= 1
            if self.left == 0:
                self.sprung.set()


def run(arguments: list[object], trap: Trap | None = None) -> Ran:
    """Run one command to its end, or to its death in the trap."""
    environment = {key: text for key, text in os.environ.items() if not _OURS.fullmatch(key)}
    with tempfile.TemporaryFile("w+", errors="replace") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "mirror", *map(str, arguments)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err,
            preexec_fn=die_with_parent(),
        )
        killed = trap is not None and _killed(process, trap)
        try:
            code = process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        err.seek(0)
        # One that had ended when the signal came was not killed.
        return Ran(code, killed and code < 0, err.read()[-2000:])


def _killed(process: subprocess.Popen[bytes], trap: Trap) -> bool:
    while process.poll() is None:
        if trap.sprung.wait(0.01):
            threading.Event().wait(trap.late)
            process.kill()
            return True
    return False
