"""Fixtures: real registries, a world to mirror, and an environment that no machine can colour.

`tests/conftest.py` imports them all, so that any test asks for them by name.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest
import trustme

from scripts.world.disk import NoMount
from scripts.world.registry import PROGRAM, Registry
from scripts.world.seed import Entry, seed_world
from tests.fakes.front import Front, Route, alternately
from tests.fakes.simple import FakeRegistry
from tests.fakes.token_server import TokenRegistry, asks_tokens

SAMPLES = Path(__file__).parents[2] / "scripts" / "samples"
TKG_BOM = SAMPLES / "tkg-bom-v0.9.0.yaml"
TKR_BOM = SAMPLES / "tkr-bom-v1.30.1+example.1-tkg.1.yaml"

# In upper case: proxies are also read in lower case.
_STRIPPED = re.compile(
    r"(HTTPS?|ALL|NO|FTP)_PROXY|SSL_CERT_(FILE|DIR)|SSLKEYLOGFILE|(REQUESTS_CA|CURL_CA)_BUNDLE"
    r"|REGISTRY_AUTH_FILE|DOCKER_AUTH_CONFIG|XDG_(RUNTIME_DIR|CONFIG_HOME)|SOURCE_DATE_EPOCH"
    r"|NO_COLOR|FORCE_COLOR|TKG_.*"
)


# A fixed bcrypt hash of PASSWORD, the one kind that Distribution takes; making one needs a library.
USER, PASSWORD = "ann", "correct horse"
HTPASSWD = f"{USER}:$2a$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n"


@dataclass(frozen=True)
class Source:
    """A registry that holds a world: the images of the sample BOM pair under `prefix`."""

    registry: Registry
    boms: tuple[Path, ...]
    prefix: str
    entries: tuple[Entry, ...]

    @property
    def host(self) -> str:
        return self.registry.host

    @property
    def repository(self) -> str:
        """What stands in for the BOM's base repository: --source-repo."""
        return f"{self.host}/{self.prefix}"


@pytest.fixture(autouse=True)
def clean_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Take away what a machine says about proxies, trust and credentials."""
    for name in list(os.environ):
        if _STRIPPED.fullmatch(name.upper()):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DOCKER_CONFIG", str(home / ".docker"))


@pytest.fixture
def registry() -> Iterator[Registry]:
    """An empty real registry of the test's own."""
    with _real_registry() as running:
        yield running


@pytest.fixture
def second_registry() -> Iterator[Registry]:
    """Another empty real registry, for what goes from one to the other."""
    with _real_registry() as running:
        yield running


@pytest.fixture
def locked_registry(tmp_path: Path) -> Iterator[Registry]:
    """An empty real registry that asks for USER and PASSWORD."""
    path = tmp_path / "htpasswd"
    path.write_text(HTPASSWD)
    with _real_registry(htpasswd=path) as running:
        yield running


@pytest.fixture(scope="session")
def source() -> Iterator[Source]:
    """A real registry with the world of the sample BOM pair; read it, do not write to it."""
    boms = (TKG_BOM, TKR_BOM)
    missing = [path.name for path in boms if not path.exists()]
    if missing:
        absent(f"no {' and no '.join(missing)} in scripts/samples")
    with _real_registry() as running:
        entries = seed_world(running.url, boms, prefix="tkg", megabytes=4)
        yield Source(running, boms, "tkg", tuple(entries))


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    """An empty registry in memory that takes rules."""
    with FakeRegistry() as running:
        yield running


def absent(reason: str) -> NoReturn:
    """Skip where something is missing on a developer's machine; in CI nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _real_registry(htpasswd: Path | None = None) -> Registry:
    _need_program()
    return Registry(delete=True, htpasswd=htpasswd)


def _need_program() -> None:
    if shutil.which(PROGRAM) is None:
        absent(f"{PROGRAM} is not installed; scripts/setup.sh installs it")


# --- real registries as they are in the field -------------------------------------------------

DISK = 20 << 20


@dataclass(frozen=True)
class SmallDisk:
    """A registry on a disk of DISK bytes, and somebody else's file that takes up the rest of it."""

    registry: Registry

    @property
    def free(self) -> int:
        """Bytes that are left."""
        found = os.statvfs(self.registry.files)
        return found.f_bavail * found.f_frsize

    def fill(self, leave: int) -> None:
        """Take up all but `leave` bytes."""
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.free - leave)

    def make_room(self) -> None:
        """Give back what `fill` took."""
        self._filler.unlink()

    @property
    def _filler(self) -> Path:
        return self.registry.files / "somebody else's file"


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    """A real registry whose disk can be full, since nothing else writes to it:

    small_disk.fill(leave=100_000)      # what is uploaded now gets a 500, "no space left"
    small_disk.make_room()              # and now it fits

    A file system in memory, mounted for the registry's process alone and gone with it.
    """
    _need_program()
    try:
        with Registry(disk=DISK, delete=True) as running:
            yield SmallDisk(running)
    except NoMount as cause:
        absent(str(cause))


