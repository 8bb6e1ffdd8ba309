"""Registry to bundle: choose, resolve, plan, move, tell."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bom.images import ImageSet, WantedImage
from bom.reference import Reference
from mirror.bundle.contents import Contents
from mirror.bundle.writer import BundleWriter, refuse_existing, refuse_folder, source_date
from mirror.errors import Fault
from mirror.events import ImageFailed, Listener, Noticed, PhaseStarted
from mirror.expand import Finder, expand
from mirror.foreign import Lookup
from mirror.imgpkg import Bundles
from mirror.members import broken_with, only, whole
from mirror.oci.digest import Digest
from mirror.oci.platform import Platform
from mirror.plan import contents_of, fetches
from mirror.ports import Move
from mirror.referrers import Referrers
from mirror.registry.remote import Registries
from mirror.report.earlier import Earlier
from mirror.report.run import ImageResult, RunReport, ordered, reason_of
from mirror.resolve import Resolution, Resolved, Resolver
from mirror.rewrite import Rewrites
from mirror.settings import Carry, Settings
from mirror.transfer.crew import Crew, Outcome
from mirror.transfer.engine import Engine, Tally
from mirror.transfer.limit import Limit
from mirror.transfer.retry import Retry


@dataclass(frozen=True, slots=True)
class Creation:
    """Everything a create needs to know, and a copy of what it reads."""

    images: ImageSet
    source: Registries
    settings: Settings
    listener: Listener
    rewrites: Rewrites = field(default_factory=Rewrites)
    pins: Mapping[Reference, Digest] = field(default_factory=dict)
    keep_going: bool = False
    carry: Carry = field(default_factory=Carry)
    members: Mapping[Reference, tuple[Digest, ...]] | None = None
    """From a plan: the imgpkg bundles in it, and that it lists already what comes along."""
    failed: tuple[tuple[WantedImage, Fault], ...] = ()
    """What the inputs name and could not be read, to be told with everything else."""
    earlier: Earlier | None = None
    """An earlier run: only what failed in it is wanted."""


def resolve(creation: Creation) -> Resolution:
    """Ask for every image; without ``keep_going`` one that has no answer is a fault."""
    resolution = ask(creation)
    if not creation.keep_going or not resolution.images:
        resolution.raise_if_failed()
    for wanted, fault in resolution.failed:
        creation.listener(ImageFailed(str(wanted.reference), None, reason_of(fault)))
    for notice in (*creation.images.notices, *resolution.notices):
        creation.listener(Noticed(notice))
    return resolution


def ask(creation: Creation) -> Resolution:
    """Every image and what comes along with it, as far as the source has an answer."""
    crew = Crew(creation.settings.concurrency, keep_going=True)
    retry = Retry.of(creation.settings, crew, creation.listener)
    resolver = Resolver(
        creation.source,
        creation.rewrites,
        creation.pins,
        crew,
        retry,
        creation.listener,
        platforms=[Platform.parse(text) for text in creation.carry.platforms],
    )
    resolution = resolver.run(creation.images.images)
    if creation.members is None:
        resolution = expand(resolver, resolution, _finders(creation, resolver))
    else:
        resolution = resolution.with_members(creation.members)
    if creation.carry.foreign:
        resolution = Lookup(creation.source, crew, retry, creation.listener).run(resolution)
    resolution = whole(resolution._replace(failed=(*creation.failed, *resolution.failed)))
    if creation.earlier:
        resolution = only(resolution, creation.earlier.failed)
    return resolution


def _finders(creation: Creation, resolver: Resolver) -> list[Finder]:
    """What is looked for in every image; they share the resolver's crew and patience."""
    source, rewrites, listener = creation.source, creation.rewrites, creation.listener
    finders = list[Finder]()
    if creation.carry.bundles:
        finders.append(Bundles(source, rewrites, resolver.crew, resolver.retry, listener))
    if creation.carry.referrers:
        finders.append(Referrers(source, resolver))
    return finders


def create(creation: Creation, output: Path, *, force: bool = False) -> RunReport:
    """Write the bundle to ``output``; the report tells every image.

    Raises the first fault, or, with ``keep_going``, only those that stop everything. With it
    the bundle holds whatever is whole, and the report's result is ``partial``.
    """
    began, mtime = time.monotonic(), source_date()
    refuse_output(output, force=force)
    resolution = resolve(creation)
    contents = contents_of(creation.images, resolution.images, creation.carry.platforms)
    writer = BundleWriter(output, contents, mtime=mtime, force=force)
    try:
        outcomes = _fetch(creation, writer, resolution.images)
        sound, broken = _sort_out(resolution.images, outcomes)
        for reference, fault in broken.items():
            creation.listener(ImageFailed(str(reference), None, reason_of(fault)))
        if broken:
            _reduce(creation, writer, sound, mtime)
        else:
            writer.finish()
    finally:
        writer.close()
    return _report(creation, resolution, contents, outcomes, broken, time.monotonic() - began)


