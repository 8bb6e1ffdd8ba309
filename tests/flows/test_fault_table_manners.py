"""A registry's manners, row by row: being busy, HEAD and headers, tags, and clocks that are wrong.

Each docstring begins with the row's own words; a real registry stands behind the fault proxy. Rows
kept elsewhere:

    429/503, the shared gate      registry/test_gate
    429/503, how long             registry/test_wire.test_retry_after_is_a_number_a_date_or_nothing,
                                  transfer/test_retry
    clock skew, a certificate     registry/test_tls_failures
                                  .test_one_that_is_not_yet_valid_hints_at_the_clock
    clock skew, a token's life    registry/test_auth.test_a_token_is_renewed_before_it_ends
    visibility, killed            test_kill
                                  .test_a_push_that_is_killed_shows_no_half_image_and_goes_on
    digest header, reading        test_fault_table_reads
"""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path

import pytest

from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.auth import Bearer
from tests.fakes.message import Reply, Request, json_reply
from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import answer, strip_header
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import complete
from tests.flows.faulty import BLOBS, IMAGES, PAIR, PUSHED, bundle_of, create, push, visible
from tests.flows.faulty import at_once as at_once
from tests.flows.faulty import bundle as bundle
from tests.flows.faulty import front as front

SECRET = "a password of hers"
LOGIN = ("--username", "ann", "--password-stdin")


# --- busy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("pause", ["0", "Thu, 01 Jan 1970 00:00:00 GMT"], ids=["seconds", "date"])
def test_a_busy_source_is_asked_again_when_it_says(
    front: FaultProxy, bundle: Path, tmp_path: Path, status: int, pause: str
) -> None:
    """429/503: honour Retry-After (seconds or HTTP-date)."""
    front.on("GET", "", answer(status, Retry_After=pause), nth={2, 5, 6, 9})
    ran = create(front, tmp_path / "x.tar", "-j", 1)
    assert ran.code == 0, ran.err
    assert front.faults[f"answered {status}"] == 4
    assert set(re.findall(r"next in ([\d.]+) s", ran.err)) == {"0.0"}
    assert (tmp_path / "x.tar").read_bytes() == bundle.read_bytes()


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_destination_is_asked_again_when_it_says(
    registry: Registry, proxy: FaultProxy, bundle: Path, status: int
) -> None:
    """429/503 on every method of a push: honour Retry-After."""
    proxy.on("*", "", answer(status, Retry_After="0"), nth={2, 3, 9, 14, 20, 27, 35, 44, 54})
    ran = push(bundle, proxy, "-j", 1)
    assert ran.code == 0, ran.err
    refused = [record for record in proxy.records if record.status == status]
    assert len(refused) > 5
    assert {record.method for record in refused} >= {"HEAD", "POST", "PUT"}
    assert visible(registry.url) == PUSHED


@pytest.mark.parametrize("status", [429, 503])
def test_a_registry_that_stays_busy_is_given_up_and_named(
    registry: Registry, proxy: FaultProxy, bundle: Path, status: int
) -> None:
    """429/503: to an end."""
    proxy.on("HEAD", "/manifests/", answer(status, Retry_After="0"))
    ran = push(bundle, proxy, "-j", 1, "--retries", 2)
    assert ran.code == 4
    assert f"{proxy.host} answered {status}" in ran.err
    assert proxy.count("HEAD", "/manifests/") == 3


def test_without_a_word_the_pauses_are_our_own_and_not_the_same(
    registry: Registry, proxy: FaultProxy, bundle: Path, at_once: None
) -> None:
    """429/503: else exponential + full jitter. Their length: transfer/test_retry."""
    proxy.on("POST", "/uploads/", answer(503), nth={1, 2, 3})
    ran = push(bundle, proxy, "-j", 1)
    assert ran.code == 0, ran.err
    assert [f"attempt {n} failed" in ran.err for n in (1, 2, 3)] == [True] * 3
    assert visible(registry.url) == PUSHED


# --- HEAD ---------------------------------------------------------------------------------------


def test_a_destination_that_knows_no_head_is_asked_by_get(
    registry: Registry, proxy: FaultProxy, bundle: Path
) -> None:
    """HEAD 404 but GET 200: fall back to GET."""
    proxy.on("HEAD", "", answer(404))
    ran = push(bundle, proxy)
    assert ran.code == 0, ran.err
    assert visible(registry.url) == PUSHED
    again = push(bundle, proxy)
    assert again.code == 0, again.err
    assert proxy.count("PUT", "/manifests/v1") == len(IMAGES)


def test_a_tag_that_only_get_shows_is_not_replaced(
    registry: Registry, proxy: FaultProxy, bundle: Path, tmp_path: Path
) -> None:
    """HEAD 404 but GET 200: a HEAD that wrongly says no is no leave to overwrite."""
    theirs = build(ImageSpec("somebody else's"))
    other = bundle_of({"pair:v1": theirs}, tmp_path / "other.tar")
    assert push(other, proxy).code == 0
    proxy.on("HEAD", "/manifests/", answer(404))
    ran = push(bundle, proxy)
    assert ran.code == 6
    assert theirs.manifest.digest in ran.err
    assert PAIR.manifest.digest in ran.err
    assert visible(registry.url)["air/gap/pair:v1"] == theirs.manifest.digest