@dataclass(frozen=True)
class ReadOnly:
    """A registry in maintenance, and how to end that: what it holds stays."""

    shelf: Path
    registry: Registry

    def writable(self) -> Registry:
        """Return a registry of the same content that takes what is brought; not yet started."""
        return Registry(self.shelf, delete=True)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[ReadOnly]:
    """A real registry that answers every write with a bare 405 (maintenance.readonly):

    run("bundle", "push", bundle, f"{read_only.registry.host}/tkg", "--plain-http")
    with read_only.writable() as after: # maintenance is over
    """
    _need_program()
    with Registry(tmp_path / "shelf", read_only=True) as running:
        yield ReadOnly(tmp_path / "shelf", running)


@pytest.fixture
def cache_of_source(source: Source) -> Iterator[Registry]:
    """A pull-through cache of `source` (proxy.remoteurl), empty at first:

    httpx.get(f"{cache.url}/v2/tkg/pause/tags/list")    # fetched from the source
    source.registry.requests()                          # what it fetched there, and how often

    It keeps what it fetched, and takes no push: 405 UNSUPPORTED.
    """
    with Registry(proxy=source.registry.url) as running:
        yield running


@dataclass(frozen=True)
class TlsRegistry:
    """A registry that speaks TLS, and the file of the authority that signed its certificate."""

    registry: Registry
    ca_file: Path

    @property
    def host(self) -> str:
        """The address as it stands in a reference: 127.0.0.1:PORT."""
        return self.registry.host


@pytest.fixture
def tls_registry(tmp_path: Path) -> Iterator[TlsRegistry]:
    """A real registry with a certificate of a private authority, which nobody knows:

    run("bundle", "push", bundle, tls_registry.host + "/tkg", "--ca-file", tls_registry.ca_file)
    httpx.get(tls_registry.registry.url + "/v2/", verify=...)

    `ca_file` holds PEM.
    """
    _need_program()
    certificate, key, ca_file = (tmp_path / f"{name}.pem" for name in ("cert", "key", "ca"))
    issued = _authority().issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    _authority().cert_pem.write_to_path(ca_file)
    with Registry(tls=(certificate, key), delete=True) as running:
        yield TlsRegistry(running, ca_file)


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


@dataclass(frozen=True)
class Replicas:
    """Two registries with one storage behind one address; which of them answers is set here.

    They have no http.secret in common, so an upload that began at one is unknown to the other.
    """

    one: Registry
    two: Registry
    front: Front

    def alternate(self) -> None:
        """Let them answer in turn."""
        self.front.route = alternately(self.one.port, self.two.port)

    def take_over(self) -> None:
        """End the first one as a power cut would; from now on the second one answers."""
        self.front.route = _always(self.two)
        self.one.kill()

    def cut_off(self) -> None:
        """The same, but one more request goes to the first one, which is dead."""
        last = iter([self.one.port])
        self.front.route = lambda head: (next(last, self.two.port), head)
        self.one.kill()


def _always(registry: Registry) -> Route:
    return lambda head: (registry.port, head)


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[Replicas]:
    """Two real registries of one service, badly set up: each with a secret of its own.

    replicas.front.host                                         # the service
    replicas.alternate()                                        # a balancer without memory
    replicas.front.before("PUT", "/up", replicas.take_over)        # or one dies, and in between

    At first all requests go to the first one. What is stored is seen by both at once.
    """
    _need_program()
    shelf = tmp_path / "shelf"
    with (
        Registry(shelf, secret="one's own") as one,
        Registry(shelf, secret="two's own") as two,
        Front(_always(one)) as front,
    ):
        yield Replicas(one, two, front)


@pytest.fixture
def token_registry(tmp_path: Path) -> Iterator[TokenRegistry]:
    """A real registry with token auth, and its token service; tests/fakes/token_server.py says how:

    token_registry.tokens.users["ann"] = PASSWORD       # nobody is known at first
    token_registry.host                                 # the one address of both
    token_registry.tokens.expire()                      # every token is over

    Whoever has no password may pull.
    """
    _need_program()
    with asks_tokens(tmp_path) as running:
        yield running
