"""Runs one scenario: everyone does every step, in turn, a few times.

Within a step the contenders follow each other, so that a machine that slows down slows all of them;
what counts are ratios of medians. Each push goes to a registry of its own, empty and new, and the
second push to the same one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from scripts.bench.contenders import FLOOR, Contender, Floor, Tool
from scripts.bench.disk import NoLimit, SlowDisk, drop_cache, slow_disk
from scripts.bench.measure import Sample, measure
from scripts.bench.results import Told
from scripts.bench.rig import Rig
from scripts.bench.scenarios import Scenario
from scripts.bench.site import Site, Wanted
from scripts.bench.world import World, earlier
from scripts.world.registry import Registry

__all__ = ["run"]

# A verify and a show take a second or two, and the machine's noise is of that size.
LOOKS = 3
# Steps that fill as much memory with pages as the world has bytes.
FILLING = ("create", "push")
# Of a grown world: what an earlier run did not have.
NEW = 0.1


@dataclass(frozen=True)
class Stage:
    """A scenario with all that it needs running; ``reached`` is where its source is reached."""

    scenario: Scenario
    world: World
    scratch: Path
    rig: Rig
    source: Registry
    reached: str
    disk: SlowDisk | None
    jobs: int

    def site(self, host: str, images: Sequence[Wanted], name: str = "all") -> Site:
        """Tell contenders about these images, there."""
        ca = self.rig.authority.ca if self.rig.authority else None
        return Site(host, images, self.scratch / "lists" / name, self.jobs, ca)


def run(
    scenario: Scenario, world: World, scratch: Path, jobs: int, peers: Sequence[Contender]
) -> Told:
    """Run all rounds of a scenario; one that this machine cannot have says why."""
    facts = {"images": len(world.images), "blobs": world.blobs, "mb": world.megabytes}
    facts |= {"jobs": jobs, "rounds": scenario.rounds, "peer_rounds": scenario.peer_rounds}
    told = Told(scenario.letter, scenario.title, scenario.note, facts)
    own: list[Contender] = [Floor(), Tool()]
    own += [Tool(*options) for options in scenario.variants]
    with ExitStack() as stack:
        try:
            stage = _set(scenario, world, scratch, jobs, stack)
        except NoLimit as reason:
            told.skipped = str(reason)
            return told
        for number in range(scenario.rounds):
            print(f"  round {number + 1} of {scenario.rounds}", flush=True)
            # The first round is often slow, and must not be all that the others are judged by.
            joined = number >= scenario.rounds - scenario.peer_rounds
            _Round(stage, told).run([*own, *(peers if joined else ())])
    return told


def _set(scenario: Scenario, world: World, scratch: Path, jobs: int, stack: ExitStack) -> Stage:
    """Start what a scenario needs, until the stack is left."""
    rig = Rig(scenario, scratch)
    disk = stack.enter_context(slow_disk(scratch)) if scenario.slow_disk else None
    source = stack.enter_context(rig.registry(world.storage))
    reached = stack.enter_context(rig.reached(source))
    return Stage(scenario, world, scratch, rig, source, reached, disk, jobs)


class _Round:
    """One round. Results lie in a folder that is gone at its end."""

    def __init__(self, stage: Stage, told: Told) -> None:
        self._stage, self._told = stage, told
        self._steps = stage.scenario.steps
        self._results = stage.scratch / "results"
        before = earlier(stage.world.images, NEW) if stage.scenario.grown else ()
        self._images = {"before": before, "all": stage.world.images}

    def run(self, crowd: Sequence[Contender]) -> None:
        """Let everyone do everything once."""
        self._results.mkdir()
        for contender in crowd:
            self._create(contender)
        for step in ("verify", "show"):
            for _ in range(LOOKS if step in self._steps else 0):
                for contender in crowd:
                    self._look(step, contender)
        for contender in crowd if "push" in self._steps else ():
            self._push(contender)
        shutil.rmtree(self._results)

    def _create(self, who: Contender) -> None:
        for edition in ("before", "all") if self._images["before"] else ("all",):
            target = self._target(who, edition)
            site = self._stage.site(self._stage.reached, self._images[edition], edition)
            command = who.create(site, target)
            if command and self._stage.disk:
                command = self._stage.disk.writing(command, target)
            self._measure("create" if edition == "all" else "", who, command)
        if not who.kept:
            _remove(self._target(who, "all"))
            _remove(self._target(who, "before"))

    def _look(self, step: str, who: Contender) -> None:
        target = self._bundle(who, "all")
        command = who.verify(target) if step == "verify" else who.show(target)
        self._measure(step, who, self._slowed(command, target))

    def _push(self, who: Contender) -> None:
        with self._stage.rig.destination() as (registry, host):
            if self._images["before"]:
                self._push_to(registry, host, who, "before", "")
            self._push_to(registry, host, who, "all", "push")
            if "push again" in self._steps:
                self._push_to(registry, host, who, "all", "push again")

    def _push_to(
        self, registry: Registry, host: str, who: Contender, edition: str, step: str
    ) -> None:
        """Push an edition; who copies from registry to registry is near its source."""
        target = self._bundle(who, edition)
        site = self._stage.site(self._stage.source.host, self._images[edition], edition)
        command = self._slowed(who.push(site, target, f"{host}/dest"), target)
        self._measure(step, who, command, registry)

    def _target(self, who: Contender, edition: str) -> Path:
        """Return where somebody's result goes: to the earlier one, if it is one that grows."""
        name = who.name.replace(" ", "")
        return self._results / (name if who.adds else f"{name}-{edition}")

    def _bundle(self, who: Contender, edition: str) -> Path:
        """Return what somebody reads: the floor reads the tool's bundle."""
        return self._target(Tool() if who.name == FLOOR else who, edition)

    def _slowed(self, command: list[str] | None, target: Path) -> list[str] | None:
        if command is None or self._stage.disk is None:
            return command
        drop_cache(target)
        return self._stage.disk.reading(command)

    def _measure(
        self, step: str, who: Contender, command: list[str] | None, *registries: Registry
    ) -> None:
        """Run a command, and keep what it took unless it only prepares a step."""
        if command is None:
            return
        ca = self._stage.site("", ()).ca
        everyone = (self._stage.source, *registries)
        sample = measure(
            command,
            self._stage.scratch,
            megabytes=self._stage.world.megabytes if step in FILLING else 0,
            more={"SSL_CERT_FILE": str(ca)} if ca else {},
            asked=lambda: sum(registry.asked() for registry in everyone),
        )
        if step or sample.error:
            self._told.add(step or "prepare", who.name, _accounted(sample))
            said = sample.error or f"{sample.seconds:.2f} s"
            print(f"    {step or 'prepare'}, {who.name}: {said}", flush=True)


def _remove(target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)


def _accounted(sample: Sample) -> Sample:
    """Add what a program says about itself, where it says it as JSON."""
    try:
        said = json.loads(sample.output)
    except ValueError:
        return sample
    if not isinstance(said, dict):
        return sample
    moved = said.get("bytes", {}).get("moved") if isinstance(said.get("bytes"), dict) else None
    return replace(sample, own=said.get("seconds"), moved=moved)
