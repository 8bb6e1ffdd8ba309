"""One round: registry to bundle to a new registry, disturbed, killed, started again, and judged.

Nothing that the tool says about itself is believed. What a round checks, it asks by plain requests
past the proxies, or reads off what went through them:

1. every tag at the destination names the same bytes as at the source, and every blob hashes right;
2. at the moment when a tag is put, all that its image needs is there already, in full size;
3. after a kill, every visible tag is complete;
4. a blob that the journal calls finished is not asked for again by a later run;
5. a blob that the destination has committed is not uploaded once more.
"""

from __future__ import annotations

import json
import random
import re
import time
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from scripts.soak.chaos import disturb
from scripts.soak.plain import Plain
from scripts.soak.tool import Ran, Trap, run
from scripts.soak.world import NAMED, World
from scripts.world.registry import Registry
from scripts.world.threads import shared_client
from tests.fakes.ledger import LEDGER
from tests.fakes.message import PIECE
from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import Go
from tests.fakes.proxy_message import Answer, Question, Record

__all__ = ["Failed", "Outcome", "Plan", "play"]

FAR = "far/away"
_DIGEST = re.compile(r"/blobs/(?:.*[?&]digest=)?(sha256(?::|%3A)[0-9a-f]{64})")
_TAGGED = re.compile(r"/v2/(?P<repository>.+)/manifests/(?!sha256:)(?P<tag>[^/?]+)$")


class Failed(Exception):
    """The tool did what it must not do, or did not do what it must."""


@dataclass(frozen=True)
class Plan:
    """How hard a round is; ``kills`` are for create and for push, each at most."""

    seed: str
    level: str
    retries: int
    kills: tuple[int, int] = (0, 0)
    jobs: int = 4


@dataclass(frozen=True)
class Outcome:
    """What a round did; bytes are those of bodies that went through the proxies."""

    fetched: int
    sent: int
    kills: tuple[int, int]
    """Each followed by a run that went on: a round with one that did not has failed."""
    faults: Counter[str]
    seconds: float


@dataclass
class Phase:
    """One command, repeated through one proxy until it ends by itself."""

    plan: Plan
    proxy: FaultProxy
    dice: random.Random
    steps: Callable[[], int]
    """How many requests and pieces are still to come, about."""
    after_kill: Callable[[], None]
    kills: int = 0

    def complete(self, command: list[object], most: int) -> None:
        """Run to the end through ``most`` kills; raise Failed where a run fails by itself."""
        while True:
            ran = self._run(command, trapped=self.kills < most)
            self.proxy.settle()
            if not ran.killed:
                break
            self.kills += 1
            self.after_kill()
        if ran.code:
            raise Failed(f"{command[1]} ended with {ran.code}: {ran.err}")

    def _run(self, command: list[object], *, trapped: bool) -> Ran:
        if not trapped:
            return run(command)
        trap = Trap.within(self.dice, self.steps())
        rule = self.proxy.on("*", "", trap)
        try:
            return run(command, trap)
        finally:
            self.proxy.rules.remove(rule)


def play(world: World, plan: Plan, scratch: Path) -> Outcome:
    """Play one round; raise Failed with the reason."""
    begin = time.monotonic()
    bundle = scratch / "soak.tar"
    with ExitStack() as stack:
        client = stack.enter_context(shared_client(timeout=60))
        near = stack.enter_context(FaultProxy(world.url))
        far = stack.enter_context(Registry())
        front = stack.enter_context(FaultProxy(far.url))
        killed = (
            _create(world, plan, near, bundle),
            _push(world, plan, front, bundle, Plain(far.url, client)),
        )
        _judge(world, Plain(far.url, client))
        bundle.unlink()
    # Nobody has logged in: this only keeps a soak of hours from remembering every request.
    LEDGER.settle()
    seconds = time.monotonic() - begin
    return Outcome(near.downloaded, front.uploaded, killed, near.faults + front.faults, seconds)


# --- create -----------------------------------------------------------------------------------


def _create(world: World, plan: Plan, proxy: FaultProxy, bundle: Path) -> int:
    disturb(proxy, plan.level, f"{plan.seed} create")
    journal = bundle.with_name(f"{bundle.name}.journal")
    finished: list[tuple[int, set[str]]] = []

    def still() -> int:
        left = set(world.blobs) - (finished[-1][1] if finished else set())
        return sum(world.blobs[each] for each in left) // PIECE + len(left)

    def after_kill() -> None:
        finished.append((len(proxy.records), journaled(journal)))

    command: list[object] = [
        *("bundle", "create", "--images", world.list, "--rewrite", f"{NAMED}={proxy.host}"),
        *("-o", bundle, *_shared(plan)),
    ]
    phase = Phase(plan, proxy, random.Random(f"{plan.seed} create"), still, after_kill)
    _to_the_end(phase, command, bundle, plan.kills[0])
    for since, done in finished:
        again = done & {digest_in(record) for record in proxy.records[since:]}
        if again:
            raise Failed(f"create asked again for blobs that were finished: {sorted(again)}")
    return phase.kills


