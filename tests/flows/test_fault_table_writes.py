"""Faults of a destination, row by row: what a push does about each, in front of a real registry.

Each docstring begins with the row's own words. Distribution 2.8.2, which the real registry here is,
forgets an upload that was cut; version 3 goes on with it, and the registry in memory does as it.
Rows of writing that are kept elsewhere:

    drop mid-PATCH, kill -9    test_kill.test_a_push_that_is_killed_shows_no_half_image_and_goes_on
    restart, other replica     test_uploads_survive; test_real_faults
                               .test_a_registry_that_dies_in_the_middle_of_a_push_is_survived
    500, disk full             test_real_faults.test_a_full_disk_is_named_shows_nothing_and_is_...
    401, tokens of 5 seconds   test_real_tokens; test_harbor
                               .test_tokens_that_end_in_the_middle_are_renewed
    403, quota and read-only   test_harbor.test_a_full_quota_ends_the_push_at_the_put_and_...,
                               test_read_only_is_told_in_harbors_words_and_not_tried_again
    307, to other hosts        test_abuse_credentials
    duplicate, in one run      test_push.test_what_images_share_is_sent_once
"""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.behaviours import Go
from tests.fakes.message import Reply, Request
from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import (
    Hold,
    answer,
    cut_request,
    drop_response,
    redirect,
    replace_header,
)
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import complete, finished, run, start
from tests.flows.faulty import (
    BLOBS,
    LARGE,
    PUSHED,
    bundle_of,
    claims_to_hold,
    push,
    refuse_larger,
    relative_location,
    spoil_request,
    unmounted,
    visible,
)
from tests.flows.faulty import at_once as at_once
from tests.flows.faulty import bundle as bundle

SESSIONS = "/blobs/uploads/"
# Four chunks of the large blob, as its refusal as a whole makes them.
LIMIT = LARGE.size // 3


def chunks(proxy: FaultProxy) -> list[str]:
    """The Content-Range of each PATCH."""
    return [record.headers["content-range"] for record in proxy.found("PATCH", SESSIONS)]


def opened(proxy: FaultProxy) -> int:
    return proxy.count("POST", SESSIONS)


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
    assert opened(proxy) == len(BLOBS) + 1
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
    registry: Registry, proxy: FaultProxy, bundle: Path, at_once: None, fault: object
) -> None:
    """Drop mid-PATCH, of the PUT of a whole blob: looked for first, and sent only if absent."""
    proxy.on("PUT", f"digest={LARGE.digest}", fault, nth=1)  # type: ignore[arg-type]
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


# --- server errors ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 504])
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_a_server_error_that_passes_costs_a_new_session(
    registry: Registry, proxy: FaultProxy, bundle: Path, at_once: None, method: str, status: int
) -> None:
    """500/502/504 on PUT/PATCH/POST: retry with new session."""
    proxy.on(method, SESSIONS, answer(status), nth=2)
    proxy.on("PUT", SESSIONS, refuse_larger(LIMIT))
    ran = push(bundle, proxy, "-j", 1)
    assert ran.code == 0, ran.err
    assert proxy.faults[f"answered {status}"] == 1
    assert visible(registry.url) == PUSHED


def test_server_errors_that_stay_are_tried_five_times_more(
    registry: Registry, proxy: FaultProxy, bundle: Path, at_once: None
) -> None:
    """500/502/504 on PUT/PATCH/POST: retry <= 5."""
    proxy.on("POST", SESSIONS, answer(502))
    ran = push(bundle, proxy, "-j", 1)
    assert ran.code == 4
    assert f"{proxy.host} answered 502" in ran.err
    assert opened(proxy) == 6
    assert visible(registry.url) == {}


def test_two_identical_errors_after_a_full_upload_stop_with_disk_and_quota(
    registry: Registry, proxy: FaultProxy, bundle: Path, at_once: None
) -> None:
    """500/502/504: if two identical 5xx after full upload -> stop with hint disk/quota."""
    proxy.on("PUT", "digest=", answer(500))
    ran = push(bundle, proxy, "-j", 1)
    assert ran.code == 4
    assert "disk" in ran.err
    assert "quota" in ran.err
    assert proxy.count("PUT", "digest=") == 2
    assert visible(registry.url) == {}


# --- what is missing ----------------------------------------------------------------------------


def test_a_blob_that_is_missing_after_all_is_brought_once(
    registry: Registry, proxy: FaultProxy, bundle: Path
) -> None:
    """400 MANIFEST_BLOB_UNKNOWN: re-HEAD children, upload what is missing, once."""
    proxy.on("HEAD", f"/blobs/{LARGE.digest}", claims_to_hold(LARGE.size), nth=1)
    ran = push(bundle, proxy)
    assert ran.code == 0, ran.err
    puts = [record.status for record in proxy.found("PUT", "/app/manifests/")]
    assert puts == [400, 201]
    assert proxy.count("PUT", f"digest={LARGE.digest}") == 1
    assert visible(registry.url) == PUSHED


def test_a_blob_that_stays_missing_is_not_brought_for_ever(
    registry: Registry, proxy: FaultProxy, bundle: Path
) -> None:
    """400 MANIFEST_BLOB_UNKNOWN: once."""
    proxy.on("HEAD", f"/blobs/{LARGE.digest}", claims_to_hold(LARGE.size))
    ran = push(bundle, proxy)
    assert ran.code == 4
    assert "MANIFEST_BLOB_UNKNOWN" in ran.err
    assert proxy.count("PUT", "/app/manifests/") == 2
    assert "air/gap/app:v1" not in visible(registry.url)


