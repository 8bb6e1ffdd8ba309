"""A certificate authority, once for the whole run: making keys takes time."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from mirror.registry.tls import TlsOptions
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.handshakes import Place


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def trust(ca_file: Path) -> TlsOptions:
    return TlsOptions(ca_files=[ca_file])


@pytest.fixture
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def safe(server_context: ssl.SSLContext) -> Iterator[FakeRegistry]:
    """A fake that speaks TLS."""
    with FakeRegistry(tls=server_context) as running:
        yield running


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name below .example, with a dot at its end or without, is this machine."""
    real = socket.getaddrinfo

    def resolve(host: Any, *arguments: Any, **named: Any) -> Any:
        away = isinstance(host, str) and host.removesuffix(".").endswith(".example")
        return real("127.0.0.1" if away else host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.fixture
def place(tmp_path: Path, resolver: None) -> Place:
    return Place(tmp_path)
