"""The fake keeps its promises: honest by itself, and as bad as it is told."""

from __future__ import annotations

import contextlib
import hashlib
import json
import ssl
from collections.abc import Iterator

import httpx
import pytest
import trustme

from scripts.world.images import OCI, Image, ImageSpec, build
from scripts.world.seed import Seeder
from tests.fakes.behaviours import (
    Behaviour,
    Go,
    answer,
    bare,
    chunked,
    cut,
    flip_byte,
    hang_up,
    lie_about_length,
    redirect,
    stall,
    with_headers,
)
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry

IMAGE = build(ImageSpec("pause", own=(2000,)))
INDEX = build(ImageSpec("cni", own=(2000, 50), platforms=("amd64", "arm64")))
LAYER = IMAGE.blobs[1]
BLOB = f"/v2/tkg/pause/blobs/{LAYER.digest}"
MANIFEST = "/v2/tkg/pause/manifests/3.9"
ACCEPT = {"Accept": OCI.manifest}


@pytest.fixture
def client(fake: FakeRegistry) -> Iterator[httpx.Client]:
    fake.add("tkg/pause", "3.9", IMAGE)
    with httpx.Client(base_url=fake.url, trust_env=False, timeout=5) as client:
        yield client


@pytest.mark.parametrize("image", [IMAGE, INDEX], ids=["image", "index"])
def test_what_is_pushed_can_be_pulled_by_tag_and_digest(fake: FakeRegistry, image: Image) -> None:
    accept = {"Accept": image.manifest.media_type}
    with httpx.Client(base_url=fake.url, trust_env=False) as client:
        Seeder(fake.url, client).put("tkg/x", "v1", image)
        for name in ("v1", image.manifest.digest):
            found = client.get(f"/v2/tkg/x/manifests/{name}", headers=accept)
            assert found.content == image.manifest.read()
        for blob in next(image.walk()).blobs:
            assert client.get(f"/v2/tkg/x/blobs/{blob.digest}").content == blob.read()


def test_a_second_repository_mounts_what_the_first_one_has(fake: FakeRegistry) -> None:
    with httpx.Client(trust_env=False) as client:
        seeder = Seeder(fake.url, client)
        seeder.put("tkg/a", "v1", IMAGE)
        seeder.put("tkg/b", "v1", IMAGE)
    assert fake.count("POST", "mount=") == len(IMAGE.blobs)
    assert fake.count("PUT", "/blobs/") == len(IMAGE.blobs)


def test_connections_are_kept_open(fake: FakeRegistry, client: httpx.Client) -> None:
    streams = {id(client.get(BLOB).extensions["network_stream"]) for _ in range(3)}
    assert len(streams) == 1
    assert fake.count("GET", "/blobs/") == 3


def test_tags_come_in_pages(fake: FakeRegistry, client: httpx.Client) -> None:
    for tag in ("v1", "v2", "v3"):
        fake.add("tkg/many", tag, IMAGE)
    fake.store.page_size = 2
    first = client.get("/v2/tkg/many/tags/list?n=1000")
    second = client.get(first.links["next"]["url"])
    assert (first.json()["tags"], second.json()["tags"]) == (["v1", "v2"], ["v3"])
    assert "next" not in second.links


def test_a_manifest_is_only_shown_to_who_names_its_type(client: httpx.Client) -> None:
    assert client.get(MANIFEST).status_code == 404
    assert client.get(MANIFEST, headers=ACCEPT).status_code == 200


def test_a_blob_can_be_read_from_its_middle(client: httpx.Client) -> None:
    part = client.get(BLOB, headers={"Range": "bytes=100-"})
    assert (part.status_code, part.content) == (206, LAYER.read()[100:])
    assert part.headers["Content-Range"] == f"bytes 100-{LAYER.size - 1}/{LAYER.size}"