def refuse_output(output: Path, *, force: bool) -> None:
    """MachineFault where the bundle cannot be written, or would replace what is there."""
    refuse_folder(output)
    if not force:
        refuse_existing(output)


def _fetch(
    creation: Creation, writer: BundleWriter, images: Iterable[Resolved]
) -> list[Outcome[Move, Tally]]:
    moves = fetches(images)
    total = sum(move.descriptor.size for move in moves)
    creation.listener(PhaseStarted("fetch", len(moves), total))
    wait = creation.source.quickest
    crew = Crew.of(creation.settings, keep_going=creation.keep_going, wait=wait)
    limit = Limit(creation.settings.limit_rate, crew.stop)
    engine = Engine(
        creation.source,
        writer,
        "the source",
        crew,
        Retry.of(creation.settings, crew, creation.listener),
        creation.listener,
        limit,
    )
    return engine.run(moves)


def _sort_out(
    images: Sequence[Resolved], outcomes: Iterable[Outcome[Move, Tally]]
) -> tuple[list[Resolved], dict[Reference, Fault]]:
    """Images that are whole, and why the others are not."""
    failed = {o.item.descriptor.digest: o.fault for o in outcomes if o.fault}
    broken = dict[Reference, Fault]()
    for image in images:
        reasons = (failed[blob.digest] for blob in image.graph.blobs if blob.digest in failed)
        if reason := next(reasons, None):
            broken[image.wanted.reference] = reason
    broken = broken_with(images, broken)
    return [image for image in images if image.wanted.reference not in broken], broken


def _reduce(creation: Creation, writer: BundleWriter, sound: list[Resolved], mtime: int) -> None:
    """Make a bundle of the images that are whole, from what was fetched.

    The offsets of a bundle follow from all that is in it, so this is a second file; the first
    one stays for a run that completes it.
    """
    if not sound:
        creation.listener(Noticed("no image could be fetched whole; no bundle is written"))
        return
    creation.listener(Noticed("some images failed; writing a bundle of the others"))
    contents = contents_of(creation.images, sound, creation.carry.platforms)
    # Whether FILE may be replaced was settled when the first writer began.
    rest = BundleWriter(writer.path, contents, mtime=mtime, force=True, suffix=".rest")
    try:
        crew = Crew.of(creation.settings, keep_going=False)
        retry = Retry(0, crew, creation.listener)
        place = str(writer.partial)
        Engine(writer, rest, place, crew, retry, creation.listener).run(fetches(sound))
        rest.finish()
    finally:
        rest.close()


def _report(
    creation: Creation,
    resolution: Resolution,
    contents: Contents,
    outcomes: Iterable[Outcome[Move, Tally]],
    broken: Mapping[Reference, Fault],
    seconds: float,
) -> RunReport:
    results = [_result(image, broken) for image in resolution.images]
    results += unresolved(resolution)
    tally = sum((o.result for o in outcomes if o.result), Tally())
    heads = sum(len(manifest.raw) for manifest in contents.manifests.values())
    return RunReport(
        ordered(results),
        tally.moved + heads,
        tally.skipped,
        tally.mounted,
        seconds,
        creation.source.requests,
        (*creation.images.notices, *resolution.notices),
    )


def unresolved(resolution: Resolution) -> list[ImageResult]:
    """Results for what the source did not give."""
    failed = [
        ImageResult(str(wanted.reference), None, "failed", reason_of(fault), fault)
        for wanted, fault in resolution.failed
    ]
    absent = [
        ImageResult(str(wanted.reference), None, "absent", "the source does not have it")
        for wanted in resolution.absent
    ]
    return failed + absent


def _result(image: Resolved, broken: Mapping[Reference, Fault]) -> ImageResult:
    reference, digest = str(image.wanted.reference), str(image.digest)
    if image.wanted.reference in broken:
        fault = broken[image.wanted.reference]
        return ImageResult(reference, digest, "failed", reason_of(fault), fault)
    return ImageResult(reference, digest, "copied")