def _to_the_end(phase: Phase, command: list[object], bundle: Path, kills: int) -> None:
    """A kill may fall between the rename and the exit: then the bundle is there, and whole."""
    try:
        phase.complete(command, kills)
    except Failed:
        if not phase.kills or not bundle.exists():
            raise
        checked = run(["bundle", "verify", bundle])
        if checked.code:
            raise Failed(f"a killed create left a bundle that is none: {checked.err}") from None


def journaled(path: Path) -> set[str]:
    """The digests in the whole lines of a journal, read without the tool."""
    lines = path.read_bytes().split(b"\n")[1:] if path.exists() else []
    split = [line.split() for line in lines if re.fullmatch(rb"[0-9a-f]{64} [0-9a-f]{8}", line)]
    return {f"sha256:{name.decode()}" for name, sum_ in split if int(sum_, 16) == zlib.crc32(name)}


# --- push -------------------------------------------------------------------------------------


@dataclass
class Witness:
    """Looks at every image in the moment when its tag is put: nothing of it may be missing."""

    far: Plain
    incomplete: list[str] = field(default_factory=list)

    def __call__(self, question: Question, go: Go) -> Answer:
        """Keep the manifest, look, and only then let the registry have it."""
        named = _TAGGED.search(question.path)
        if question.method != "PUT" or named is None:
            return go(question)
        raw = b"".join(question.body)
        if missing := self.far.missing(named["repository"], raw):
            self.incomplete.append(f"{named['repository']}:{named['tag']} without {missing}")
        return go(replace(question, body=iter([raw])))


def _push(world: World, plan: Plan, proxy: FaultProxy, bundle: Path, far: Plain) -> int:
    witness = Witness(far)
    disturb(proxy, plan.level, f"{plan.seed} push")
    # The last rule stands next to the registry: it sees what really arrives there.
    proxy.on("PUT", "/manifests/", witness)

    def still() -> int:
        left = set(world.blobs) - set(committed(proxy))
        return sum(world.blobs[each] for each in left) // PIECE + 3 * len(left)

    def after_kill() -> None:
        for place in world.images:
            _no_half_image(far, f"{FAR}/{place.repository}")

    command: list[object] = ["bundle", "push", bundle, f"{proxy.host}/{FAR}", *_shared(plan)]
    phase = Phase(plan, proxy, random.Random(f"{plan.seed} push"), still, after_kill)
    phase.complete(command, plan.kills[1])
    if witness.incomplete:
        raise Failed(f"tags of incomplete images were put: {witness.incomplete}")
    again = [digest for digest, times in committed(proxy).items() if times > 1]
    if again:
        raise Failed(f"push sent blobs again that were there: {again}")
    return phase.kills


def committed(proxy: FaultProxy) -> Counter[str]:
    """How often the registry took each blob to its end, whether the tool heard of it or not."""
    uploads = proxy.found("PUT", "/blobs/uploads/")
    return Counter(digest_in(record) for record in uploads if record.upstream == 201)


def digest_in(record: Record) -> str:
    """The blob that a request is about; empty for others."""
    found = _DIGEST.search(record.path)
    return found[1].replace("%3A", ":") if found else ""


def _no_half_image(far: Plain, repository: str) -> None:
    for tag in far.tags(repository):
        raw = far.manifest(repository, tag)
        if raw is None or far.missing(repository, raw):
            raise Failed(f"after a kill {repository}:{tag} is visible and not complete")


# --- both -------------------------------------------------------------------------------------


def _shared(plan: Plan) -> tuple[object, ...]:
    return ("--plain-http", "-j", plan.jobs, "--retries", plan.retries, "--no-progress")


def _judge(world: World, far: Plain) -> None:
    for place, raw in world.images.items():
        repository = f"{FAR}/{place.repository}"
        if far.manifest(repository, place.tag) != raw:
            raise Failed(f"{repository}:{place.tag} is not what the source has")
        for child in json.loads(raw).get("manifests", []):
            if far.manifest(repository, child["digest"]) is None:
                raise Failed(f"{repository}:{place.tag} lacks its child {child['digest']}")
        if wrong := far.wrong(repository, raw):
            raise Failed(f"{repository}:{place.tag} has missing or wrong blobs: {wrong}")
        if far.tags(repository) != [place.tag]:
            raise Failed(f"{repository} has other tags than {place.tag}")
