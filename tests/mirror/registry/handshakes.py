"""Registries that present any chain, and the faults that their clients then raise."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mirror.errors import Untrusted
from mirror.registry.tls import TlsOptions
from tests.fakes.certificates import HOST, Made, server
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.reach import IMAGE, REPOSITORY, TAG, fault_of, reach, somebody

# Characters that one line of a message has room for.
LONGEST = 600


@dataclass(frozen=True)
class Place:
    """Where this test's files go; every connection of it is to HOST."""

    directory: Path

    def trusts(self, *certificates: Made) -> TlsOptions:
        path = self.directory / "ca.pem"
        path.write_bytes(b"".join(each.pem for each in certificates))
        return TlsOptions([path] if certificates else [])

    @contextmanager
    def presents(self, *chain: Made) -> Iterator[FakeRegistry]:
        with FakeRegistry(tls=server(self.directory, *chain)) as fake:
            fake.add(REPOSITORY, TAG, IMAGE)
            yield fake

    def told(self, trust: TlsOptions, *chain: Made) -> Untrusted:
        """The fault of asking a registry that presents this chain."""
        with self.presents(*chain) as fake:
            fault = refused(named(fake), trust)
            assert not fake.requests
        return fault


@contextmanager
def strict(place: Place, version: ssl.TLSVersion, root: Made, leaf: Made) -> Iterator[FakeRegistry]:
    context = server(place.directory, leaf)
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=root.der)
    with FakeRegistry(tls=context) as fake:
        fake.add(REPOSITORY, TAG, IMAGE)
        yield fake


def named(fake: FakeRegistry, name: str = HOST) -> str:
    return fake.host.replace("127.0.0.1", name)


def refused(host: str, trust: TlsOptions | None, timeout: float = 5.0) -> Untrusted:
    with reach(host, tls=trust, given=somebody(), timeout=timeout) as client:
        fault = fault_of(Untrusted, client.manifest, REPOSITORY, TAG)
    assert not fault.temporary
    assert len(fault.fact) <= LONGEST
    return fault
