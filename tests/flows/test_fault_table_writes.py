"""Faults of a destination, row by row: what a push does about each, in front of a real registry.

Each docstring begins with the row's own words. Rows kept elsewhere:

    uploads that are cut       test_fault_table_sessions
    500, disk full             test_real_faults.test_a_full_disk_is_named_shows_nothing_and_is_...
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
from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import Hold, answer, redirect, replace_header
from tests.flows.cli import finished, run, start
from tests.flows.faulty import (
    ASKED,
    BLOBS,
    LARGE,
    LIMIT,
    PUSHED,
    SESSIONS,
    bundle_of,
    claims_to_hold,
    is_own,
    push,
    refuse_larger,
    relative_location,
    sessions_begun,
    unmounted,
    visible,
)
from tests.flows.faulty import at_once as at_once
from tests.flows.faulty import bundle as bundle

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
    assert sessions_begun(proxy) == 6
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
    between = [r for r in proxy.found("POST", "mount=") if not is_own(r.path)]
    assert [r.status for r in between] == [201 if takes else 202]
    assert ran.json["bytes"]["mounted"] == (base.size if takes else 0)
    assert proxy.count("PUT", f"digest={base.digest}") == (1 if takes else 2)
    # The session that a 202 opens is the one that is used.
    assert sessions_begun(proxy) == proxy.count("PUT", "digest=") + takes + ASKED
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