def test_an_upload_in_pieces_needs_the_newest_location_and_the_right_digest(
    fake: FakeRegistry, client: httpx.Client
) -> None:
    begun = client.post("/v2/tkg/new/blobs/uploads/").headers["Location"]
    after = client.patch(begun, content=LAYER.read()[:50]).headers
    assert after["Range"] == "0-49"
    done = {"digest": LAYER.digest}
    assert client.put(httpx.URL(begun).copy_merge_params(done)).status_code == 400
    url = httpx.URL(after["Location"]).copy_merge_params(done)
    assert client.put(url, content=LAYER.read()[50:]).status_code == 201
    assert fake.store.repositories["tkg/new"].blobs == {LAYER.digest: LAYER.read()}


def test_a_wrong_digest_and_a_missing_blob_are_refused(client: httpx.Client) -> None:
    begun = client.post("/v2/tkg/new/blobs/uploads/").headers["Location"]
    url = httpx.URL(begun).copy_merge_params({"digest": LAYER.digest})
    assert client.put(url, content=b"other").json()["errors"][0]["code"] == "DIGEST_INVALID"
    body = IMAGE.manifest.read()
    assert client.put("/v2/tkg/new/manifests/v1", content=body).status_code == 400


def test_a_rule_takes_only_the_requests_it_counts(fake: FakeRegistry, client: httpx.Client) -> None:
    fake.on("GET", "/blobs/", answer(503, Retry_After="1"), nth=(1, 3))
    answers = [client.get(BLOB) for _ in range(4)]
    assert [a.status_code for a in answers] == [503, 200, 503, 200]
    assert answers[0].headers["Retry-After"] == "1"
    assert [seen.status for seen in fake.requests] == [503, 200, 503, 200]


def test_a_flipped_byte_keeps_the_length(fake: FakeRegistry, client: httpx.Client) -> None:
    fake.on("GET", "/blobs/", flip_byte(at=7))
    got = client.get(BLOB).content
    assert len(got) == LAYER.size
    assert [n for n, (a, b) in enumerate(zip(got, LAYER.read(), strict=True)) if a != b] == [7]


@pytest.mark.parametrize(
    "behaviour",
    [cut(after=100), hang_up(), lie_about_length(by=10)],
    ids=["cut", "hang up", "more promised than sent"],
)
def test_a_dropped_connection_is_an_error_and_the_next_request_works(
    fake: FakeRegistry, client: httpx.Client, behaviour: Behaviour
) -> None:
    fake.on("GET", "/blobs/", behaviour, nth=1)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(BLOB)
    assert client.get(BLOB).content == LAYER.read()


def test_fewer_bytes_promised_than_there_are(fake: FakeRegistry, client: httpx.Client) -> None:
    fake.on("GET", "/blobs/", lie_about_length(by=-1))
    assert client.get(BLOB).content == LAYER.read()[:-1]


def test_a_stalled_body_ends_only_by_the_clients_own_patience(
    fake: FakeRegistry, client: httpx.Client
) -> None:
    fake.on("GET", "/blobs/", stall(after=100))
    with pytest.raises(httpx.ReadTimeout):
        client.get(BLOB, timeout=0.05)


@pytest.mark.parametrize("behaviour", [chunked(), bare()], ids=["chunked", "bare"])
def test_a_body_without_its_length(
    fake: FakeRegistry, client: httpx.Client, behaviour: Behaviour
) -> None:
    fake.on("GET", "/blobs/", behaviour)
    got = client.get(BLOB)
    assert got.content == LAYER.read()
    assert "Content-Length" not in got.headers


def test_rules_on_one_request_are_nested(fake: FakeRegistry, client: httpx.Client) -> None:
    fake.on("GET", "/blobs/", chunked())
    fake.on("GET", "/blobs/", with_headers(Content_Type="text/plain"))
    got = client.get(BLOB)
    assert got.headers["Transfer-Encoding"] == "chunked"
    assert got.headers["Content-Type"] == "text/plain"


def test_a_leaked_credential_is_found_on_the_other_host(
    fake: FakeRegistry, client: httpx.Client
) -> None:
    with FakeRegistry() as other:
        other.store.repositories = fake.store.repositories
        fake.on("GET", "/blobs/", redirect(other.url))
        location = client.get(BLOB).headers["Location"]
        # A client that forgets to let go of the header.
        found = client.get(location, headers={"Authorization": "Basic Y2FuYXJ5"})
        assert found.content == LAYER.read()
        assert other.leaked() == ["Basic Y2FuYXJ5"]


