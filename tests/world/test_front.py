"""The front: a body in both directions at once, a route that turns, and moments of a test's own."""

from __future__ import annotations

import hashlib
import socket

import httpx
import pytest

from scripts.world.registry import Registry
from tests.fakes.behaviours import answer
from tests.fakes.front import Front, alternately
from tests.fakes.simple import FakeRegistry

LARGE = hashlib.shake_128(b"large").digest(3 << 20)


def get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False)


def test_it_sends_each_request_to_the_next_one(fake: FakeRegistry) -> None:
    with FakeRegistry() as other, Front(lambda head: (0, head)) as front:
        front.route = alternately(*(int(each.host.rpartition(":")[2]) for each in (fake, other)))
        with httpx.Client(trust_env=False) as client:
            for _ in range(3):
                assert client.get(f"{front.url}/v2/").status_code == 200
    assert (len(fake.requests), len(other.requests)) == (2, 1)
    assert front.count("GET", "^/v2/$") == 3


def test_a_large_body_arrives_whole_in_both_directions(registry: Registry) -> None:
    digest = f"sha256:{hashlib.sha256(LARGE).hexdigest()}"
    with (
        Front(lambda head: (registry.port, head)) as front,
        httpx.Client(base_url=front.url, trust_env=False) as client,
    ):
        begun = client.post("/v2/x/blobs/uploads/")
        assert begun.headers["Location"].startswith(front.url)
        where = httpx.URL(begun.headers["Location"]).copy_merge_params({"digest": digest})
        assert client.put(where, content=LARGE).status_code == 201
        assert client.get(f"/v2/x/blobs/{digest}").content == LARGE


def test_an_answer_before_the_end_of_the_body_comes_through(locked_registry: Registry) -> None:
    with Front(lambda head: (locked_registry.port, head)) as front:
        refused = httpx.put(f"{front.url}/v2/x/blobs/uploads/1", content=LARGE, trust_env=False)
    assert refused.status_code == 401


def test_what_is_hung_up_happens_once_and_before_its_request(fake: FakeRegistry) -> None:
    with Front(lambda head: (int(fake.host.rpartition(":")[2]), head)) as front:
        front.before("GET", "/tags/", lambda: fake.on("GET", "/", answer(503)), nth=2)
        paths = ("/v2/", "/v2/x/tags/list", "/v2/", "/v2/x/tags/list", "/v2/")
        statuses = [get(front.url + path).status_code for path in paths]
    assert statuses == [200, 404, 200, 503, 503]


def test_nobody_behind_it_is_a_connection_that_ends() -> None:
    with socket.socket() as nobody:
        # Taken and not listened at, so that nobody else can come to stand there.
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with (
            Front(lambda head: (port, head)) as front,
            pytest.raises(httpx.RemoteProtocolError),
        ):
            get(f"{front.url}/v2/")
