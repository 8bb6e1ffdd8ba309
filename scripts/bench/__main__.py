"""Run the bench: `python -m scripts.bench --help`.

Everyone works on the same images, taking turns within a round, so that a machine that slows down
slows all of them; what counts are ratios of medians. Each push goes to a registry of its own, empty
and new.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from scripts.bench.contenders import Contenders
from scripts.bench.measure import measure
from scripts.bench.report import Results
from scripts.world.registry import Registry

__all__ = ["main"]

STEPS = ("create", "verify", "push")


class Bench:
    """One source registry, one list of images, and rounds over them."""

    def __init__(self, source: Registry, scratch: Path, given: argparse.Namespace) -> None:
        self._scratch, self._megabytes = scratch, given.mb
        references = [f"{source.host}/bench/app-{n:03}:v1" for n in range(given.images)]
        self._who = Contenders(references, scratch, given.jobs)
        seeded = _seed(source, self._who.list, scratch, given.mb)
        facts = {"images": len(seeded), "mb": given.mb, "rounds": given.rounds, "jobs": given.jobs}
        self.results = Results({**facts, "cores": os.cpu_count()})

    def round(self, steps: list[str]) -> None:
        """Let everyone do everything once."""
        tool, floor = self._scratch / "tool.tar", self._scratch / "floor.tar"
        self._create(tool, floor, everyone="create" in steps)
        # Three times: it takes a second or two, and the machine's noise is of that size.
        for _ in range(3 if "verify" in steps else 0):
            self._run("verify floor", self._who.verify_floor(tool), inner=True)
            self._run("verify tool", self._who.verify_tool(tool), inner=True)
        if "push" in steps:
            self._push(tool)
        tool.unlink(missing_ok=True)

    def _create(self, tool: Path, floor: Path, *, everyone: bool) -> None:
        """Each writes where the one before has just freed as much, so all find the same memory."""
        layout = self._scratch / "layout"
        if everyone:
            self._run("create skopeo", self._who.create_skopeo(layout))
            shutil.rmtree(layout, ignore_errors=True)
            self._run("create floor", self._who.create_floor(floor))
            floor.unlink(missing_ok=True)
        self._run("create tool", self._who.create_tool(tool))

    def _push(self, bundle: Path) -> None:
        self._to_new_registry(lambda to: self._run("push floor", self._who.push_floor(bundle, to)))
        self._to_new_registry(lambda to: self._push_twice(bundle, to))
        self._to_new_registry(lambda to: self._run("push skopeo", self._who.push_skopeo(to)))

    def _push_twice(self, bundle: Path, destination: str) -> None:
        self._run("push tool", self._who.push_tool(bundle, destination))
        again = self._run("push tool again", self._who.push_tool(bundle, destination))
        if again:
            print(f"    the second push moved {json.loads(again)['bytes']['moved']} bytes")

    def _to_new_registry(self, work: Callable[[str], object]) -> None:
        with Registry(self._scratch / "destination") as registry:
            work(f"{registry.host}/dest")
        shutil.rmtree(self._scratch / "destination")

    def _run(self, name: str, command: list[str], *, inner: bool = False) -> str:
        """Measure a command; with ``inner`` also by its own account, without its start."""
        sample = measure(command, self._scratch, self._megabytes)
        self.results.add(name, sample)
        if inner and not sample.error:
            own = float(json.loads(sample.output)["seconds"])
            self.results.add(f"{name}, started", replace(sample, seconds=own))
        return "" if sample.error else sample.output


def _seed(source: Registry, images: Path, scratch: Path, megabytes: int) -> list[object]:
    # As a program of its own: the one that measures has to stay small.
    listed = scratch / "world.json"
    command = [sys.executable, "-m", "scripts.world", "--registry", source.host]
    command += ["--images", str(images), "--mb", str(megabytes), "--list", str(listed)]
    subprocess.run(command, check=True)
    seeded: list[object] = json.loads(listed.read_text())
    return seeded


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench", description=__doc__)
    parser.add_argument("--mb", type=int, default=2000, help="unique megabytes, about")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--only", default=",".join(STEPS), help="some of create,verify,push")
    parser.add_argument("--scratch", type=Path, help="a directory with 5 times --mb of free space")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args()
    given.only = given.only.split(",")
    if not set(given.only) <= set(STEPS):
        parser.error(f"--only takes some of {','.join(STEPS)}")
    return given


def main() -> None:
    """Seed, run the rounds, print the table."""
    given = _arguments()
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=given.scratch) as scratch,
        Registry(Path(scratch) / "source") as source,
    ):
        bench = Bench(source, Path(scratch), given)
        for number in range(given.rounds):
            print(f"round {number + 1} of {given.rounds}", flush=True)
            bench.round(given.only)
    print(f"\n{bench.results.text()}")
    if given.json:
        bench.results.write(given.json)


if __name__ == "__main__":
    main()
