"""Lists of companions and referrers, as registries give, refuse and spoil them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from mirror.errors import Misbehaved, Refused, Side, Unreachable
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.registry.client import Registry
from mirror.settings import MAX_COMPANION_PAGES, MAX_COMPANION_TAGS, MAX_MANIFEST, MAX_REFERRERS
from scripts.world.images import Image
from tests.fakes.behaviours import answer, cut
from tests.fakes.companions import referrer, signature_tag
from tests.fakes.message import Reply, Request, json_reply
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.reach import IMAGE, REPOSITORY, fault_of, reach

SUBJECT = Digest.parse(IMAGE.manifest.digest)
INDEX = "application/vnd.oci.image.index.v1+json"
LIST, API = "/tags/list", "/referrers/"


@pytest.fixture
def fake(fake: FakeRegistry) -> FakeRegistry:
    fake.store.referrers = True
    fake.add(REPOSITORY, "v1", IMAGE)
    return fake


@pytest.fixture
def client(fake: FakeRegistry) -> Iterator[Registry]:
    with reach(fake.host) as registry:
        yield registry


def index(body: bytes, **headers: str) -> Reply:
    return Reply(200, {"Content-Type": INDEX} | headers, body)


def manifest(image: Image) -> Manifest:
    return Manifest.parse(image.manifest.read())


# --- tags -------------------------------------------------------------------------------------


def test_only_names_of_companions_are_kept(client: Registry, fake: FakeRegistry) -> None:
    fake.store.page_size = 3
    mine = {signature_tag(IMAGE, suffix) for suffix in ("sig", "att", "sbom")}
    mine.add(f"sha256-{SUBJECT.hex}")
    others = {"v1", "latest", f"sha256-{SUBJECT.hex}.imgpkg", "sha256-abc.sig"}
    fake.store.repositories[REPOSITORY].tags = dict.fromkeys(mine | others, "x")
    assert client.companions(REPOSITORY) == frozenset(mine)


def test_no_companions_are_not_a_refusal(client: Registry) -> None:
    assert client.companions(REPOSITORY) == frozenset()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 501])
def test_a_refused_listing_is_none(client: Registry, fake: FakeRegistry, status: int) -> None:
    fake.on("GET", LIST, answer(status))
    assert client.companions(REPOSITORY) is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"tags":7}', b" " * (MAX_MANIFEST + 1)])
def test_a_listing_that_is_none_is_none(client: Registry, fake: FakeRegistry, body: bytes) -> None:
    fake.on("GET", LIST, answer(200, body=body))
    assert client.companions(REPOSITORY) is None


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_listing_that_may_be_better_later(
    client: Registry, fake: FakeRegistry, status: int
) -> None:
    fake.on("GET", LIST, answer(status))
    fault_of(Unreachable, client.companions, REPOSITORY)


def test_a_listing_without_end_is_given_up(client: Registry, fake: FakeRegistry) -> None:
    def next_one(request: Request, _go: object) -> Reply:
        number = int(request.query.get("last", 0)) + 1
        link = f'</v2/{REPOSITORY}/tags/list?last={number}>; rel="next"'
        return json_reply({"tags": ["again"]}, Link=link)

    fake.on("GET", LIST, next_one)
    assert client.companions(REPOSITORY) is None
    assert len(fake.requests) == MAX_COMPANION_PAGES


def test_more_names_than_may_be_kept_are_not_kept(client: Registry, fake: FakeRegistry) -> None:
    names = [f"sha256-{number:064x}.sig" for number in range(MAX_COMPANION_TAGS + 1)]
    fake.on("GET", LIST, lambda _request, _go: json_reply({"tags": names}))
    assert client.companions(REPOSITORY) is None


# --- referrers --------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_all_pages_of_referrers_are_read(client: Registry, fake: FakeRegistry, count: int) -> None:
    fake.store.page_size = 2
    made = [referrer(IMAGE, f"{number}") for number in range(count)]
    for each in made:
        fake.add(REPOSITORY, "", each)
    found = client.referrers(REPOSITORY, SUBJECT)
    assert found is not None
    assert {each.digest for each in found} == {manifest(each).digest for each in made}
    assert fake.count("GET", API) == max(1, (count + 1) // 2)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 501])
def test_whoever_declines_keeps_no_list(client: Registry, fake: FakeRegistry, status: int) -> None:
    fake.on("GET", API, answer(status))
    assert client.referrers(REPOSITORY, SUBJECT) is None


def test_an_answer_of_another_kind_is_no_list(client: Registry, fake: FakeRegistry) -> None:
    fake.on("GET", API, answer(200, body=b'{"manifests":[]}'))
    assert client.referrers(REPOSITORY, SUBJECT) is None


@pytest.mark.parametrize("status", [408, 429, 500, 502])
def test_whoever_fails_does_not_decline(client: Registry, fake: FakeRegistry, status: int) -> None:
    fake.on("GET", API, answer(status))
    fault_of(Unreachable, client.referrers, REPOSITORY, SUBJECT)


def test_a_list_that_is_cut(client: Registry, fake: FakeRegistry) -> None:
    fake.on("GET", API, cut(5))
    fault_of(Unreachable, client.referrers, REPOSITORY, SUBJECT)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"<html>",
        b'{"manifests":7}',
        b'{"manifests":["x"]}',
        b'{"manifests":[{"mediaType":"a","digest":"sha256:../x","size":1}]}',
        b'{"manifests":' + b"[" * 10_000,
        b" " * (MAX_MANIFEST + 1),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_list_that_is_broken_is_refused(
    client: Registry, fake: FakeRegistry, body: bytes
) -> None:
    fake.on("GET", API, lambda _request, _go: index(body))
    fault_of(Misbehaved, client.referrers, REPOSITORY, SUBJECT)


def test_a_second_page_that_is_refused_is_a_fault(client: Registry, fake: FakeRegistry) -> None:
    """Taken for a refusal of all, it would lose what the first page named."""
    fake.store.page_size = 1
    for number in range(2):
        fake.add(REPOSITORY, "", referrer(IMAGE, f"{number}"))
    fake.on("GET", API, answer(405), nth=2)
    fault_of(Refused, client.referrers, REPOSITORY, SUBJECT)


def test_more_referrers_than_anybody_has(client: Registry, fake: FakeRegistry) -> None:
    entry = {"mediaType": INDEX, "digest": str(SUBJECT), "size": 1}
    body = json.dumps({"manifests": [entry] * (MAX_REFERRERS + 1)}).encode()
    fake.on("GET", API, lambda _request, _go: index(body))
    assert str(MAX_REFERRERS) in fault_of(Misbehaved, client.referrers, REPOSITORY, SUBJECT).fact


def test_pages_without_end_are_given_up(client: Registry, fake: FakeRegistry) -> None:
    def next_one(request: Request, _go: object) -> Reply:
        number = int(request.query.get("n", 0)) + 1
        return index(b'{"manifests":[]}', Link=f'<{request.path}?n={number}>; rel="next"')

    fake.on("GET", API, next_one)
    fault_of(Misbehaved, client.referrers, REPOSITORY, SUBJECT)
    assert len(fake.requests) == MAX_REFERRERS


# --- what is put ------------------------------------------------------------------------------


@pytest.mark.parametrize("has_api", [False, True])
def test_the_answer_to_a_put_says_whether_the_subject_was_noted(
    fake: FakeRegistry, has_api: bool
) -> None:
    fake.store.referrers = has_api
    sbom = referrer(IMAGE)
    fake.store.repositories[REPOSITORY].blobs |= {b.digest: b.read() for b in sbom.blobs}
    with reach(fake.host, side=Side.DESTINATION) as client:
        noted = client.put_manifest(REPOSITORY, manifest(sbom).digest, manifest(sbom))
        assert client.put_manifest(REPOSITORY, "v2", manifest(IMAGE)) is None
    assert noted == (SUBJECT if has_api else None)


# --- the fake itself --------------------------------------------------------------------------


def test_the_fake_filters_by_kind_and_says_so(fake: FakeRegistry) -> None:
    """distribution-spec 1.1, "Listing Referrers"."""
    fake.add(REPOSITORY, "", referrer(IMAGE, "a"))
    fake.add(REPOSITORY, "", referrer(IMAGE, "b", artifactType="application/x"))
    url = f"{fake.url}/v2/{REPOSITORY}/referrers/{SUBJECT}"
    whole, some = httpx.get(url), httpx.get(url, params={"artifactType": "application/x"})
    assert whole.headers["content-type"] == INDEX
    assert len(whole.json()["manifests"]) == 2
    assert "oci-filters-applied" not in whole.headers
    assert some.headers["oci-filters-applied"] == "artifactType"
    (entry,) = some.json()["manifests"]
    assert (entry["artifactType"], entry["annotations"]) == (
        "application/x",
        {"org.example.text": "b"},
    )
    assert httpx.get(f"{fake.url}/v2/none/referrers/{SUBJECT}").json()["manifests"] == []
    assert httpx.get(f"{fake.url}/v2/none/referrers/sha256:x").status_code == 400
