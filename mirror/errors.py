"""Every fault this tool reports, drawn by whose fault it is.

    Fault                        bom.errors: what failed, the fact, whose matter, next step
    ├── InputFault               what the operator handed in (bom.errors; BomFault, ReferenceFault)
    │   ├── UsageFault           options that exclude or need each other
    │   └── Unresolved           images that no source could give, all at once
    ├── RegistryFault            a registry; ``side`` says source or destination
    │   ├── Unreachable          no answer, or one that may be better later: DNS, TCP, 5xx, 429
    │   ├── Untrusted            TLS: its certificate is not trusted
    │   ├── Refused              authentication or permission, or it is read-only
    │   ├── NotFound             it answers, and does not have it
    │   │   └── NoPlatform       it has the image, and for none of the platforms that are wanted
    │   ├── Full                 its disk or a quota, by its own words or by how it fails
    │   └── Misbehaved           its answer breaks the distribution protocol
    │       └── Incomplete       it refuses a manifest since it lacks what that names
    ├── IntegrityFault           bytes are not what their digest or size promises
    │   └── TagTaken             a tag at the destination names other bytes
    ├── BundleFault              the bundle file is not whole or not one of ours
    ├── MachineFault             this machine: disk, permission, a file in the way
    ├── Unfit                    a registry fails a preflight
    ├── PartialRun               with --keep-going: some images failed, the rest is complete
    └── Interrupted              a person or the system said stop

Exit codes are made from these classes in ``mirror.cli.failures`` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from bom.errors import Fault, InputFault
from mirror import moved
from mirror.settings import MAX_CAUSES_SHOWN

__all__ = [
    "BundleFault",
    "Fault",
    "Full",
    "Incomplete",
    "InputFault",
    "IntegrityFault",
    "Interrupted",
    "MachineFault",
    "Misbehaved",
    "NoPlatform",
    "NotFound",
    "PartialRun",
    "Refused",
    "RegistryFault",
    "Side",
    "TagTaken",
    "Unfit",
    "Unreachable",
    "Unresolved",
    "Untrusted",
    "UsageFault",
    "first_moved",
]


class Side(StrEnum):
    """Which end of the journey a registry stands at."""

    SOURCE = "source"
    DESTINATION = "destination"


class UsageFault(InputFault):
    """Options that exclude each other, or one that needs another."""

    name = "usage"
    whose = "the command line"


class Unresolved(InputFault):
    """Some references have no image. ``causes`` pairs each reference with its fault."""

    name = "unresolved"
    hint = (
        "correct the list, or name where these images are now: "
        "--source-repo HOST/PROJECT or --rewrite OLD=NEW"
    )

    def __init__(self, causes: list[tuple[str, Fault]]) -> None:
        count = len(causes)
        what = f"{count} image{'s' if count > 1 else ''} cannot be resolved"
        super().__init__(what, fact="\n".join(_lines(causes)))
        self.causes = causes
        # A registry that is gone needs another command. Then one that cannot be reached or
        # refuses is the matter to see to first: what it lacks will show afterwards.
        faults = [fault for _reference, fault in causes]
        others = (fault for fault in faults if type(fault) is not NotFound)
        if first := first_moved(faults) or next(others, None):
            self.whose, self.hint = first.whose, first.hint


def _lines(causes: list[tuple[str, Fault]]) -> Iterator[str]:
    """A line for each of the first; what fails for the fault of another one says only that."""
    first: dict[int, str] = {}
    for reference, fault in causes[:MAX_CAUSES_SHOWN]:
        cause = first.setdefault(id(fault), reference)
        reason = _short(reference, fault) if cause == reference else f"it needs {cause}"
        yield f"{reference}: {reason}"
    if left := len(causes[MAX_CAUSES_SHOWN:]):
        yield f"and {left} more; --format json names them all"


def _short(reference: str, fault: Fault) -> str:
    """The fault without saying again what could not be got, where that is the reference."""
    return fault.fact if fault.fact and fault.what.endswith(f" {reference}") else str(fault)


class RegistryFault(Fault):
    """Something a registry did or did not do. ``host`` as the operator wrote it."""

    name = "registry"
    # May the same request succeed a little later? Retries read this and nothing else.
    temporary = False

    def __init__(self, side: Side, host: str, what: str, *, fact: str = "", hint: str = "") -> None:
        super().__init__(what, fact=fact, hint=hint)
        self.side = side
        self.blame(host)

    def blame(self, host: str) -> None:
        """Say whose matter it is: that of a registry, even where its store answered."""
        self.host = host
        self.whose = f"the {self.side} registry {host}"
        self.hint = self.moved or self.hint

    @property
    def moved(self) -> str:
        """What to do about a source that is no more, however that shows; else nothing."""
        return moved.advice(self.host) if self.side is Side.SOURCE else ""


def first_moved(faults: Iterable[Fault | None]) -> RegistryFault | None:
    """The first fault of a source that is no more, whose hint helps with the others too."""
    return next((f for f in faults if isinstance(f, RegistryFault) and f.moved), None)


class Unreachable(RegistryFault):
    """No usable answer: DNS, TCP, a cut connection, 5xx or 429.

    ``retry_after`` is the pause in seconds that the registry asked for, if it did;
    ``answered`` tells a registry that says "later" from one that says nothing, and ``status`` is
    how it said so, or 0.
    """

    name = "unreachable"
    temporary = True
    hint = "check the network and the registry, then run the same command again: it goes on"

    def __init__(
        self,
        side: Side,
        host: str,
        what: str,
        *,
        fact: str = "",
        hint: str = "",
        retry_after: float | None = None,
        answered: bool = False,
        status: int = 0,
    ) -> None:
        super().__init__(side, host, what, fact=fact, hint=hint)
        self.retry_after = retry_after
        self.answered = answered
        self.status = status
        if self.moved and not answered:
            # A name that is gone for good does not come back within a few attempts.
            self.temporary = False

    def unasked(self) -> Unreachable:
        """The fault of what is not asked for, since this registry gave no answer before.

        Not this one again: it names something else, and a fault that two share says that one
        of them needs the other.
        """
        what = f"{self.host} gave no answer before"
        return Unreachable(self.side, self.host, what, fact=self.fact, hint=self.hint)


class Untrusted(RegistryFault):
    """The TLS handshake failed on the certificate."""

    name = "untrusted"
    hint = "name the authority that signed the certificate with --ca-file FILE"


class Refused(RegistryFault):
    """401 or 403 after all credentials there are were tried, or a request it takes from nobody.

    ``status`` as it was answered: 401 does not know the account, 403 knows it. Harbor takes a
    wrong password for none at all (measured), so the refusal may be the first sign of one.
    """

    name = "refused"
    hint = (
        "check name and password, or log in (docker login, or --username with --password-stdin) "
        "with an account that may"
    )

    def __init__(
        self, side: Side, host: str, what: str, *, fact: str = "", hint: str = "", status: int = 0
    ) -> None:
        super().__init__(side, host, what, fact=fact, hint=hint)
        self.status = status


class NotFound(RegistryFault):
    """The registry answers, and says it has no such thing."""

    name = "not-found"
    hint = "check the name; --source-repo and --rewrite say where images are now"

    def __init__(self, side: Side, host: str, what: str, *, fact: str = "", hint: str = "") -> None:
        if side is Side.DESTINATION:
            hint = hint or "create the project at the destination first"
        super().__init__(side, host, what, fact=fact, hint=hint)


class NoPlatform(NotFound):
    """An index has images, and none of them is for a platform that is wanted."""

    name = "no-platform"
    hint = "give --platform once more with a platform that it has, or leave the option out"

    def blame(self, host: str) -> None:
        """It is the choice that does not fit; the registry has what it should."""
        super().blame(host)
        self.whose = "the command line"


class Misbehaved(RegistryFault):
    """An answer outside the distribution specification, or outside our limits for it."""

    name = "misbehaved"
    hint = "ask the registry's operator, or whoever runs a proxy in between"


class Incomplete(Misbehaved):
    """A manifest is refused: the registry lacks a blob or child that it was given before."""

    name = "incomplete"


class Full(RegistryFault):
    """A server error that says there is no room, or the same one twice after whole uploads.

    More attempts only cost time, for this blob and for every other one.
    """

    name = "full"
    hint = (
        "look at its disk and the project's quota, make room there, "
        "then run the same command again: it goes on"
    )


class IntegrityFault(Fault):
    """Bytes do not match the digest or size that was promised for them.

    ``member`` names what is damaged (a blob or a bundle's member); ``expected`` and ``got``
    are digests or sizes in words.
    """

    name = "integrity"
    whose = "whoever stored or carried these bytes"
    hint = "fetch or carry the file again; nothing that depends on these bytes was published"

    def __init__(
        self, what: str, *, member: str, expected: str, got: str, place: str = "", hint: str = ""
    ) -> None:
        where = f" from {place}" if place else ""
        super().__init__(what, fact=f"{member}{where}: expected {expected}, got {got}", hint=hint)
        self.member = member
        self.expected = expected
        self.got = got
        self.place = place


class TagTaken(IntegrityFault):
    """Tags at the destination name other images than those that are brought."""

    name = "tag-taken"
    whose = "the destination's operator"
    hint = "find out who pushed them; --overwrite replaces them"

    def __init__(self, host: str, taken: list[tuple[str, str, str]]) -> None:
        """``taken`` has, for each, repository and tag, the digest there, and ours."""
        name, there, ours = taken[0]
        what = f"{host} has other images under {len(taken)} of these tags"
        super().__init__(what, member=name, expected=ours, got=there)
        lines = [f"{n}: there {t}, ours {o}" for n, t, o in sorted(taken)]
        if left := len(lines[MAX_CAUSES_SHOWN:]):
            lines[MAX_CAUSES_SHOWN:] = [f"and {left} more"]
        self.fact = "\n".join(lines)


class BundleFault(Fault):
    """The file is not a bundle, not a whole one, or holds what none may hold.

    ``member`` names the first member it shows at.
    """

    name = "bundle"
    whose = "the bundle file"
    hint = "carry the file again and compare its checksum at both ends"

    def __init__(self, what: str, *, member: str, expected: str, got: str, hint: str = "") -> None:
        super().__init__(what, fact=f"{member}: expected {expected}, got {got}", hint=hint)
        self.member = member
        self.expected = expected
        self.got = got


class MachineFault(Fault):
    """This machine: a full disk, a missing permission, a file in the way."""

    name = "machine"
    whose = "this machine"
    hint = "mend that and run the same command again"

    @classmethod
    def from_os(cls, what: str, cause: OSError, *, hint: str = "") -> MachineFault:
        """Say what was tried and keep the system's own words for why it failed."""
        place = f"{cause.filename}: " if cause.filename else ""
        return cls(what, fact=f"{place}{cause.strerror or cause}", hint=hint)


class Unfit(Fault):
    """A preflight found a failure; its findings say what, and how to mend it."""

    name = "unfit"
    whose = "the registry's operator"
    hint = "mend what is listed under FAIL and run the same command again"


class PartialRun(Fault):
    """Some images failed under --keep-going; everything else is complete."""

    name = "partial"
    whose = "the images listed as failed"
    hint = "mend what is listed and run the same command again: it moves only what is missing"


class Interrupted(Fault):
    """The run was stopped from outside."""

    name = "interrupted"
    whose = "whoever stopped it"
    hint = "run the same command again: it goes on where this one stopped"
