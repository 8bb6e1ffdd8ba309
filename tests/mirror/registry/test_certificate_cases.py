from __future__ import annotations

import re
import socket
import ssl
import threading
from pathlib import Path

import pytest

from mirror.registry.tls import HandshakeFailed, TlsOptions, context
from tests.fakes.certificate_cases import CASES, Case
from tests.fakes.certificates import server


def judged(case: Case, directory: Path) -> str:
    """What a handshake ends with: no word where the chain is accepted."""
    sent, trusted = case.made()
    anchors = directory / "ca.pem"
    anchors.write_bytes(b"".join(each.pem for each in trusted))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for end in (ours, theirs):
            end.settimeout(10)
        serving = threading.Thread(target=serve, args=(server(directory, *sent), theirs))
        serving.start()
        try:
            context(TlsOptions([anchors])).wrap_socket(ours, server_hostname=case.host).close()
        except HandshakeFailed as cause:
            return str(cause)
        finally:
            ours.close()
            serving.join()
    return ""


def serve(tls: ssl.SSLContext, connection: socket.socket) -> None:
    try:
        tls.wrap_socket(connection, server_side=True).close()
    except OSError:
        connection.close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_chain_is_judged_as_go_judges_it_or_more_strictly(case: Case, tmp_path: Path) -> None:
    said = judged(case, tmp_path)
    assert re.search(case.refusal, said), said
    assert bool(said) == bool(case.refusal)


def test_there_are_sixty_two_and_we_differ_in_four_to_the_strict_side() -> None:
    assert len({case.name for case in CASES}) == len(CASES) == 62
    assert [case.name for case in CASES if case.stricter] == [
        "leaf-eku-any",
        "leaf-ku-certsign-only",
        "rsa1024-leaf",
        "rsa1024-intermediate",
    ]
    assert all(case.refusal for case in CASES if not case.go)
