"""Faults of a source, row by row: what a create does about each of them, through the fault proxy.

Each docstring begins with the row's own words. Rows of reading that are kept elsewhere:

    drop mid-GET, SIGKILL    test_kill.test_a_create_that_is_killed_goes_on_to_the_same_bytes
    slow-loris               registry/test_pace has its rules
    tags/list never ends     registry/test_tags.test_pages_without_end_are_given_up, and
                             test_a_page_elsewhere_or_the_same_again_is_refused: no command lists
                             tags, so there is no flow of it
    429 and 503              test_fault_table_manners
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import (
    Action,
    cut_response,
    drip,
    endless,
    flip,
    gzipped,
    replace_header,
    reset,
    strip_header,
    wrong_length,
)
from tests.flows.cli import Ran, run
from tests.flows.faulty import (
    IMAGES,
    LARGE,
    NAMED,
    SMALL,
    create,
    end_without_last_chunk,
    without_request_header,
)
from tests.flows.faulty import at_once as at_once
from tests.flows.faulty import bundle as bundle
from tests.flows.faulty import front as front

BLOB = f"/tkg/app/blobs/{LARGE.digest}"
# What lies between a proxy and a client on one machine: buffers of both sides of a socket.
UNDER_WAY = 16 << 20


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "x.tar"


def ranges(front: FaultProxy) -> list[str]:
    """The Range of each request for the large blob, empty where there was none."""
    return [record.headers.get("range", "") for record in front.found("GET", BLOB)]


def refused(ran: Ran, code: int, output: Path, *words: str) -> None:
    """This exit code, all of the words, and no bundle."""
    assert ran.code == code, ran.err
    for word in words:
        assert word in ran.err
    assert not output.exists()


# --- drop mid-GET -------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [cut_response, reset])
def test_a_drop_mid_get_goes_on_where_it_was_cut_several_times(
    front: FaultProxy, bundle: Path, output: Path, cut: Any, at_once: None
) -> None:
    """Drop mid-GET, several times: resume with ``Range: bytes=N-``; the final sha256 decides."""
    front.on("GET", BLOB, cut(after=400_000), nth={1, 2, 3})
    ran = create(front, output)
    assert ran.code == 0, ran.err
    assert output.read_bytes() == bundle.read_bytes()
    first, *rest = ranges(front)
    assert first == ""
    starts = [int(text.removeprefix("bytes=").partition("-")[0]) for text in rest]
    assert starts == sorted(starts)
    assert [r.status for r in front.found("GET", BLOB)] == [200, 206, 206, 206]


def test_a_server_that_ignores_ranges_is_read_from_0_again(
    front: FaultProxy, bundle: Path, output: Path, at_once: None
) -> None:
    """Server ignores Range (200): truncate and take from 0."""
    front.on("GET", BLOB, cut_response(after=400_000), nth={1, 2})
    front.on("GET", BLOB, without_request_header("Range"))
    ran = create(front, output, "--retries", 2)
    assert ran.code == 0, ran.err
    assert {record.status for record in front.found("GET", BLOB)} == {200}
    assert output.read_bytes() == bundle.read_bytes()


@pytest.mark.parametrize(
    "stated", ["bytes 0-9/1502720", "bytes 7-1502719/1502720", "bytes */1", "octets", ""]
)
def test_a_206_of_another_range_is_not_believed(
    front: FaultProxy, bundle: Path, output: Path, stated: str
) -> None:
    """Drop mid-GET: check start and total of the 206, else restart."""
    front.on("GET", BLOB, cut_response(after=400_000), nth=1)
    front.on("GET", BLOB, replace_header("Content-Range", stated), nth=2)
    ran = create(front, output)
    assert ran.code == 0, ran.err
    assert [record.status for record in front.found("GET", BLOB)] == [200, 206, 200]
    assert output.read_bytes() == bundle.read_bytes()


def test_a_partial_that_is_complete_is_not_asked_for_again(
    front: FaultProxy, bundle: Path, output: Path
) -> None:
    """Partial already complete (N == size): do not ask; just verify.

    2.8.2 answers a range at the end with a broken body. Here the connection ends without the
    last chunk when every byte is there.
    """
    front.on("GET", BLOB, end_without_last_chunk(), nth=1)
    ran = create(front, output)
    assert ran.code == 0, ran.err
    assert front.faults["all but the last chunk"] == 1
    assert ranges(front) == [""]
    assert output.read_bytes() == bundle.read_bytes()


# --- wrong bytes --------------------------------------------------------------------------------


def test_wrong_bytes_of_the_right_length_are_fetched_once_more_from_0(
    front: FaultProxy, bundle: Path, output: Path
) -> None:
    """Wrong bytes / right length: digest error, one re-fetch from 0."""
    front.on("GET", BLOB, flip(700_000), nth=1)
    ran = create(front, output, "--retries", 0)
    assert ran.code == 0, ran.err
    assert ranges(front) == ["", ""]
    assert output.read_bytes() == bundle.read_bytes()


def test_wrong_bytes_again_fail_naming_blob_and_host(front: FaultProxy, output: Path) -> None:
    """Wrong bytes / right length: then fail naming blob and host."""
    front.on("GET", BLOB, flip(700_000))
    refused(create(front, output, "--retries", 3), 6, output, LARGE.digest, front.host)
    assert ranges(front) == ["", ""]
    front.rules.clear()
    assert create(front, output).code == 0
    assert front.count("GET", BLOB) == 3


def test_wrong_bytes_behind_a_cut_are_fetched_again_from_0(
    front: FaultProxy, bundle: Path, output: Path
) -> None:
    """Drop mid-GET and wrong bytes: the first part was wrong, so the rest cannot mend it."""
    front.on("GET", BLOB, cut_response(after=400_000), nth=1)
    front.on("GET", BLOB, flip(5), nth=1)
    ran = create(front, output)
    assert ran.code == 0, ran.err
    assert [bool(text) for text in ranges(front)] == [False, True, False]
    assert output.read_bytes() == bundle.read_bytes()


# --- lengths ------------------------------------------------------------------------------------


@pytest.mark.parametrize("blob", [LARGE, SMALL], ids=["large", "small"])
@pytest.mark.parametrize(
    "lie",
    [endless(), wrong_length(10), wrong_length(-10)],
    ids=["endless body", "a length too long", "a length too short"],
)
def test_an_endless_body_or_a_lying_length_stops_at_the_promised_size(
    front: FaultProxy, output: Path, lie: Action, blob: Any
) -> None:
    """Endless body / lying length: stop at size+1."""
    front.on("GET", f"/blobs/{blob.digest}", lie)
    refused(create(front, output), 6, output, blob.digest, front.host)
    asked = front.found("GET", f"/blobs/{blob.digest}")
    assert len(asked) == 2
    assert all(record.received < blob.size + UNDER_WAY for record in asked)


def test_bytes_behind_a_true_length_are_nobodys(
    front: FaultProxy, bundle: Path, output: Path
) -> None:
    """Endless body / lying length: what follows a true length is not read as an answer."""
    front.on("GET", "/blobs/", endless(stated=True), nth={1, 3})
    ran = create(front, output)
    assert ran.code == 0, ran.err
    assert output.read_bytes() == bundle.read_bytes()


def test_a_blob_encoded_on_its_way_is_refused_unopened(front: FaultProxy, output: Path) -> None:
    """C1: refuse any Content-Encoding other than identity."""
    front.on("GET", BLOB, gzipped())
    refused(create(front, output), 4, output, LARGE.digest, "encoded")


# --- time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("blob", [LARGE, SMALL], ids=["large", "small"])
def test_a_slow_loris_is_given_up_and_named(front: FaultProxy, output: Path, blob: Any) -> None:
    """Slow-loris: watchdog. A byte every 10 ms never meets a timeout of each read."""
    front.on("GET", f"/blobs/{blob.digest}", drip(0.01))
    ran = create(front, output, "--timeout", 1, "--retries", 0)
    refused(ran, 4, output, blob.digest, front.host, "bytes in")


def test_a_name_that_resolves_only_the_second_time_is_asked_again(
    front: FaultProxy, bundle: Path, output: Path, monkeypatch: pytest.MonkeyPatch, at_once: None
) -> None:
    """DNS flap: retry resolve."""
    name, port = "flapping.example.com", int(front.host.rpartition(":")[2])
    known, asked = socket.getaddrinfo, list[str]()

    def flapping(host: Any, *more: Any, **named: Any) -> Any:
        if host != name:
            return known(host, *more, **named)
        asked.append(host)
        if len(asked) == 1:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return known("127.0.0.1", *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", flapping)
    names = output.with_suffix(".txt")
    names.write_text("".join(f"{NAMED}/{each}\n" for each in IMAGES))
    where = ("--source-repo", NAMED, "--rewrite", f"{NAMED}={name}:{port}/tkg", "--plain-http")
    ran = run("bundle", "create", "--images", names, *where, "-o", output, "-j", 1)
    assert ran.code == 0, ran.err
    assert len(asked) > 1
    assert output.read_bytes() == bundle.read_bytes()


# --- headers that are not there -----------------------------------------------------------------


def test_a_source_without_digest_headers_is_hashed(
    front: FaultProxy, bundle: Path, output: Path
) -> None:
    """Proxy strips ``Docker-Content-Digest``: header optional, compute."""
    front.on("*", "", strip_header("Docker-Content-Digest"))
    ran = create(front, output)
    assert ran.code == 0, ran.err
    assert output.read_bytes() == bundle.read_bytes()
    plan = run("bundle", "show", output, "--format", "json").json["images"]
    assert {each["digest"] for each in plan} == {i.manifest.digest for i in IMAGES.values()}


def test_a_digest_header_of_other_bytes_is_found_out(front: FaultProxy, output: Path) -> None:
    """C2: ``Docker-Content-Digest`` if present must match the bytes."""
    front.on("GET", "/manifests/v1", replace_header("Docker-Content-Digest", SMALL.digest))
    refused(create(front, output), 6, output, SMALL.digest, front.host)
