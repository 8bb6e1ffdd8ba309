"""The fault proxy changes nothing by itself, and ends and delays just what it is told to."""

from __future__ import annotations

import contextlib
import hashlib
import ssl
import threading
import tracemalloc
from collections.abc import Iterable

import httpx
import pytest
import trustme

from scripts.world.images import OCI, ImageSpec, build
from scripts.world.registry import Registry
from scripts.world.seed import Seeder
from tests.fakes.ledger import Ledger
from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import (
    Action,
    Go,
    Hold,
    answer,
    cut_request,
    cut_response,
    drip,
    drop_response,
    hang_up,
    random_cuts,
    replace_header,
    reset,
    throttle,
)
from tests.fakes.proxy_message import Answer, Question
from tests.fakes.simple import FakeRegistry
from tests.world.through import (
    BLOB,
    DATA,
    DONE,
    IMAGE,
    LAYER,
    MANIFEST,
    UPLOADS,
    begun,
    in_pieces,
    received,
)

# --- nothing is changed -----------------------------------------------------------------------


def test_without_rules_everything_passes_as_it_is(
    client: httpx.Client, proxy: FaultProxy, registry: Registry
) -> None:
    asked = {"Accept": OCI.manifest}
    past = httpx.get(registry.url + MANIFEST, headers=asked, trust_env=False)
    found = client.get(MANIFEST, headers=asked)
    kept = {"content-type", "content-length", "docker-content-digest", "etag"}
    assert {name: found.headers[name] for name in kept} == {
        name: past.headers[name] for name in kept
    }
    assert found.content == past.content
    assert client.get(BLOB).content == DATA
    assert client.head(BLOB).headers["Content-Length"] == str(LAYER.size)
    assert client.get(f"/v2/tkg/none/blobs/{LAYER.digest}").status_code == 404
    assert not proxy.faults


def test_locations_lead_back_to_the_proxy(
    client: httpx.Client, proxy: FaultProxy, registry: Registry
) -> None:
    where = begun(client)
    assert f"{where.scheme}://{where.netloc.decode()}" == proxy.url
    put = client.put(where.copy_merge_params(DONE), content=DATA)
    assert put.headers["Location"].startswith(f"{proxy.url}/v2/tkg/new/blobs/")
    assert registry.requests()[-1].status == 201


def test_a_seeder_that_knows_nothing_of_it_can_push_through_it(
    registry: Registry, proxy: FaultProxy
) -> None:
    index = build(ImageSpec("cni", own=(2000, 50), platforms=("amd64", "arm64")))
    with httpx.Client(trust_env=False) as client:
        for name in ("tkg/a", "tkg/b"):
            Seeder(proxy.url, client).put(name, "v1", index)
        shown = client.get(f"{registry.url}/v2/tkg/b/tags/list").json()
    assert shown["tags"] == ["v1"]
    assert all(record.status == record.upstream for record in proxy.records)


def test_an_upload_in_chunks_without_a_length_arrives_whole(client: httpx.Client) -> None:
    put = client.put(begun(client).copy_merge_params(DONE), content=in_pieces(DATA))
    assert put.request.headers["Transfer-Encoding"] == "chunked"
    assert put.status_code == 201


def test_connections_are_kept_open(client: httpx.Client) -> None:
    streams = {id(client.get(BLOB).extensions["network_stream"]) for _ in range(3)}
    assert len(streams) == 1


def test_a_large_blob_is_never_in_memory(client: httpx.Client, proxy: FaultProxy) -> None:
    piece, count = bytes(1 << 20), 64
    whole = hashlib.sha256()
    for _ in range(count):
        whole.update(piece)
    done = {"digest": f"sha256:{whole.hexdigest()}"}
    length = {"Content-Length": str(count << 20)}
    tracemalloc.start()
    try:
        url = begun(client).copy_merge_params(done)
        put = client.put(url, content=(piece for _ in range(count)), headers=length)
        with client.stream("GET", put.headers["Location"]) as response:
            assert sum(map(len, response.iter_raw(1 << 16))) == count << 20
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (proxy.uploaded, proxy.downloaded) == (count << 20, count << 20)
    assert peak < 16 << 20


def test_it_speaks_tls_and_locations_stay_safe(registry: Registry) -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with (
        FaultProxy(registry.url, tls=server) as proxy,
        httpx.Client(base_url=proxy.url, verify=trusting, trust_env=False) as client,
    ):
        put = client.put(begun(client).copy_merge_params(DONE), content=DATA)
        assert put.headers["Location"].startswith(f"{proxy.url}/v2/")
        proxy.on("GET", "/blobs/", reset(after=1000))
        assert received(client, put.headers["Location"])[1] is not None