# --- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["", "700000"], ids=["any chunk", "OCI-Chunk-Min-Length"])
def test_a_reverse_proxy_that_takes_no_large_body_gets_chunks(
    registry: Registry, proxy: FaultProxy, bundle: Path, unit: str
) -> None:
    """413 from reverse proxy: chunked PATCH <= min(limit, OCI-Chunk-Min-Length up)."""
    limit = int(unit or LIMIT)
    if unit:
        proxy.on("POST", SESSIONS, replace_header("OCI-Chunk-Min-Length", unit))
    proxy.on("*", SESSIONS, refuse_larger(limit))
    ran = push(bundle, proxy)
    assert ran.code == 0, ran.err
    sizes = [int(record.headers["content-length"]) for record in proxy.found("PATCH", SESSIONS)]
    assert sum(sizes) == LARGE.size
    assert all(size <= limit for size in sizes)
    assert all(size >= int(unit or 0) for size in sizes[:-1])
    assert visible(registry.url) == PUSHED


def test_a_reverse_proxy_that_takes_hardly_anything_is_explained(
    registry: Registry, proxy: FaultProxy, bundle: Path
) -> None:
    """413 from reverse proxy: explain."""
    proxy.on("*", SESSIONS, refuse_larger(1000))
    ran = push(bundle, proxy)
    assert ran.code == 4
    assert "answered 413" in ran.err
    assert "client_max_body_size" in ran.err
    assert visible(registry.url) == {}


# --- places -------------------------------------------------------------------------------------


def test_relative_locations_with_their_query_are_kept(
    registry: Registry, proxy: FaultProxy, bundle: Path
) -> None:
    """307 on upload, absolute/relative Location, query kept: the relative half."""
    proxy.on("*", SESSIONS, relative_location())
    proxy.on("PUT", SESSIONS, refuse_larger(LIMIT))
    assert push(bundle, proxy).code == 0
    assert proxy.faults["relative Location"] == len(BLOBS) + 1 + proxy.count("PATCH", SESSIONS)
    assert all("_state=" in record.path for record in proxy.found("PATCH", SESSIONS))
    assert visible(registry.url) == PUSHED


@pytest.mark.parametrize(("method", "pattern"), [("POST", ""), ("PUT", "digest="), ("PATCH", "")])
def test_a_redirect_of_an_upload_is_not_followed_even_to_the_registry_itself(
    registry: Registry, proxy: FaultProxy, bundle: Path, method: str, pattern: str
) -> None:
    """307 on upload: C1, only GET and HEAD of blobs and manifests follow redirects."""
    proxy.on(method, f"{SESSIONS}.*{pattern}", redirect(proxy.url + "{path}"))
    proxy.on("PUT", SESSIONS, refuse_larger(LIMIT))
    ran = push(bundle, proxy)
    assert ran.code == 4
    assert "307" in ran.err
    assert {*visible(registry.url)} <= {"air/gap/pair:v1"}


# --- several ------------------------------------------------------------------------------------


@pytest.mark.parametrize("takes", [True, False], ids=["201", "202"])
def test_a_mount_may_be_answered_either_way(
    registry: Registry, proxy: FaultProxy, tmp_path: Path, *, takes: bool
) -> None:
    """POST answers 201 (mounted) / 202 to mount: both legal; handle."""
    shared = (("base", 50_000),)
    images = {f"{name}:v1": build(ImageSpec(name, bases=shared)) for name in ("one", "two")}
    both = bundle_of(images, tmp_path / "x.tar")
    if not takes:
        proxy.on("POST", "mount=", unmounted())
    ran = push(both, proxy, "--format", "json")
    assert ran.code == 0, ran.err
    base = images["one:v1"].blobs[1]
    assert [r.status for r in proxy.found("POST", "mount=")] == [201 if takes else 202]
    assert ran.json["bytes"]["mounted"] == (base.size if takes else 0)
    assert proxy.count("PUT", f"digest={base.digest}") == (1 if takes else 2)
    # The session that a 202 opens is the one that is used.
    assert opened(proxy) == proxy.count("PUT", "digest=") + takes
    assert {*visible(registry.url)} == {"air/gap/one:v1", "air/gap/two:v1"}


def test_two_pushes_of_one_blob_at_once_both_succeed(
    registry: Registry, proxy: FaultProxy, bundle: Path
) -> None:
    """Duplicate concurrent upload of one blob: all 201."""
    hold = Hold()
    proxy.on("PUT", f"digest={LARGE.digest}", hold, nth=1)
    first = start("bundle", "push", bundle, f"{proxy.host}/air/gap", "--plain-http")
    try:
        hold.reached()
        assert push(bundle, proxy).code == 0
    finally:
        hold.let_go()
    ended = finished(first)
    assert ended.code == 0, ended.err
    assert [r.status for r in proxy.found("PUT", f"digest={LARGE.digest}")] == [201, 201]
    assert visible(registry.url) == PUSHED


def test_a_push_that_was_done_uploads_nothing(
    registry: Registry, proxy: FaultProxy, bundle: Path
) -> None:
    """Visibility rule: re-run = HEAD everything, zero uploads when done."""
    assert push(bundle, proxy).code == 0
    sent, asked = proxy.uploaded, len(proxy.records)
    again = run("bundle", "push", bundle, f"{proxy.host}/air/gap", "--plain-http")
    assert again.code == 0
    assert proxy.uploaded == sent
    assert {record.method for record in proxy.records[asked:]} == {"HEAD"}