def test_a_head_without_length_is_followed_by_a_get(
    registry: Registry, proxy: FaultProxy, bundle: Path
) -> None:
    """HEAD without length: fall back to GET."""
    proxy.on("HEAD", "", strip_header("Content-Length"))
    ran = push(bundle, proxy)
    assert ran.code == 0, ran.err
    looked = {record.path.rpartition("/")[2] for record in proxy.found("GET", "/blobs/sha256")}
    assert looked == BLOBS
    assert visible(registry.url) == PUSHED


def test_a_destination_without_digest_headers_is_hashed(
    registry: Registry, proxy: FaultProxy, bundle: Path
) -> None:
    """Proxy strips ``Docker-Content-Digest``: header optional, compute."""
    proxy.on("*", "", strip_header("Docker-Content-Digest"))
    assert push(bundle, proxy).code == 0
    sent = proxy.uploaded
    again = push(bundle, proxy)
    assert again.code == 0, again.err
    assert proxy.uploaded == sent
    assert visible(registry.url) == PUSHED


# --- visibility ---------------------------------------------------------------------------------


def test_blobs_then_children_by_digest_then_the_tag(
    registry: Registry, proxy: FaultProxy, bundle: Path
) -> None:
    """Visibility rule: blobs, child manifests by digest, index, tag last, per image."""
    assert push(bundle, proxy).code == 0
    puts = [record.path for record in proxy.found("PUT", "/air/gap/pair/")]
    kinds = ["blob" if "digest=" in p else "child" if "sha256" in p else "tag" for p in puts]
    assert [kind for kind, _ in itertools.groupby(kinds)] == ["blob", "child", "tag"]
    assert {p.rpartition("/")[2] for p, k in zip(puts, kinds, strict=True) if k == "child"} == {
        child.manifest.digest for child in PAIR.children
    }


@pytest.mark.parametrize("pattern", ["manifests/sha256", "manifests/v1", "digest="])
def test_a_failed_push_leaves_only_what_has_no_tag(
    registry: Registry, proxy: FaultProxy, bundle: Path, pattern: str
) -> None:
    """Visibility rule: a failed push leaves only untagged content; a re-run goes on."""
    proxy.on("PUT", f"/pair/.*{pattern}", answer(403, "DENIED"))
    assert push(bundle, proxy, "-j", 1).code == 5
    assert "air/gap/pair:v1" not in visible(registry.url)
    proxy.rules.clear()
    assert push(bundle, proxy).code == 0
    assert visible(registry.url) == PUSHED


# --- clocks -------------------------------------------------------------------------------------


class Skewed(Bearer):
    """A token service whose clock is years behind ours: its times are absolute, its life is not."""

    def stop(self, request: Request) -> Reply | None:
        reply = super().stop(request)
        if request.path != "/token" or reply is None or reply.status != 200:
            return reply
        token = re.search(rb'"token": "([^"]+)"', reply.body)
        assert token
        issued = {"issued_at": "2001-01-01T00:00:00Z", "exp": 978307500, "nbf": 978307200}
        return json_reply({"token": token[1].decode(), "expires_in": 300} | issued)


def test_a_token_counts_by_its_life_and_not_by_its_dates(fake: FakeRegistry, bundle: Path) -> None:
    """Clock skew: tokens by ``expires_in`` not ``exp``."""
    fake.gate = Skewed(f"{fake.url}/token", users={"ann": SECRET})
    ran = push(bundle, fake, *LOGIN, stdin=SECRET + "\n")
    assert ran.code == 0, ran.err
    asked = [seen.path for seen in fake.requests if seen.path.startswith("/token")]
    assert len(asked) == len(set(asked))
    assert complete(fake) == {*PUSHED}


def test_a_date_to_come_back_at_counts_from_the_registrys_own(
    front: FaultProxy, bundle: Path, tmp_path: Path
) -> None:
    """Clock skew: measure via ``Date``. By our clock this would be a wait of years."""
    when = "Thu, 01 Jan 2099 00:00:00 GMT"
    front.on("GET", "/manifests/", answer(503, Retry_After=when, Date=when), nth=1)
    ran = create(front, tmp_path / "x.tar")
    assert ran.code == 0, ran.err
    assert re.findall(r"next in ([\d.]+) s", ran.err) == ["0.0"]
    assert (tmp_path / "x.tar").read_bytes() == bundle.read_bytes()


@pytest.mark.parametrize("years", [-30, 30])
def test_a_clock_that_is_set_in_the_middle_disturbs_nothing(
    fake: FakeRegistry, bundle: Path, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    """Clock skew: use monotonic for timeouts."""
    true, calls = time.time, itertools.count()
    fake.require_bearer(ann=SECRET)
    monkeypatch.setattr(time, "time", lambda: true() + next(calls) % 2 * years * 31_556_952)
    ran = push(bundle, fake, *LOGIN, "--timeout", 5, "--retries", 0, stdin=SECRET + "\n")
    assert ran.code == 0, ran.err
    asked = [seen.path for seen in fake.requests if seen.path.startswith("/token")]
    assert len(asked) == len(set(asked))
