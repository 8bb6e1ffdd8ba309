"""A client on its way to a fake, and what the tests of this room ask of it."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import httpcore
import pytest

from mirror.errors import Fault, Side, Unreachable
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.ports import Piece
from mirror.registry.access import Access
from mirror.registry.client import Registry
from mirror.registry.credentials import Credentials, CredentialStore, Secret
from mirror.registry.tls import TlsOptions
from mirror.settings import Settings
from scripts.world.images import ImageSpec, build
from tests.fakes.behaviours import Behaviour
from tests.fakes.message import Reply
from tests.fakes.simple import FakeRegistry

IMAGE = build(ImageSpec("pause", own=(2000,)))
REPOSITORY, TAG = "tkg/pause", "3.9"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
# What must never be seen outside the request it is for.
CANARY = "canary-7f3a"

Kind = TypeVar("Kind", bound=Fault)


def reach(
    host: str,
    *,
    side: Side = Side.SOURCE,
    timeout: float = 5.0,
    tls: TlsOptions | None = None,
    given: Credentials | None = None,
    ranges: int = 1,
    allowed: Iterable[str] = (),
) -> Registry:
    """A client of ``host``: over plain HTTP, or over TLS where ``tls`` is given.

    ``allowed`` are other hosts to which it may be sent.
    """
    access = Access(
        side,
        Settings(timeout=timeout, ranges=ranges),
        plain_http=tls is None,
        tls=tls or TlsOptions(),
        credentials=CredentialStore({host: given} if given else {}),
        allowed=frozenset((host, other) for other in allowed),
    )
    return Registry(host, access)


def somebody(name: str = "ann", *, identity: bool = False) -> Credentials:
    return Credentials(name, Secret(CANARY), identity=identity)


def blob_of(data: bytes) -> Descriptor:
    return Descriptor(LAYER, Digest.of(data), len(data))


def shelve(fake: FakeRegistry, data: bytes, repository: str = REPOSITORY) -> Descriptor:
    """Put a blob into the fake."""
    descriptor = blob_of(data)
    fake.store.repositories[repository].blobs[str(descriptor.digest)] = data
    return descriptor


def held(fake: FakeRegistry, descriptor: Descriptor, repository: str = REPOSITORY) -> bytes | None:
    """The blob as the fake has it."""
    return fake.store.repositories[repository].blobs.get(str(descriptor.digest))


def read(registry: Registry, descriptor: Descriptor, start: int = 0) -> bytes:
    with registry.blob(REPOSITORY, descriptor, start) as pieces:
        return b"".join(bytes(piece) for piece in pieces)


def beginning(
    registry: Registry, descriptor: Descriptor, start: int = 0
) -> tuple[bytes, Unreachable]:
    """What comes of a blob before the connection is cut, and the fault that says so."""
    got = bytearray()

    def read_on() -> None:
        with registry.blob(REPOSITORY, descriptor, start) as pieces:
            for piece in pieces:
                got.extend(piece)

    fault = fault_of(Unreachable, read_on)
    return bytes(got), fault


def kinds(registry: Registry, descriptor: Descriptor) -> set[type[Piece]]:
    """How the bytes came: memoryviews past the HTTP library, bytes by way of it."""
    with registry.blob(REPOSITORY, descriptor) as pieces:
        return {type(piece) for piece in pieces}


def sliced(data: bytes, size: int = 65536) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def noise(size: int) -> bytes:
    """Bytes that do not repeat, the same each time."""
    return hashlib.shake_128(b"noise").digest(size)


def manifest_of(value: object) -> Manifest:
    return Manifest.parse(json.dumps(value).encode())


def seeded() -> Manifest:
    return Manifest.parse(IMAGE.manifest.read())


def fault_of(kind: type[Kind], act: Callable[..., object], *arguments: object) -> Kind:
    """The fault, which must be of exactly this kind and quote no secret."""
    with pytest.raises(kind) as caught:
        act(*arguments)
    assert type(caught.value) is kind
    assert CANARY not in words(caught.value)
    return caught.value


def words(fault: Fault) -> str:
    return f"{fault} {fault.what} {fault.fact} {fault.whose} {fault.hint}"


def goes_to(location: str, status: int = 307) -> Behaviour:
    """Send the client to just this place, as it stands."""
    return lambda _request, _go: Reply(status, {"Location": location})


class World:
    """Names and addresses as a test wants them, all of them at loopback in truth.

    ``names`` gives the addresses of a name, the next list each time it is asked, the last one
    for ever. ``connected`` are the addresses to which connections were made; those in ``dead``
    do not answer.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **names: list[list[str]]) -> None:
        self.names = {name.replace("_", "."): answers for name, answers in names.items()}
        self.connected: list[str] = []
        self.dead: set[str] = set()
        real, world = socket.getaddrinfo, self

        def resolve(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
            if host not in world.names:
                return real(host, port, *rest, **more)
            answers = world.names[host]
            found = answers.pop(0) if len(answers) > 1 else answers[0]
            return [(socket.AF_UNSPEC, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

        class Detour(httpcore.SyncBackend):
            def connect_tcp(self, host: str, *rest: Any, **more: Any) -> httpcore.NetworkStream:
                world.connected.append(host)
                if host in world.dead:
                    raise httpcore.ConnectTimeout("no answer")
                return super().connect_tcp("127.0.0.1", *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setattr(httpcore, "SyncBackend", Detour)
