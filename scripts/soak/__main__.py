"""Run the soak: `python -m scripts.soak --help`.

A round carries a small world from a real registry into a bundle and from there into a new, empty
one, through proxies that break requests as the seed says; then it compares the two registries by
plain requests. With --kills the tool is killed as well (SIGKILL), in the middle of what it does,
half of the times in create and half in push, and started again. Rounds follow each other until the
time is over and the kills are done. The first finding ends the soak with exit code 1, and with the
command that plays its round again.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scripts.soak.chaos import LEVELS
from scripts.soak.rounds import Failed, Outcome, Plan, play
from scripts.soak.world import World, made

__all__ = ["main"]

# Kills of one command in one round: with more, a round would be nothing but starts.
MOST_KILLS = 4


class Soak:
    """Rounds over one world, and what they come to."""

    def __init__(self, given: argparse.Namespace, world: World, scratch: Path) -> None:
        self._given, self._world, self._scratch = given, world, scratch
        self._until = time.monotonic() + given.minutes * 60
        self._kills = (given.kills - given.kills // 2, given.kills // 2)
        self.killed, self.faults, self.rounds = 0, Counter[str](), 0

        blobs = world.blobs.values()
        print(
            f"seed {given.seed}: {len(world.images)} images, {len(blobs)} blobs,"
            f" {world.needed / 1e6:.1f} MB, the largest {max(blobs) / 1e6:.1f} MB",
            flush=True,
        )

    def play(self) -> None:
        """Play all rounds, or the one that was asked for; raise Failed at the first finding."""
        number = self._given.round or 1
        while True:
            self._round(number)
            if self._given.round or (time.monotonic() >= self._until and not any(self._kills)):
                break
            number += 1

    def _round(self, number: int) -> None:
        given, (create, push) = self._given, self._kills
        most = (min(create, MOST_KILLS), min(push, MOST_KILLS))
        plan = Plan(f"{given.seed} {number}", given.faults, given.retries, most, given.jobs)
        try:
            done = play(self._world, plan, self._scratch)
        except Exception:
            # Not only for findings: a fault of the soak itself has to be played again too.
            print(self._again(number, 2 * max(most)), file=sys.stderr)
            raise
        self._kills = (create - done.kills[0], push - done.kills[1])
        self.killed, self.rounds = self.killed + sum(done.kills), self.rounds + 1
        self.faults += done.faults
        print(_line(number, done, self._world.needed), flush=True)

    def _again(self, number: int, kills: int) -> str:
        given = self._given
        return (
            f"round {number} failed; to play it again: python -m scripts.soak --seed {given.seed}"
            f" --round {number} --kills {kills} --faults {given.faults} --mb {given.mb}"
            f" --images {given.images} --retries {given.retries} --jobs {given.jobs}"
        )

    def summary(self) -> str:
        """Return what the soak has shown, once it has ended without a finding."""
        lines = [f"{self.rounds} rounds, {self.faults.total()} faults: {_listed(self.faults)}"]
        if self.killed:
            lines.append(
                f"{self.killed} kills, {self.killed} recoveries, 0 finished blobs fetched or sent"
                " again, 0 incomplete tags visible"
            )
        return "\n".join(lines)


def _line(number: int, done: Outcome, needed: int) -> str:
    moved = f"create {done.fetched / 1e6:.1f} MB, push {done.sent / 1e6:.1f} MB"
    kills = f"{sum(done.kills)} kills, " if any(done.kills) else ""
    return (
        f"round {number}: {moved} of {needed / 1e6:.1f} MB needed, {kills}{done.seconds:.1f} s,"
        f" {done.faults.total()} faults: {_listed(done.faults)}"
    )


def _listed(faults: Counter[str]) -> str:
    return ", ".join(f"{count} {fault}" for fault, count in sorted(faults.items())) or "none"


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=0.0, help="at least one round is played")
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="go on until N are done")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--round", type=int, metavar="N", help="play only this one of the seed")
    parser.add_argument("--faults", choices=LEVELS, default="rough")
    parser.add_argument("--mb", type=int, default=96, help="unique megabytes, about")
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--retries", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--scratch", type=Path, help="a directory with 2 times --mb of free space")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Seed, play, and return the exit code."""
    given = _arguments(arguments)
    with tempfile.TemporaryDirectory(prefix="soak-", dir=given.scratch) as name:
        scratch = Path(name)
        with made(scratch, images=given.images, megabytes=given.mb, seed=given.seed) as world:
            soak = Soak(given, world, scratch)
            try:
                soak.play()
            except Failed as finding:
                print(f"FAILED {finding}", file=sys.stderr)
                return 1
    print(soak.summary())
    return 0


if __name__ == "__main__":
    sys.exit(main())
