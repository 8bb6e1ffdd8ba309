"""What every check may look at: what the operator asked, and what was found out so far.

What two checks need is gathered once (``Scene.once``), when the first of them asks. All of it is
read-only for checks: none changes what another one sees.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TypeVar

from bom.errors import Fault, ReferenceFault
from bom.reference import parse_repository
from mirror.events import Listener, silent
from mirror.oci.digest import Digest
from mirror.oci.platform import Platform
from mirror.preflight.cluster import ClusterConfig
from mirror.preflight.machine import Machine
from mirror.registry.access import Access
from mirror.registry.credentials import Credentials
from mirror.registry.probe import Probe, strangers
from mirror.settings import PREFLIGHT_LEAST, PREFLIGHT_REQUEST, PREFLIGHT_SECONDS

Found = TypeVar("Found")


class Asks(Protocol):
    """Whatever holds connections to a registry."""

    @property
    def requests(self) -> int:
        """Requests sent so far."""

    def close(self) -> None:
        """Close every connection."""


Opened = TypeVar("Opened", bound=Asks)


class Target(NamedTuple):
    """DEST taken apart: ``harbor.corp.example:8443/tkg/prod``."""

    authority: str
    """Host and port as they are written in references, lower case."""
    host: str
    """The name or address alone, without brackets."""
    port: int
    project: str
    """The path that images are put below; empty for none."""

    @classmethod
    def parse(cls, text: str, *, plain_http: bool = False) -> Target:
        """Raises ReferenceFault where this is no ``host[:port][/path]``.

        Elsewhere a slash at the end is no matter; TKG puts its own behind it, and asks for
        ``project//image``.
        """
        authority, project = parse_repository(text)
        if text.endswith("/"):
            raise ReferenceFault(text, len(text) - 1, "leave the slash at the end away")
        host, colon, digits = authority.rpartition(":")
        if not colon or authority.endswith("]"):
            host, digits = authority, ""
        port = int(digits) if digits else 80 if plain_http else 443
        return cls(authority, host.strip("[]"), port, project)

    def __str__(self) -> str:
        return f"{self.authority}/{self.project}" if self.project else self.authority

    @property
    def literal(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The address where the host is one in its canonical spelling."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    def repository(self, path: str) -> str:
        """Where an image of this path lies at the registry, without the host."""
        return f"{self.project}/{path}" if self.project else path


class Awaited(NamedTuple):
    """One image that must be there. ``digest`` is None where only a BOM named it."""

    reference: str
    path: str
    tag: str | None
    digest: Digest | None
    members: tuple[Digest, ...] = ()
    """Of an imgpkg bundle: digests that must lie in the same repository."""
    required: bool = True
    """False for what not every release has: it is told where it is missing, and nothing more."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be in the registry, as a bundle, plan or BOM files say."""

    origin: str
    """What says so, for people: the file's name."""
    images: tuple[Awaited, ...]
    blobs: Mapping[Digest, int] = field(default_factory=dict)
    """Size of each blob of all images together; empty where only a bundle would tell."""
    platforms: tuple[Platform, ...] = ()
    """Those that indexes keep, where ``blobs`` does not tell; empty for all."""
    lists_members: bool = True
    """False for BOM files, which do not tell an imgpkg bundle from another image."""
    create: str = ""
    """The command that makes a bundle of these images; empty where ``origin`` is one."""
    lacking: str = ""
    """Which images of TKG it cannot speak for, as a clause; empty where it has both BOMs."""


class Question(NamedTuple):
    """What the operator wants to know, and gave for that."""

    target: Target
    access: Access
    """How to reach the registry with whatever rights there are."""
    expected: Expected | None = None
    cluster: ClusterConfig | None = None
    attested: frozenset[str] = frozenset()
    """What the operator vouches for: ``outside-tkg``."""
    fips: bool = False
    deep: bool = False
    """Read blobs, and believe no HEAD."""
    aws_region: str = ""
    """Where the AWS endpoints are to be tested from this machine; empty for not at all."""
    create_project: bool = False


class Scene:
    """One registry under examination. Close it afterwards: it holds connections."""

    def __init__(
        self,
        question: Question,
        listener: Listener = silent,
        clock: Callable[[], float] = time.monotonic,
        machine: Machine | None = None,
    ) -> None:
        self.question = question
        self.listener = listener
        self.machine = machine or Machine()
        self._clock = clock
        self._ends = clock() + PREFLIGHT_SECONDS
        self._known: dict[Any, Any] = {}
        self._turns: dict[Any, threading.RLock] = {}
        self._lock = threading.Lock()
        self._open: list[Asks] = []
        self._later: list[Callable[[Scene], str]] = []

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in self._open:
            each.close()

    @property
    def target(self) -> Target:
        """The registry and project that were named."""
        return self.question.target

    @property
    def cluster(self) -> ClusterConfig:
        """The cluster configuration; one without any variable where none was given."""
        return self.question.cluster or ClusterConfig("no cluster configuration", {})

    @property
    def remaining(self) -> float:
        """Seconds that hasty checks have left, all together; may be below 0."""
        return self._ends - self._clock()

    def seconds(self) -> float:
        """Seconds that one request of a hasty check may take now, always above 0."""
        return min(PREFLIGHT_REQUEST, max(self.remaining, PREFLIGHT_LEAST))

    def unhurried(self) -> None:
        """From here on there is no common deadline: images are counted in thousands."""
        self._ends = inf

    def once(self, gather: Callable[[Scene], Found]) -> Found:
        """What ``gather`` finds out, asked for once however many checks need it.

        A Fault that it raises is its answer too, and is raised for each of them.
        """
        with self._lock:
            turn = self._turns.setdefault(gather, threading.RLock())
        # A turn for each: what is gathered may need others, by threads of its own too.
        with turn:
            if gather not in self._known:
                try:
                    self._known[gather] = gather(self)
                except Fault as fault:
                    self._known[gather] = fault
            found = self._known[gather]
        if isinstance(found, Fault):
            raise found
        return found  # type: ignore[no-any-return]

    @property
    def stranger(self) -> Probe:
        """Asks as somebody would who has nothing: no login, proxy, cookie or trust."""
        return self.once(_stranger)

    @property
    def account(self) -> Probe:
        """Asks over verified TLS as the operator's own tools do; sends what it is told to send."""
        return self.once(_account)

    @property
    def login(self) -> Credentials | None:
        """The operator's credentials for this registry, if there are any."""
        return self.once(_login)

    def later(self, look: Callable[[Scene], str]) -> None:
        """Look at something once more when all checks are made; it gives a notice, or nothing."""
        self._later.append(look)

    def afterwards(self) -> tuple[str, ...]:
        """The notices of whatever was to be looked at again."""
        return tuple(notice for look in self._later if (notice := look(self)))

    def opened(self, asks: Opened) -> Opened:
        """Remember to close it, and to count its requests."""
        self._open.append(asks)
        return asks

    @property
    def requests(self) -> int:
        """Requests sent so far, by whoever of those that were opened."""
        return sum(each.requests for each in self._open)


def _stranger(scene: Scene) -> Probe:
    access = strangers(scene.question.access)
    return scene.opened(Probe(scene.target.authority, access, scene.seconds))


def _account(scene: Scene) -> Probe:
    return scene.opened(Probe(scene.target.authority, scene.question.access, scene.seconds))


def _login(scene: Scene) -> Credentials | None:
    target = scene.target
    return scene.question.access.credentials.lookup(target.authority, target.project)
