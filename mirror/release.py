"""A release from its version number, as the registry that holds it says.

TKG finds its images in four steps, and so does this, as the ``tanzu`` CLI and its in-cluster
controller do between them:

1. ``tkg-compatibility``, the highest tag ``v<number>``, lists the TKG BOMs that there are;
2. the TKG BOM of that version is an image too;
3. ``tkr-compatibility``, at the path that the BOM gives, says which TKrs go with this TKG;
4. the TKr BOMs are images at the path that the BOM gives.

Nothing in them is believed by its name: a BOM must hold the release that was asked for.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from bom.errors import BomFault
from bom.images import ImageSet, WantedImage, images_of_boms, merge
from bom.model import Bom, BomKind, BomPlace, TkgCompatibility
from bom.parse import parse_bom, parse_tkg_compatibility, parse_tkr_compatibility
from bom.reference import Reference, check_path, normal_repository
from mirror import versions
from mirror.errors import Fault, InputFault, Misbehaved, NotFound, Side, Unreachable
from mirror.events import ItemEnded, Listener, PhaseStarted
from mirror.oci.digest import Digest
from mirror.rewrite import Rewrites
from mirror.settings import (
    ARTIFACTS_AT_A_TIME,
    MAX_DOCUMENTS,
    MAX_RELEASE_IMAGES,
    MAX_TKRS,
    Settings,
)
from mirror.text import human_size, printable
from mirror.transfer.crew import Crew
from mirror.transfer.retry import Retry

if TYPE_CHECKING:
    # Only named here: it brings oras, which costs 0.3 s.
    from mirror.registry.artifact import Artifacts

# Where TKG's images are since projects.registry.vmware.com was shut down.
REPOSITORY = "projects.packages.broadcom.com/tkg"
COMPATIBILITY, TKR_COMPATIBILITY = "tkg-compatibility", "tkr-compatibility"

# The tags that TKG itself counts, less "v007": it would ask for "v7" then. Its numbers have 64
# bits, and Python reads none of more than 4,300 digits.
_NUMBERED = re.compile(r"v(0|[1-9][0-9]{0,17})", re.ASCII)
_WHO_FILLED = "ask whoever filled that registry; it holds something else than TKG's own"

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Request:
    """Which release is wanted, and where it is.

    Raises UsageFault for what cannot be a version, ReferenceFault for what cannot be a place.
    """

    tkg_version: str
    """With or without the leading v."""
    tkrs: tuple[str, ...] = ()
    """With ``+`` or ``_``; none for the BOM's default."""
    all_tkrs: bool = False
    """Every TKr that goes with this TKG, in place of ``tkrs``."""
    repository: str = REPOSITORY
    """``host/path`` below which everything is, whatever the BOMs call their base."""
    compatibility_path: str | None = None
    """Where tkg-compatibility is, if elsewhere: ``fips/tkg-compatibility``."""
    infrastructures: tuple[str, ...] | None = None
    """Whose TKr packages come along, None for all that the BOM has."""

    def __post_init__(self) -> None:
        normal_repository(self.repository)
        check_path(self.compatibility_path or COMPATIBILITY)
        for version in (self.tkg_version, *self.tkrs):
            versions.check(version)


class Document(NamedTuple):
    """A file that was read: a name for it, made here, its bytes, and the image it came in."""

    name: str
    content: bytes
    reference: Reference
    digest: Digest
    """Of the image's manifest."""


class Release(NamedTuple):
    """What a release consists of. ``images`` has the notices for the operator."""

    images: ImageSet
    documents: tuple[Document, ...]
    failed: tuple[tuple[WantedImage, Fault], ...]
    """TKr BOMs that could not be read, each as the image it is: the others stand."""

    @property
    def pins(self) -> Mapping[Reference, Digest]:
        """What was read, so that the same is carried."""
        return {document.reference: document.digest for document in self.documents}


def read_release(
    request: Request,
    artifacts: Artifacts,
    rewrites: Rewrites,
    settings: Settings,
    listener: Listener,
) -> Release:
    """Read a release; tells the phases ``read release`` and ``read TKr BOMs``.

    Raises Fault where tkg-compatibility, the TKG BOM or tkr-compatibility cannot be read, or do
    not list what is asked for. What is wrong with one TKr is in the result's ``failed``.
    """
    crew = Crew(min(settings.concurrency, ARTIFACTS_AT_A_TIME))
    retry = Retry.of(settings, crew, listener)
    return _Reading(request, artifacts, rewrites, crew, retry, listener).run()


