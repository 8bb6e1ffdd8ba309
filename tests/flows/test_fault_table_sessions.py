"""Uploads that are cut, row by row: what a registry remembers of them, and what it forgets.

Each docstring begins with the row's own words. Distribution 2.8.2, which the real registry here is,
forgets an upload that was cut; version 3 goes on with it, and the registry in memory does as it.
Rows kept elsewhere:

    drop mid-PATCH, kill -9    test_kill.test_a_push_that_is_killed_shows_no_half_image_and_goes_on
    restart, other replica     test_uploads_survive; test_real_faults
                               .test_a_registry_that_dies_in_the_middle_of_a_push_is_survived
    401, tokens of 5 seconds   test_real_tokens; test_harbor
                               .test_tokens_that_end_in_the_middle_are_renewed
    all other writing          test_fault_table_writes
"""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.world.registry import Registry
from tests.fakes.behaviours import Go
from tests.fakes.message import Reply, Request
from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import Action, cut_request, drop_response, replace_header
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import complete
from tests.flows.faulty import (
    ASKED,
    BLOBS,
    LARGE,
    LIMIT,
    PUSHED,
    SESSIONS,
    chunks,
    push,
    refuse_larger,
    sessions_begun,
    spoil_request,
    visible,
)
from tests.flows.faulty import at_once as at_once
from tests.flows.faulty import bundle as bundle

# --- uploads that are cut -----------------------------------------------------------------------


@pytest.mark.parametrize("nth", [1, 3])
def test_a_drop_mid_patch_that_the_registry_forgets_begins_anew(
    registry: Registry, proxy: FaultProxy, bundle: Path, at_once: None, nth: int
) -> None:
    """Drop mid-PATCH, 2.8.2: ask the last Location; 404 -> new session from 0."""
    proxy.on("PUT", SESSIONS, refuse_larger(LIMIT))
    proxy.on("PATCH", SESSIONS, cut_request(after=100_000), nth=nth)
    ran = push(bundle, proxy, "-j", 1)
    assert ran.code == 0, ran.err
    assert [record.status for record in proxy.found("GET", SESSIONS)] == [404]
    assert chunks(proxy).count(chunks(proxy)[0]) == 2
    assert visible(registry.url) == PUSHED


def test_a_drop_mid_patch_that_the_registry_remembers_goes_on(
    fake: FakeRegistry, bundle: Path, at_once: None
) -> None:
    """Drop mid-PATCH, version 3: 204 -> go on behind its Range, at the Location it returns."""
    with FaultProxy(fake.url) as proxy:
        proxy.on("PUT", SESSIONS, refuse_larger(LIMIT))
        proxy.on("PATCH", SESSIONS, cut_request(after=100_000), nth=3)
        ran = push(bundle, proxy, "-j", 1)
    assert ran.code == 0, ran.err
    assert [record.status for record in proxy.found("GET", SESSIONS)] == [204]
    starts = [int(text.partition("-")[0]) for text in chunks(proxy)]
    assert starts[3] == starts[2] + 100_000
    assert sessions_begun(proxy) == len(BLOBS) + 1 + ASKED
    assert complete(fake) == {*PUSHED}


def test_a_lost_response_is_not_guessed_about_where_the_registry_forgets(
    registry: Registry, proxy: FaultProxy, bundle: Path, at_once: None
) -> None:
    """Lost response to a PATCH that succeeded, 2.8.2: stale ``_state``, 404 -> new session."""
    proxy.on("PUT", SESSIONS, refuse_larger(LIMIT))
    proxy.on("PATCH", SESSIONS, drop_response(), nth=2)
    ran = push(bundle, proxy, "-j", 1)
    assert ran.code == 0, ran.err
    assert proxy.faults["response dropped"] == 1
    assert proxy.count("GET", SESSIONS) == 1
    assert visible(registry.url) == PUSHED


def test_a_lost_response_is_asked_for_where_the_registry_remembers(
    fake: FakeRegistry, bundle: Path, at_once: None
) -> None:
    """Lost response to a PATCH that succeeded, version 3: status GET works; never guess."""
    with FaultProxy(fake.url) as proxy:
        proxy.on("PUT", SESSIONS, refuse_larger(LIMIT))
        proxy.on("PATCH", SESSIONS, drop_response(), nth=2)
        ran = push(bundle, proxy, "-j", 1)
    assert ran.code == 0, ran.err
    assert len(set(chunks(proxy))) == len(chunks(proxy))
    assert complete(fake) == {*PUSHED}


