from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from mirror.errors import Misbehaved, NotFound, RegistryFault, Unreachable
from mirror.registry.client import Registry
from mirror.settings import MAX_MANIFEST, MAX_PAGES, MAX_TAG_LIST
from tests.fakes.behaviours import answer, cut, with_headers
from tests.fakes.message import Reply, Request, json_reply
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.reach import CANARY, REPOSITORY, fault_of, reach, somebody

LIST = "/tags/list"


@pytest.fixture
def client(fake: FakeRegistry) -> Iterator[Registry]:
    with reach(fake.host) as registry:
        yield registry


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_all_pages_are_read(client: Registry, fake: FakeRegistry, count: int) -> None:
    names = [f"v{number}" for number in range(count)]
    fake.store.repositories[REPOSITORY].tags = dict.fromkeys(names, "x")
    fake.store.page_size = 2
    assert client.tags(REPOSITORY) == names


def test_a_repository_without_tags_may_say_null(client: Registry, fake: FakeRegistry) -> None:
    fake.on("GET", LIST, answer(200, body=b'{"name":"x","tags":null}'))
    assert client.tags(REPOSITORY) == []


def test_a_repository_that_is_not_there(client: Registry) -> None:
    assert "NAME_UNKNOWN" in fault_of(NotFound, client.tags, REPOSITORY).fact


@pytest.mark.parametrize(
    "link",
    [
        "<{other}/v2/tkg/pause/tags/list?last=a>; rel=next",
        "<//{other_host}/v2/x>; rel=next",
        "<{own}/v2/tkg/pause/tags/list>; rel=next",
        "</v2/tkg/pause/tags/list>; rel=next",
        "<?>; rel=next",
        "</api/v2.0/users>; rel=next",
        "</v2/../api>; rel=next",
        "<file:///etc/passwd>; rel=next",
        "<http://u:p@{own_host}/v2/x>; rel=next",
    ],
)
def test_a_page_elsewhere_or_the_same_again_is_refused(fake: FakeRegistry, link: str) -> None:
    fake.require_bearer(ann=CANARY)
    fake.store.repositories[REPOSITORY].tags = {"v1": "x"}
    with FakeRegistry() as other, reach(fake.host, given=somebody()) as client:
        names = {"own": fake.url, "own_host": fake.host}
        link = link.format(other=other.url, other_host=other.host, **names)
        fake.on("GET", LIST, with_headers(Link=link))
        fault_of(Misbehaved, client.tags, REPOSITORY)
        assert not other.requests
    assert fake.count("GET", LIST) == 2


def test_pages_without_end_are_given_up(client: Registry, fake: FakeRegistry) -> None:
    def next_one(request: Request, _go: object) -> Reply:
        number = int(request.query.get("last", 0)) + 1
        link = f'</v2/{REPOSITORY}/tags/list?last={number}>; rel="next"'
        return json_reply({"tags": ["again"]}, Link=link)

    fake.on("GET", LIST, next_one)
    assert str(MAX_PAGES) in fault_of(Misbehaved, client.tags, REPOSITORY).fact
    assert len(fake.requests) == MAX_PAGES


def test_pages_that_grow_beyond_memory_are_given_up(client: Registry, fake: FakeRegistry) -> None:
    def large_one(request: Request, _go: object) -> Reply:
        number = int(request.query.get("last", 0)) + 1
        link = f'</v2/{REPOSITORY}/tags/list?last={number}>; rel="next"'
        return json_reply({"tags": ["a" * (MAX_MANIFEST - 100)]}, Link=link)

    fake.on("GET", LIST, large_one)
    assert "larger than" in fault_of(Misbehaved, client.tags, REPOSITORY).fact
    assert len(fake.requests) == MAX_TAG_LIST // MAX_MANIFEST + 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"<html>",
        b'{"tags":7}',
        b'{"tags":"v1"}',
        b'{"tags":{"v1":1}}',
        b'{"tags":["v1",7]}',
        b'{"tags":["v1"],"tags":["v2"]}',
        b'{"tags":["\\ud800"]}',
        b'{"tags":' + b"[" * 10_000,
        b" " * (MAX_MANIFEST + 1),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_list_that_is_none_is_refused(client: Registry, fake: FakeRegistry, body: bytes) -> None:
    fake.on("GET", LIST, answer(200, body=body))
    fault_of(Misbehaved, client.tags, REPOSITORY)


@pytest.mark.parametrize("link", ["", "<", ";", "<>", "<>; rel=next", "<x", 'a; rel="next', ",,"])
def test_a_link_that_is_none_breaks_nothing(
    client: Registry, fake: FakeRegistry, link: str
) -> None:
    fake.on("GET", LIST, lambda _request, _go: json_reply({"tags": ["v1"]}, Link=link), nth=1)
    fake.on("GET", LIST, lambda _request, _go: json_reply({"tags": []}))
    with contextlib.suppress(RegistryFault):
        assert client.tags(REPOSITORY) == ["v1"]


def test_a_page_cut_in_the_middle_may_be_better_next_time(
    client: Registry, fake: FakeRegistry
) -> None:
    fake.store.repositories[REPOSITORY].tags = {"v1": "x"}
    fake.on("GET", LIST, cut(5))
    fault_of(Unreachable, client.tags, REPOSITORY)