class _Reading:
    """One release on its way: what was read so far, and what is to be told of it."""

    def __init__(
        self,
        request: Request,
        artifacts: Artifacts,
        rewrites: Rewrites,
        crew: Crew,
        retry: Retry,
        listener: Listener,
    ) -> None:
        self._request = request
        self._artifacts = artifacts
        self._rewrites = rewrites
        self._crew = crew
        self._retry = retry
        self._listener = listener
        self._documents: list[Document] = []
        self._own: list[WantedImage] = []
        self._notices: list[str] = []
        self._silent: Unreachable | None = None
        self._left, self._images_left = MAX_DOCUMENTS, MAX_RELEASE_IMAGES
        self._lock = threading.Lock()

    def run(self) -> Release:
        """All four steps."""
        self._listener(PhaseStarted("read release", 3))
        tkg = self._tkg_bom()
        listed = self._tkr_compatibility(tkg)
        tkrs = self._chosen(tkg, listed)
        self._listener(PhaseStarted("read TKr BOMs", len(tkrs)))
        outcomes = self._crew.run(tkrs, partial(self._tkr_bom, tkg, listed))
        outcomes.sort(key=lambda outcome: tkrs.index(outcome.item))
        boms = [outcome.result for outcome in outcomes if isinstance(outcome.result, Bom)]
        failed = [
            (_tkr_place(tkg, outcome.item).wanted(self._request.repository), outcome.result)
            for outcome in outcomes
            if isinstance(outcome.result, Fault)
        ]
        images = self._images([tkg, *boms])
        documents = sorted(self._documents, key=lambda document: document.name)
        return Release(images, tuple(documents), tuple(failed))

    # --- the four steps -------------------------------------------------------------------

    def _tkg_bom(self) -> Bom:
        path = self._request.compatibility_path or COMPATIBILITY
        file = _Place(COMPATIBILITY, path, self._newest(path))
        listed = self._read(file, parse_tkg_compatibility)
        self._compare(file, listed.version)
        place = self._listed_bom(file, listed)
        bom = _Place(BomKind.TKG, place.path, place.tag, kind="bom")
        return self._read(bom, partial(parse_bom, expect=BomKind.TKG))

    def _listed_bom(self, file: _Place, listed: TkgCompatibility) -> BomPlace:
        """Where the BOM of the wanted version is."""
        wanted = self._request.tkg_version
        found = [place for place in listed.boms if versions.same(place.tag, wanted)]
        if not found:
            raise InputFault(
                f"{file.label} does not list TKG {printable(wanted, 100)}",
                fact=f"it lists {versions.listed({place.tag for place in listed.boms})}",
                hint="choose one of these, or name another file with --compatibility-path: "
                "FIPS releases have theirs at fips/tkg-compatibility",
            )
        for other in found[1:]:
            self._notices.append(
                f"{file.label} has TKG {wanted} at {found[0].path}:{found[0].tag}, which is taken, "
                f"and at {other.path}:{other.tag}"
            )
        return found[0]

    def _tkr_compatibility(self, tkg: Bom) -> tuple[str, ...]:
        """The TKrs that go with this TKG."""
        path = tkg.tkr_compatibility_path or TKR_COMPATIBILITY
        file = _Place(TKR_COMPATIBILITY, path, self._newest(path))
        listed = self._read(file, parse_tkr_compatibility)
        self._compare(file, listed.version)
        for release in listed.releases:
            if versions.same(release.version, tkg.release):
                return release.tkrs
        raise InputFault(
            f"{file.label} does not list TKG {tkg.release}",
            fact=f"it lists {versions.listed({release.version for release in listed.releases})}",
            hint=_WHO_FILLED,
        )

    def _chosen(self, tkg: Bom, listed: tuple[str, ...]) -> list[str]:
        """The TKrs to read, each once, in the spelling of the list where they are in it."""
        asked = listed if self._request.all_tkrs else self._request.tkrs
        if not asked and tkg.default_k8s_version:
            asked = (tkg.default_k8s_version,)
            self._notices.append(f"no TKr was named: {asked[0]}, the BOM's default, is taken")
        if not asked:
            fact = f"TKG {tkg.release} has no default, and lists {versions.listed(listed)}"
            raise InputFault("no TKr was named", fact=fact, hint="name one with --tkr")
        if len(asked) > MAX_TKRS:
            fact = f"{len(asked)} for TKG {tkg.release}, and {MAX_TKRS} can be read"
            raise InputFault("too many TKrs for one run", fact=fact, hint="name some with --tkr")
        known = {versions.bare(tkr): tkr for tkr in listed}
        return list(dict.fromkeys(known.get(versions.bare(tkr), tkr) for tkr in asked))

    def _tkr_bom(self, tkg: Bom, listed: tuple[str, ...], tkr: str) -> Bom | Fault:
        """A TKr's BOM, or why there is none."""
        try:
            if tkr not in listed:
                raise InputFault(
                    f"TKr {printable(tkr, 100)} does not go with TKG {tkg.release}",
                    fact=f"{TKR_COMPATIBILITY} lists {versions.listed(listed)}",
                    hint="choose one of these with --tkr, or all of them with --all-tkrs",
                )
            return self._read(_tkr_place(tkg, tkr), partial(parse_bom, expect=BomKind.TKR))
        except Fault as fault:
            # Kept for later, without the frames and what they hold.
            return fault.with_traceback(None)

    # --- what comes of it -----------------------------------------------------------------

    def _images(self, boms: Sequence[Bom]) -> ImageSet:
        """The images of all BOMs, and those that the files themselves came in."""
        request = self._request
        listed = images_of_boms(
            boms, source_repo=request.repository, infrastructures=request.infrastructures
        )
        return merge([ImageSet(tuple(self._own), notices=tuple(self._notices)), listed])

    def _compare(self, file: _Place, version: str) -> None:
        if version and version != file.tag:
            self._notices.append(f"{file.path}:{file.tag} calls itself {version}")

    # --- reading --------------------------------------------------------------------------

    def _newest(self, path: str) -> str:
        """The tag with the highest number, of those that are ``v<number>`` and nothing else.

        Real lists have gaps, and mirrors have tags of their own beside; as text v9 is above v15.
        """
        place = self._at(Reference.parse(f"{self._request.repository}/{path}"))
        tags = self._asked(place, lambda: self._artifacts.tags(place.host, place.repository))
        numbers = [int(found[1]) for tag in tags if (found := _NUMBERED.fullmatch(tag))]
        if not numbers:
            some = f"its tags are {versions.listed(tags)}" if tags else "it has no tags"
            raise NotFound(
                Side.SOURCE, place.host, f"cannot find a numbered tag of {place}", fact=some
            )
        return f"v{max(numbers)}"

    def _read(self, place: _Place, parse: Callable[[bytes, str], Parsed]) -> Parsed:
        """Pull one file, parse it, and note that it is to be carried."""
        wanted = place.wanted(self._request.repository)
        at, label = self._at(wanted.reference), str(wanted.reference)
        try:
            found = self._asked(
                at, lambda: self._artifacts.pull(at.host, at.repository, at.tag or "")
            )
            parsed = self._parsed(parse, found.content, at, place)
        except Fault:
            self._listener(ItemEnded(label, label, "failed"))
            raise
        digest = found.manifest.digest
        self._documents.append(Document(place.file, found.content, wanted.reference, digest))
        self._own.append(wanted)
        self._listener(ItemEnded(label, label, "done"))
        return parsed

    def _at(self, reference: Reference) -> Reference:
        return self._rewrites.apply(reference)

    def _asked(self, at: Reference, ask: Callable[[], Parsed]) -> Parsed:
        """An answer; a host that gives none is not asked for the next file."""
        if self._silent and self._silent.host == at.host:
            raise self._silent.unasked()
        try:
            return self._retry(ask)
        except Unreachable as fault:
            if not fault.answered:
                self._silent = fault
            raise

    def _parsed(
        self, parse: Callable[[bytes, str], Parsed], content: bytes, at: Reference, place: _Place
    ) -> Parsed:
        """A file's meaning, if there is room for it; Misbehaved where there is not.

        One at a time: the largest takes 60 MB meanwhile, and threads would not be sooner done.
        """
        with self._lock:
            self._left -= len(content)
            if self._left < 0:
                raise _too_much(at, f"more than {human_size(MAX_DOCUMENTS)} of BOMs in all")
            parsed = _checked(parse, content, at, place)
            if isinstance(parsed, Bom):
                self._images_left -= sum(len(each.images) for each in parsed.components)
            if self._images_left < 0:
                raise _too_much(at, f"more than {MAX_RELEASE_IMAGES} images in all BOMs")
            return parsed