@pytest.mark.parametrize("fault", [cut_request(after=700_000), drop_response()])
def test_a_put_whose_answer_never_came_leaves_the_blob_once(
    registry: Registry, proxy: FaultProxy, bundle: Path, at_once: None, fault: Action
) -> None:
    """Drop mid-PATCH, of the PUT of a whole blob: looked for first, and sent only if absent."""
    proxy.on("PUT", f"digest={LARGE.digest}", fault, nth=1)
    ran = push(bundle, proxy)
    assert ran.code == 0, ran.err
    done = [r.upstream for r in proxy.found("PUT", f"digest={LARGE.digest}")]
    assert done.count(201) == 1
    assert visible(registry.url) == PUSHED


def test_chunks_go_strictly_in_order(registry: Registry, proxy: FaultProxy, bundle: Path) -> None:
    """Out-of-order chunk: 2.8.2 accepts (202) and corrupts, so send strictly in order."""
    proxy.on("PUT", SESSIONS, refuse_larger(LIMIT))
    assert push(bundle, proxy, "-j", 4).code == 0
    spans = [tuple(map(int, text.split("-"))) for text in chunks(proxy)]
    assert [first for first, _last in spans] == [0, *(last + 1 for _first, last in spans[:-1])]
    assert spans[-1][1] == LARGE.size - 1
    assert visible(registry.url) == PUSHED


@pytest.mark.parametrize("limit", [10**9, LIMIT], ids=["whole", "in chunks"])
def test_bytes_that_change_on_their_way_are_caught_by_the_digest_and_sent_anew(
    registry: Registry, proxy: FaultProxy, bundle: Path, at_once: None, limit: int
) -> None:
    """Out-of-order chunk: final digest catches (400 DIGEST_INVALID) -> new session."""
    proxy.on("PUT", SESSIONS, refuse_larger(limit))
    method, pattern = ("PUT", LARGE.digest) if limit > LARGE.size else ("PATCH", SESSIONS)
    proxy.on(method, pattern, spoil_request(1000), nth=1)
    ran = push(bundle, proxy, "-j", 1)
    assert ran.code == 0, ran.err
    assert proxy.faults["request spoilt"] == 1
    puts = [record.status for record in proxy.found("PUT", LARGE.digest)]
    assert [status for status in puts if status != 413] == [400, 201]
    assert visible(registry.url) == PUSHED


@pytest.mark.parametrize("said", ["0-0", "0-99999", "bytes=0-1502882", "junk"])
def test_nothing_is_inferred_from_the_range_after_post(
    registry: Registry, proxy: FaultProxy, bundle: Path, said: str
) -> None:
    """``Range: 0-0`` after POST: means 0 or 1 bytes; only trust after own PATCH count."""
    proxy.on("POST", SESSIONS, replace_header("Range", said))
    assert push(bundle, proxy).code == 0
    assert visible(registry.url) == PUSHED


@pytest.mark.parametrize("said", ["0-0", "0-9999999", "bytes 0-5/9", ""])
def test_a_status_that_cannot_be_is_not_gone_on_from(
    fake: FakeRegistry, bundle: Path, at_once: None, said: str
) -> None:
    """``Range: 0-0``: 0 or 1 bytes, and more than was sent is no answer: new session from 0."""
    with FaultProxy(fake.url) as proxy:
        proxy.on("PUT", SESSIONS, refuse_larger(LIMIT))
        proxy.on("PATCH", SESSIONS, cut_request(after=100_000), nth=3)
        proxy.on("GET", SESSIONS, replace_header("Range", said))
        ran = push(bundle, proxy, "-j", 1)
    assert ran.code == 0, ran.err
    assert proxy.count("GET", SESSIONS) == 1
    assert chunks(proxy).count(chunks(proxy)[0]) == 2
    assert sessions_begun(proxy) == len(BLOBS) + 2 + ASKED
    assert complete(fake) == {*PUSHED}


# --- credentials --------------------------------------------------------------------------------


def test_a_token_that_ends_in_the_middle_is_renewed_and_the_chunk_sent_again(
    fake: FakeRegistry, bundle: Path, at_once: None
) -> None:
    """401 in the middle (token expired): refresh token, re-check status, resend chunk."""
    bearer = fake.require_bearer(ann="a password of hers")

    def ended(_request: Request, go: Go) -> Reply:
        bearer.expire()
        return go()

    fake.on("PATCH", SESSIONS, ended, nth=3)
    with FaultProxy(fake.url) as proxy:
        bearer.realm = f"{proxy.url}/token"
        proxy.on("PUT", SESSIONS, refuse_larger(LIMIT))
        login = ("--username", "ann", "--password-stdin")
        ran = push(bundle, proxy, "-j", 1, *login, stdin="a password of hers\n")
    assert ran.code == 0, ran.err
    assert [r.status for r in proxy.found("PATCH", SESSIONS)].count(401) == 1
    assert [r.status for r in proxy.found("GET", SESSIONS)] == [204]
    assert len(set(chunks(proxy))) == len(chunks(proxy)) - 1
    assert complete(fake) == {*PUSHED}