# --- what is written down ---------------------------------------------------------------------


def test_every_exchange_is_written_down(client: httpx.Client, proxy: FaultProxy) -> None:
    client.put(f"{begun(client)}&digest={LAYER.digest}", content=DATA, headers={"X-Y": "z"})
    client.get(BLOB)
    post, put, get = proxy.records
    assert (post.method, post.path, post.status, post.upstream) == ("POST", UPLOADS, 202, 202)
    assert (put.status, put.sent, put.headers["x-y"]) == (201, LAYER.size, "z")
    assert (get.received, get.faults) == (LAYER.size, [])
    assert (proxy.uploaded, proxy.downloaded) == (LAYER.size, LAYER.size)
    assert (proxy.count("PUT", "digest="), proxy.count("*", UPLOADS)) == (1, 2)


def test_a_rule_takes_only_the_requests_it_counts(client: httpx.Client, proxy: FaultProxy) -> None:
    rule = proxy.on("GET", "/blobs/.*part=2", answer(503, Retry_After="1"), nth=(1, 3))
    paths = [BLOB, *[f"{BLOB}?part=2"] * 4]
    assert [client.get(path).status_code for path in paths] == [200, 503, 200, 503, 200]
    assert rule.seen == 4


def test_the_outermost_rule_is_the_first_one(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.on("GET", "/blobs/", answer(503), nth=1)
    proxy.on("GET", "/blobs/", replace_header("X-Y", "z"))
    assert [client.get(BLOB).headers.get("X-Y") for _ in range(2)] == [None, "z"]


def test_credentials_are_written_down_for_proxy_and_registry_as_one(
    fake: FakeRegistry, ledger: Ledger
) -> None:
    fake.require_basic("ann", "canary-7f3a")
    with FaultProxy(fake.url) as proxy, FakeRegistry() as other, FaultProxy(other.url) as astray:
        given = ("ann", "canary-7f3a")
        assert httpx.get(f"{proxy.url}/v2/", auth=given, trust_env=False).status_code == 200
        assert not ledger.leaks()
        httpx.get(f"{astray.url}/v2/", auth=given, trust_env=False)
        assert all(astray.url in leak for leak in ledger.leaks())
        with pytest.raises(AssertionError, match="went astray"):
            ledger.settle()


def test_a_fault_of_the_proxy_itself_comes_out(registry: Registry) -> None:
    def broken(_question: Question, _go: Go) -> Answer:
        raise KeyError("mine")

    proxy = FaultProxy(registry.url)
    proxy.on("GET", "/v2/", broken)
    with contextlib.ExitStack() as stack:
        stack.enter_context(proxy)
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{proxy.url}/v2/", trust_env=False)
        end = stack.pop_all()
    with pytest.raises(KeyError, match="mine"):
        end.close()


# --- connections that end ---------------------------------------------------------------------


@pytest.mark.parametrize("after", [0, 1, 70_000, LAYER.size - 1])
def test_an_answer_is_cut_at_its_byte_and_the_next_one_is_whole(
    client: httpx.Client, proxy: FaultProxy, after: int
) -> None:
    proxy.on("GET", "/blobs/", cut_response(after), nth=1)
    assert received(client) == (DATA[:after], httpx.RemoteProtocolError)
    assert received(client) == (DATA, None)
    assert proxy.faults == {"response cut": 1}


def test_a_cut_behind_the_end_is_none(client: httpx.Client, proxy: FaultProxy) -> None:
    proxy.on("GET", "/blobs/", cut_response(LAYER.size))
    assert received(client) == (DATA, None)
    assert not proxy.faults


@pytest.mark.parametrize("body", [DATA, in_pieces(DATA)], ids=["with a length", "in chunks"])
def test_a_request_is_cut_and_the_registry_commits_nothing(
    client: httpx.Client, proxy: FaultProxy, registry: Registry, body: bytes | Iterable[bytes]
) -> None:
    proxy.on("PUT", "/uploads/", cut_request(100_000))
    with pytest.raises(httpx.TransportError):
        client.put(begun(client).copy_merge_params(DONE), content=body)
    proxy.settle()
    assert proxy.faults == {"request cut": 1}
    assert client.get(f"/v2/tkg/new/blobs/{LAYER.digest}").status_code == 404
    assert 201 not in {line.status for line in registry.requests() if "/tkg/new/" in line.path}


def test_the_response_of_an_upload_that_succeeded_is_lost(
    client: httpx.Client, proxy: FaultProxy
) -> None:
    proxy.on("PUT", "/uploads/", drop_response())
    with pytest.raises(httpx.RemoteProtocolError):
        client.put(begun(client).copy_merge_params(DONE), content=DATA)
    assert (proxy.records[-1].status, proxy.records[-1].upstream) == (0, 201)
    assert client.get(f"/v2/tkg/new/blobs/{LAYER.digest}").content == DATA


def test_hung_up_before_the_registry_is_asked(
    client: httpx.Client, proxy: FaultProxy, registry: Registry
) -> None:
    proxy.on("GET", "/blobs/", hang_up())
    assert received(client) == (b"", httpx.RemoteProtocolError)
    assert not [line for line in registry.requests() if line.method == "GET"]


@pytest.mark.parametrize("after", [None, 0, 100])
def test_a_reset_is_told_from_an_end(
    client: httpx.Client, proxy: FaultProxy, after: int | None
) -> None:
    proxy.on("GET", "/blobs/", reset(after))
    got, error = received(client)
    assert error is httpx.ReadError, "the kernel says ECONNRESET and not the end of the stream"
    assert len(got) <= (after or 0)


def test_a_registry_that_is_away_ends_the_connection(
    client: httpx.Client, proxy: FaultProxy, registry: Registry
) -> None:
    hold = Hold(after=100_000)
    proxy.on("GET", "/blobs/", hold, nth=1)
    with client.stream("GET", BLOB) as response:
        hold.reached()
        registry.kill()
        assert next(response.iter_raw(100_000)) == DATA[:100_000]
        hold.let_go()
    assert received(client) == (b"", httpx.RemoteProtocolError)


def test_random_cuts_are_the_same_for_the_same_seed(
    client: httpx.Client, proxy: FaultProxy
) -> None:
    def lengths(seed: int) -> list[int]:
        rule = proxy.on("GET", "/blobs/", random_cuts(seed, least=1000, most=190_000))
        found = [len(received(client)[0]) for _ in range(3)]
        proxy.rules.remove(rule)
        return found

    first = lengths(7)
    assert len(set(first)) == 3
    assert first == lengths(7) != lengths(8)


# --- time -------------------------------------------------------------------------------------


def test_a_held_request_waits_for_the_test(client: httpx.Client, proxy: FaultProxy) -> None:
    hold, found = Hold(), list[int]()
    proxy.on("GET", "/blobs/", hold)
    asking = threading.Thread(target=lambda: found.append(len(client.get(BLOB).content)))
    asking.start()
    hold.reached()
    assert (found, proxy.records[-1].upstream) == ([], 0)
    hold.let_go()
    asking.join()
    assert found == [LAYER.size]


def test_the_beginning_of_a_held_answer_is_there(client: httpx.Client, proxy: FaultProxy) -> None:
    hold = Hold(after=100_000)
    proxy.on("GET", "/blobs/", hold)
    with client.stream("GET", BLOB) as response:
        pieces = response.iter_raw(50_000)
        assert next(pieces) + next(pieces) == DATA[:100_000]
        hold.let_go()
        assert b"".join(pieces) == DATA[100_000:]


def test_a_proxy_that_ends_frees_what_is_held(registry: Registry) -> None:
    with FaultProxy(registry.url) as proxy, httpx.Client(trust_env=False) as client:
        hold = Hold()
        proxy.on("GET", "/v2/", hold)
        asking = threading.Thread(target=lambda: received(client, f"{proxy.url}/v2/"))
        asking.start()
        hold.reached()
    asking.join()


@pytest.mark.parametrize("slow", [drip(), throttle(10_000_000)], ids=["drip", "throttle"])
def test_a_slow_body_arrives_whole(client: httpx.Client, proxy: FaultProxy, slow: Action) -> None:
    proxy.on("GET", "/manifests/", slow)
    raw = IMAGE.manifest.read()
    assert client.get(MANIFEST, headers={"Accept": OCI.manifest}).content == raw


def test_a_dripping_body_times_a_client_out_that_waits_for_each_byte(
    client: httpx.Client, proxy: FaultProxy
) -> None:
    proxy.on("GET", "/blobs/", drip(pause=30))
    with pytest.raises(httpx.ReadTimeout):
        client.get(BLOB, timeout=0.05)
