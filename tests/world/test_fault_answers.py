"""The fault proxy gives wrong answers just as it is told to, and right ones otherwise."""

from __future__ import annotations

import contextlib
import gzip

import httpx
import pytest

from scripts.world.registry import Registry
from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import (
    answer,
    chunked,
    endless,
    flip,
    gzipped,
    in_turn,
    pad,
    redirect,
    replace_header,
    strip_header,
    wrong_length,
    www_auth,
)
from tests.world.through import BLOB, DATA, DONE, LAYER, begun, received

# --- answers ----------------------------------------------------------------------------------


def test_a_status_with_headers_and_body(
    client: httpx.Client, proxy: FaultProxy, registry: Registry
) -> None:
    proxy.on("GET", "/blobs/", answer(429, "TOOMANYREQUESTS", Retry_After="7"), nth=1)
    proxy.on("GET", "/blobs/", answer(500, body=b"<html>"), nth=2)
    first, second = client.get(BLOB), client.get(BLOB)
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    assert first.json()["errors"][0]["code"] == "TOOMANYREQUESTS"
    assert (second.status_code, second.content) == (500, b"<html>")
    assert not [line for line in registry.requests() if line.method == "GET"]


@pytest.mark.parametrize("unread", [False, True])
def test_a_body_that_is_too_large_for_a_reverse_proxy(
    client: httpx.Client, proxy: FaultProxy, unread: bool
) -> None:
    proxy.on("PUT", "/uploads/", answer(413, unread=unread))
    url = begun(client).copy_merge_params(DONE)
    with contextlib.suppress(httpx.TransportError):  # closed with bytes unread, it may be a reset
        assert client.put(url, content=DATA).status_code == 413
    assert client.get(BLOB).content == DATA
    assert [record.sent == LAYER.size for record in proxy.found("PUT", "")] == [not unread]


def test_a_challenge_and_a_redirect(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.on("GET", "/v2/$", www_auth('Bearer realm="https://example.com/token"'))
    proxy.on("GET", "/blobs/", redirect("https://example.com/store{path}", 302))
    refused, sent = client.get("/v2/"), client.get(f"{BLOB}?x=1")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="https://example.com/token"'
    assert (sent.status_code, sent.content) == (302, b"")
    assert sent.headers["Location"] == f"https://example.com/store{BLOB}?x=1"


@pytest.mark.parametrize("at", [0, 65_536, LAYER.size - 1])
def test_one_byte_is_wrong(client: httpx.Client, proxy: FaultProxy, at: int) -> None:
    proxy.on("GET", "/blobs/", flip(at))
    got = client.get(BLOB).content
    assert [n for n, (a, b) in enumerate(zip(got, DATA, strict=True)) if a != b] == [at]


def test_bytes_behind_the_end_are_on_the_wire(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.on("GET", "/blobs/", pad(1000))
    assert received(client) == (DATA, None), "a client stops at the length it was told"
    proxy.settle()
    assert proxy.records[-1].received == LAYER.size + 1000


@pytest.mark.parametrize(
    ("by", "expected"),
    [(1, (DATA, httpx.RemoteProtocolError)), (-1, (DATA[:-1], None))],
)
def test_a_wrong_length(
    client: httpx.Client, proxy: FaultProxy, by: int, expected: tuple[bytes, object]
) -> None:
    proxy.on("GET", "/blobs/", wrong_length(by), nth=1)
    assert received(client) == expected
    assert received(client) == (DATA, None)


def test_a_body_in_chunks_has_no_length(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.on("GET", "/blobs/", chunked())
    got = client.get(BLOB)
    assert (got.content, got.headers.get("Content-Length")) == (DATA, None)


def test_an_encoded_body_says_so(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.on("GET", "/blobs/", gzipped())
    with client.stream("GET", BLOB) as response:
        raw = b"".join(response.iter_raw())
    assert response.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(raw) == DATA


@pytest.mark.parametrize("stated", [False, True])
def test_an_endless_body_ends_when_the_client_goes(
    client: httpx.Client, proxy: FaultProxy, stated: bool
) -> None:
    proxy.on("GET", "/blobs/", endless(stated=stated))
    with client.stream("GET", BLOB) as response:
        got = b"".join(piece for piece, _ in zip(response.iter_raw(1000), range(200), strict=False))
        assert got == DATA[: len(got)]
    client.close()
    proxy.settle()
    assert proxy.records[-1].received > LAYER.size
    assert ("Content-Length" in response.headers) is stated


def test_headers_are_stripped_and_replaced(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.on("HEAD", "/blobs/", strip_header("docker-content-digest"))
    proxy.on("HEAD", "/blobs/", replace_header("ETag", "x"))
    headers = client.head(BLOB).headers
    assert "Docker-Content-Digest" not in headers
    assert headers.get_list("ETag") == ["x"]
    assert proxy.faults == {"no docker-content-digest": 1, "another ETag": 1}


def test_every_third_request_gets_the_next_fault(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.on("GET", "/blobs/", in_turn(3, answer(503), answer(429)))
    found = [client.get(BLOB).status_code for _ in range(10)]
    assert found == [200, 200, 503, 200, 200, 429, 200, 200, 503, 200]