def test_basic_credentials(fake: FakeRegistry, client: httpx.Client) -> None:
    fake.require_basic("ann", "secret")
    assert client.get("/v2/").headers["WWW-Authenticate"] == 'Basic realm="fake"'
    assert client.get("/v2/", auth=("ann", "wrong")).status_code == 401
    assert client.get("/v2/", auth=("ann", "secret")).status_code == 200


def test_a_token_grants_what_was_asked_and_nothing_else(
    fake: FakeRegistry, client: httpx.Client
) -> None:
    bearer = fake.require_bearer(ann="secret")
    refused = client.get(BLOB).headers["WWW-Authenticate"]
    assert refused == (
        f'Bearer realm="{fake.url}/token",service="fake",scope="repository:tkg/pause:pull"'
    )

    def status(path: str, method: str = "GET", *, scope: str, **auth: tuple[str, str]) -> int:
        token = client.get("/token", params={"scope": scope}, **auth).json()["token"]  # type: ignore[arg-type]
        headers = {"Authorization": f"Bearer {token}", **ACCEPT}
        return client.request(method, path, headers=headers).status_code

    assert status(BLOB, scope="repository:tkg/pause:pull") == 200
    assert status(BLOB, scope="repository:tkg/other:pull") == 401
    begin = "/v2/tkg/pause/blobs/uploads/"
    scope = "repository:tkg/pause:pull,push"
    assert status(begin, "POST", scope=scope) == 401, "nobody may push"
    assert status(begin, "POST", scope=scope, auth=("ann", "secret")) == 202
    assert client.get("/token", auth=("ann", "wrong")).status_code == 401

    token = client.get("/token", params={"scope": "repository:tkg/pause:pull"}).json()["token"]
    bearer.expire()
    assert client.get(BLOB, headers={"Authorization": f"Bearer {token}"}).status_code == 401


def test_several_challenges_and_bare_parameters(fake: FakeRegistry, client: httpx.Client) -> None:
    bearer = fake.require_bearer()
    bearer.first, bearer.quoted = ('Basic realm="x"',), False
    challenge = client.get("/v2/").headers["WWW-Authenticate"]
    assert challenge == f'Basic realm="x", Bearer realm={fake.url}/token,service=fake'


def test_requests_are_written_down_with_their_bodies_size(
    fake: FakeRegistry, client: httpx.Client
) -> None:
    client.post("/v2/tkg/x/blobs/uploads/", content=b"12345", headers={"X-Y": "z"})
    seen = fake.requests[-1]
    assert (seen.method, seen.path, seen.status) == ("POST", "/v2/tkg/x/blobs/uploads/", 202)
    assert (seen.size, seen.headers["x-y"]) == (5, "z")


def test_it_speaks_tls() -> None:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with FakeRegistry(tls=server) as fake:
        with httpx.Client(verify=trusting, trust_env=False) as client:
            assert client.get(f"{fake.url}/v2/").json() == {}
        with httpx.Client(trust_env=False) as client, pytest.raises(httpx.ConnectError):
            client.get(f"{fake.url}/v2/")


def test_a_fault_of_the_fake_itself_comes_out() -> None:
    def broken(_request: Request, _go: Go) -> Reply:
        raise KeyError("mine")

    fake = FakeRegistry()
    fake.on("GET", "/v2/", broken)
    with contextlib.ExitStack() as stack:
        stack.enter_context(fake)
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{fake.url}/v2/", trust_env=False)
        end = stack.pop_all()
    with pytest.raises(KeyError, match="mine"):
        end.close()


def test_the_added_image_is_what_a_reader_computes(client: httpx.Client) -> None:
    body = client.get(MANIFEST, headers=ACCEPT).content
    assert f"sha256:{hashlib.sha256(body).hexdigest()}" == IMAGE.manifest.digest
    assert [layer["digest"] for layer in json.loads(body)["layers"]] == [LAYER.digest]
