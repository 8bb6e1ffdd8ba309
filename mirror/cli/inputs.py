"""From what a command was given to what the verbs take: sets of images."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bom.images import ImageSet, WantedImage, images_of_boms, images_of_list, merge
from bom.limits import MAX_FILE_BYTES
from bom.reference import Reference
from bom.select import Selection, select
from mirror import planfile
from mirror.cli.access import called, read_input
from mirror.cli.options import Inputs
from mirror.create import Creation
from mirror.errors import Fault, InputFault, Unresolved, UsageFault
from mirror.events import Listener
from mirror.oci.digest import Digest
from mirror.registry.remote import Registries
from mirror.report.earlier import Earlier
from mirror.rewrite import Rewrites
from mirror.settings import MAX_PLAN, Carry, Settings

if TYPE_CHECKING:
    from mirror.release import Request


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the inputs ask for: images, pins of a plan, and where to fetch instead."""

    images: ImageSet
    rewrites: Rewrites
    pins: Mapping[Reference, Digest] = field(default_factory=dict)
    members: Mapping[Reference, tuple[Digest, ...]] | None = None
    """From a plan: its imgpkg bundles. A plan lists what comes along with images already."""
    release: Request | None = None
    """A release that is still to be read from its registry; ``images`` are those beside it."""
    selection: Selection = field(default_factory=Selection)
    """What to choose from all images once the release is among them."""
    earlier: Earlier | None = None
    """An earlier run, of which to choose only what failed once the release is read."""
    failed: tuple[tuple[WantedImage, Fault], ...] = ()
    """BOMs of the release that could not be read."""
    platforms: tuple[str, ...] | None = None
    """From a plan: those that its indexes keep."""

    def carry(self, asked: Carry) -> Carry:
        """What comes along; UsageFault where a plan says otherwise."""
        if self.platforms is None:
            return asked
        if asked.platforms and asked.platforms != self.platforms:
            fact = f"it has {', '.join(self.platforms) or 'all'}, and --platform names others"
            hint = "leave --platform out, or make another plan with it"
            raise UsageFault("a plan already says which platforms", fact=fact, hint=hint)
        if not asked.referrers:
            hint = "leave --no-referrers out, or make another plan with it"
            raise UsageFault("a plan already says what comes along", fact=_LISTED, hint=hint)
        return asked._replace(platforms=self.platforms)

    def failed_in(self, run: Earlier) -> Wanted:
        """Only what failed in an earlier run of the same inputs; InputFault for one of others."""
        if self.release:
            return replace(self, earlier=run)
        images = {str(image.reference): image for image in self.images.images}
        boms = {name for name, image in images.items() if image.kind == "bom"}
        _refuse_untried(images, boms, run)
        lost = (image.reference for image, _fault in self.failed)
        run.check_named([*(image.reference for image in images.values()), *lost])
        left = tuple(image for image in images.values() if run.concerns(image.reference))
        return replace(self, images=self.images._replace(images=left))

    def read(self, source: Registries, settings: Settings, listener: Listener) -> Wanted:
        """The same with the release read from its registry, if there is one to read.

        Raises Fault where that cannot be; TKrs that cannot be read are in ``failed``.
        """
        if self.release is None:
            return self
        # Imported here: oras costs 0.3 s that other inputs save.
        from mirror.registry.artifact import Artifacts
        from mirror.release import read_release

        found = read_release(self.release, Artifacts(source), self.rewrites, settings, listener)
        images = _selected(merge([found.images, self.images]), self.selection, found.failed)
        whole = Wanted(images, self.rewrites, found.pins, failed=found.failed)
        return whole.failed_in(self.earlier) if self.earlier else whole

    def creation(
        self,
        source: Registries,
        carry: Carry,
        settings: Settings,
        listener: Listener,
        *,
        keep_going: bool = False,
        earlier: Earlier | None = None,
    ) -> Creation:
        """What a plan, create or copy works from; reads the release first, if there is one."""
        read = self.read(source, settings, listener)
        return Creation(
            read.images,
            source,
            settings,
            listener,
            read.rewrites,
            read.pins,
            keep_going,
            carry,
            read.members,
            read.failed,
            earlier,
        )

    @property
    def hosts(self) -> set[str]:
        """The registries that will be asked."""
        hosts = {self.rewrites.apply(image.reference).host for image in self.images.images}
        if self.release:
            hosts |= self.rewrites.hosts_below(self.release.repository)
        return hosts

    @property
    def named(self) -> set[str]:
        """The registries that the operator named, whether or not they will be asked."""
        return self.hosts | self.rewrites.hosts