class _Place(NamedTuple):
    """One file of the release: what it is, and path and tag of the image it is in."""

    name: str
    path: str
    version: str
    """In the BOM's spelling, with ``+``."""
    kind: str = "image"

    @property
    def tag(self) -> str:
        return versions.tag(self.version)

    @property
    def label(self) -> str:
        """As components are labelled, so that it can be chosen like one."""
        return f"{self.name}/{self.version}"

    @property
    def file(self) -> str:
        """A file name; name and tag were checked, and neither has a slash."""
        return f"{self.name}-{self.version}.yaml"

    def wanted(self, repository: str) -> WantedImage:
        """The image as one to carry; it must be there, since it is read."""
        reference = Reference.parse(f"{repository}/{self.path}:{self.tag}")
        boms = (f"{self.name}:{self.version}",) if self.kind == "bom" else ()
        return WantedImage(reference, repository, self.path, (self.label,), boms, self.kind)


def _too_much(at: Reference, fact: str) -> Misbehaved:
    return Misbehaved(Side.SOURCE, at.host, f"cannot use {at}", fact=fact)


def _tkr_place(tkg: Bom, tkr: str) -> _Place:
    return _Place(BomKind.TKR, tkg.tkr_bom_path or BomKind.TKR, tkr, kind="bom")


def _checked(
    parse: Callable[[bytes, str], Parsed], content: bytes, at: Reference, place: _Place
) -> Parsed:
    """A file's meaning; what is wrong with it is the matter of the registry it came from."""
    try:
        parsed = parse(content, str(at))
        if isinstance(parsed, Bom) and not versions.same(parsed.release, place.version):
            expected, found = place.version, parsed.release
            raise BomFault(str(at), 0, "release.version", expected=expected, found=found)
    except BomFault as fault:
        fault.whose, fault.hint = f"the {Side.SOURCE} registry {at.host}", _WHO_FILLED
        raise
    return parsed
