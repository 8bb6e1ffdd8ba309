"""Registries on loopback that present any chain, and what a check says about them:

with presenting(tmp_path, leaf, middle) as fake:
    verdict = said("TLS-2", asking(fake, trust(tmp_path, root)))
"""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mirror.errors import Side
from mirror.preflight.authority import CA, authorities
from mirror.preflight.catalogue import CHECKS
from mirror.preflight.cluster import ClusterConfig
from mirror.preflight.interface import Verdict
from mirror.preflight.run import Rules, examine
from mirror.preflight.scene import Question, Scene, Target
from mirror.registry.access import Access
from mirror.registry.credentials import CredentialStore
from mirror.registry.tls import TlsOptions
from tests.fakes.certificates import HOST, LEAF, Made, ip, server
from tests.fakes.simple import FakeRegistry

# A leaf for the address at which every fake listens.
HERE = replace(LEAF, names=ip("127.0.0.1"))
Adjust = Callable[[ssl.SSLContext], object]


def trust(directory: Path, *certificates: Made) -> TlsOptions:
    """A CA file with these."""
    path = directory / "ca.pem"
    path.write_bytes(b"".join(each.pem for each in certificates))
    return TlsOptions([path])


@contextmanager
def presenting(
    directory: Path, *chain: Made, adjust: Adjust = lambda _context: None
) -> Iterator[FakeRegistry]:
    context = server(directory, *chain)
    adjust(context)
    with FakeRegistry(tls=context) as fake:
        yield fake


def cluster(**values: str) -> ClusterConfig:
    return ClusterConfig("cluster.yaml", values, dict.fromkeys(values, 7))


def variable(*certificates: Made) -> str:
    """What base64 -w0 prints of a file with these."""
    return base64.b64encode(b"".join(each.pem for each in certificates)).decode()


def carrying(*certificates: Made, **more: str) -> ClusterConfig:
    return cluster(**{CA: variable(*certificates), **more})


def question(
    host: str,
    tls: TlsOptions | None = None,
    *,
    config: ClusterConfig | None = None,
    plain_http: bool = False,
    **more: Any,
) -> Question:
    tls = (tls or TlsOptions())._replace(authorities=authorities(config))
    access = Access(
        Side.DESTINATION,
        plain_http=plain_http,
        tls=tls,
        credentials=CredentialStore(environment={}),
    )
    target = Target.parse(f"{host}/tkg", plain_http=plain_http)
    return Question(target, access, cluster=config, **more)


def asking(fake: FakeRegistry, tls: TlsOptions | None = None, **more: Any) -> Question:
    return question(fake.host, tls, **more)


def by_name(fake: FakeRegistry, name: str = HOST) -> str:
    return fake.host.replace("127.0.0.1", name)


def said(check_id: str, asked: Question) -> Verdict:
    """What one check says by itself."""
    check = next(each for each in CHECKS if each.id == check_id)._replace(needs=())
    with Scene(asked) as scene:
        return examine(scene, [check], Rules()).findings[0].verdict


# --- several addresses ------------------------------------------------------------------------


@contextmanager
def beside(fake: FakeRegistry, context: ssl.SSLContext | None) -> Iterator[None]:
    """Another server at the same port of ::1, for handshakes alone; without TLS it hangs up."""
    port = int(fake.host.rpartition(":")[2])
    try:
        listening = socket.create_server(("::1", port), family=socket.AF_INET6)
    except OSError as cause:
        pytest.skip(f"no second loopback address: {cause}")

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _address = listening.accept()
                if context is None:
                    connection.close()
                    continue
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
        listening.close()


def at_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let HOST have two addresses, 127.0.0.1 and ::1."""
    real, places = socket.getaddrinfo, ["127.0.0.1", "::1"]

    def resolve(host: Any, port: Any, *rest: Any, **named: Any) -> Any:
        hosts = places if host == HOST else [host]
        return [each for host in hosts for each in real(host, port, *rest, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