def read_inputs(inputs: Inputs) -> Wanted:
    """Read every BOM, list or plan named; UsageFault where options contradict each other.

    A release that is asked for by its version is not read yet: ``Wanted.read`` does it.
    """
    rewrites = Rewrites.parse(inputs.rewrite or [])
    _refuse_contradictions(inputs)
    if inputs.plan:
        planned = planfile.parse(read_input(inputs.plan, MAX_PLAN), called(inputs.plan))
        return Wanted(
            planned.images,
            rewrites,
            planned.pins,
            planned.members,
            platforms=planned.platforms,
        )
    selection = Selection(tuple(inputs.component or ()), tuple(inputs.exclude_component or ()))
    beside = merge(list(_of_files(inputs)))
    if not inputs.tkg_version:
        return Wanted(_selected(beside, selection), rewrites)
    return Wanted(beside, rewrites, release=_request(inputs), selection=selection)


def _of_files(inputs: Inputs) -> Iterator[ImageSet]:
    """The images of the files that are named."""
    if inputs.bom:
        # Imported here: a list is read without PyYAML, which takes 20 ms to load.
        from bom.parse import read_bom

        yield images_of_boms(
            [read_bom(path) for path in inputs.bom],
            source_repo=inputs.source_repo,
            own_images=True,
            infrastructures=inputs.infrastructure,
        )
    if inputs.images:
        name = called(inputs.images)
        text = _decode(read_input(inputs.images, MAX_FILE_BYTES), name)
        yield images_of_list(text, name, source_repo=inputs.source_repo)


def _refuse_contradictions(inputs: Inputs) -> None:
    chosen = (inputs.infrastructure, inputs.component, inputs.exclude_component)
    of_release = (inputs.tkr, inputs.all_tkrs, inputs.compatibility_path)
    files = (inputs.bom, inputs.images, inputs.tkg_version)
    if inputs.plan:
        if any((*files, *chosen, *of_release, inputs.source_repo)):
            fact = "--plan stands with --rewrite alone"
            hint = "leave the others out; --source-repo is set by TKG_MIRROR_SOURCE_REPO too"
            raise UsageFault("a plan already says which images", fact=fact, hint=hint)
        return
    if not any(files):
        fact = "give --tkg-version V, --bom FILE, --images FILE or --plan FILE"
        raise UsageFault("nothing to carry", fact=fact)
    if inputs.tkg_version and inputs.bom:
        fact = "--tkg-version reads them from the registry, and stands without --bom"
        raise UsageFault("the BOMs cannot come from two places", fact=fact)
    if any(of_release) and not inputs.tkg_version:
        fact = "--tkr, --all-tkrs and --compatibility-path need --tkg-version"
        raise UsageFault("no release is named", fact=fact)
    if inputs.infrastructure and not (inputs.bom or inputs.tkg_version):
        fact = "--infrastructure needs --bom or --tkg-version"
        raise UsageFault("no BOM is named that has TKr packages", fact=fact)
    refuse_two_choices(inputs.tkr, all_tkrs=inputs.all_tkrs)


def refuse_two_choices(tkr: list[str] | None, *, all_tkrs: bool) -> None:
    """UsageFault where TKrs are named and all of them are asked for."""
    if tkr and all_tkrs:
        raise UsageFault("all TKrs, or those that are named", fact="--tkr excludes --all-tkrs")


def _selected(
    images: ImageSet, selection: Selection, failed: tuple[tuple[WantedImage, Fault], ...] = ()
) -> ImageSet:
    """The images that are chosen; what ``failed`` may be why a choice matches nothing."""
    if selection == Selection():
        return images
    try:
        return select(images, selection)
    except InputFault:
        if failed:
            raise Unresolved([(str(image.reference), fault) for image, fault in failed]) from None
        raise


def _refuse_untried(images: Collection[str], boms: Collection[str], run: Earlier) -> None:
    """InputFault where an earlier run could not read a BOM, and so never tried its images."""
    unread, untried = run.failed.intersection(boms), set(images) - run.images
    if unread and untried:
        fact = f"{run.file}: {min(unread)} could not be read, and {len(untried)} images follow it"
        hint = "run the same command again, whole"
        raise InputFault("the earlier run did not know all images", fact=fact, hint=hint)


def _request(inputs: Inputs) -> Request:
    from mirror.release import REPOSITORY, Request

    return Request(
        inputs.tkg_version or "",
        tuple(inputs.tkr or ()),
        inputs.all_tkrs,
        inputs.source_repo or REPOSITORY,
        inputs.compatibility_path,
        tuple(inputs.infrastructure) if inputs.infrastructure else None,
    )


_LISTED = "it lists the signatures and referrers that it was made with"


def _decode(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise InputFault("not a list of references", fact=f"{name}: {cause.reason}") from None
