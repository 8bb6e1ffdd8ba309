from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mirror.errors import (
    Full,
    Incomplete,
    Misbehaved,
    NotFound,
    Refused,
    RegistryFault,
    Side,
    Unreachable,
)
from mirror.registry.wire import fault_of, pause_of, retry_after
from mirror.settings import LONGEST_PAUSE, MAX_ERROR_SHOWN
from tests.mirror.oci.documents import steady

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LATER = {408, 425, 429, *range(500, 600)} - {501, 505}
REFUSED = {401, 403, 405, 412}


def fault(status: int, body: bytes = b"", pause: str = "") -> RegistryFault:
    return fault_of(Side.SOURCE, "h:5000", "cannot get it", status, {"retry-after": pause}, body)


def told(**error: object) -> str:
    return fault(403, json.dumps({"errors": [error]}).encode()).fact


@pytest.mark.parametrize("status", [*range(200, 600), 999])
def test_every_status_has_its_fault(status: int) -> None:
    expected: type[RegistryFault] = Misbehaved
    if status in LATER:
        expected = Unreachable
    elif status in REFUSED:
        expected = Refused
    elif status == 404:
        expected = NotFound
    found = fault(status)
    assert type(found) is expected
    assert found.temporary == (status in LATER)
    assert str(status) in found.fact
    assert found.host == "h:5000"
    assert found.side is Side.SOURCE


def test_a_policy_that_refuses_is_not_taken_for_a_missing_login() -> None:
    assert "log in" in fault(403).hint
    assert "log in" not in fault(412).hint
    assert "read-only" in fault(405).hint


@pytest.mark.parametrize("status", [400, 500])
def test_a_manifest_that_is_refused_for_a_blob_is_not_tried_again_by_waiting(status: int) -> None:
    """Distribution 2.8 answers 500 to a manifest with a foreign layer, at every attempt alike."""
    errors = [{"code": "UNKNOWN"}, {"code": "UNKNOWN", "detail": {}}]
    errors.append({"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown to registry"})
    found = fault(status, json.dumps({"errors": errors}).encode())
    assert type(found) is Incomplete
    assert not found.temporary


@pytest.mark.parametrize("status", sorted(REFUSED))
def test_a_refusal_keeps_its_status(status: int) -> None:
    found = fault(status)
    assert isinstance(found, Refused)
    assert found.status == status


# As Distribution 2.8.2 answers, at the start of an upload and in the middle of one.
AT_START = {"DriverName": "filesystem", "Enclosed": {"Op": "write", "Path": "/x", "Err": 28}}
IN_MIDDLE = "write /var/lib/registry/x/data: no space left on device"


@pytest.mark.parametrize("detail", [AT_START, IN_MIDDLE])
def test_only_the_detail_says_that_a_disk_is_full(detail: object) -> None:
    error = {"code": "UNKNOWN", "message": "unknown error", "detail": detail}
    found = fault(500, json.dumps({"errors": [error]}).encode())
    assert type(found) is Full
    words = "h:5000 answered 500 (unknown: unknown error: no space left on device)"
    assert found.fact.lower() == words
    assert not found.temporary
    assert "make room" in found.hint


@pytest.mark.parametrize(
    "detail",
    [
        None,
        [],
        {"a": 1},
        {"Enclosed": 28},
        *({"Enclosed": {"Err": err}} for err in (0, -1, 10**30, 28.0, "28", True, None)),
    ],
)
def test_a_detail_of_any_other_shape_is_not_shown(detail: object) -> None:
    assert told(code="DENIED", detail=detail) == "h:5000 answered 403 (DENIED)"


@pytest.mark.parametrize(
    ("side", "hint"), [(Side.SOURCE, "check the name"), (Side.DESTINATION, "create the project")]
)
def test_an_empty_challenge_is_a_missing_project_and_no_missing_login(
    side: Side, hint: str
) -> None:
    def found(headers: dict[str, str]) -> RegistryFault:
        return fault_of(side, "h:5000", "cannot put it", 401, headers, b"")

    missing = found({"www-authenticate": ""})
    assert hint in missing.hint
    assert missing.fact == "h:5000 answered 401 with an empty challenge (there is no such project)"
    for headers in ({}, {"www-authenticate": 'Basic realm="harbor"'}):
        assert found(headers).hint == Refused.hint


def test_a_refusal_with_words_points_at_them_before_the_login() -> None:
    body = b'{"errors": [{"code": "DENIED", "message": "read only"}]}'
    assert fault(403, body).hint.startswith("its words are the reason")
    assert fault(403).hint == fault(401, body).hint == Refused.hint


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("121", LONGEST_PAUSE),
        ("9" * 5000, LONGEST_PAUSE),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
        (format_datetime(NOW + timedelta(days=1), usegmt=True), LONGEST_PAUSE),
        ("Tue, 01 Jan 2030 00:00:05 -0000", 5.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("Mon, 01 Jan 2030 00:00:00 +9999999999999", None),
    ],
)
def test_retry_after_is_a_number_a_date_or_nothing(value: str, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


dates = st.from_regex(r"(Mon, )?[0-9]{1,12} Jan [0-9]{1,12} [0-9]{1,3}:[0-9]+ [+-]?[0-9A-Z]{0,12}")


@steady
@given(st.text() | dates)
@example("Mon, 01 Jan 0001 00:00:00 +2359")
def test_any_retry_after_is_a_bounded_pause(value: str) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_PAUSE


def test_an_answer_that_says_later_carries_the_pause() -> None:
    found = fault(503, pause="3")
    assert isinstance(found, Unreachable)
    assert found.retry_after == 3
    assert found.answered


def test_the_registrys_own_words_are_told() -> None:
    assert told(code="DENIED", message="quota exceeded").endswith("(DENIED: quota exceeded)")


def test_a_message_that_rewrites_the_terminal_is_printed_clean() -> None:
    fact = told(code="\x1b[2J\x1b]0;x\x07", message="ok\r\n\u202eevil\u2066\x9b31m\x00")
    assert not [c for c in fact if unicodedata.category(c).startswith("C")]


def test_a_message_without_end_is_cut() -> None:
    assert len(told(code="x", message="y" * 60_000)) < MAX_ERROR_SHOWN + 50


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"errors":7}',
        b'{"errors":[7,null,[]]}',
        b'{"errors":[{}]}',
        b"\xff",
    ],
)
def test_a_body_that_says_nothing_adds_nothing(body: bytes) -> None:
    assert fault(404, body).fact == "h:5000 answered 404"


@steady
@given(
    st.binary(max_size=200)
    | st.text().map(lambda t: json.dumps({"errors": [{"code": t}]}).encode())
)
def test_any_body_gives_a_clean_line(body: bytes) -> None:
    fact = fault(400, body).fact
    assert not [c for c in fact if unicodedata.category(c).startswith("C")]


@pytest.mark.parametrize(
    ("date", "seconds"),
    [("Thu, 01 Jan 2099 00:00:00 GMT", 30.0), ("Thu, 01 Jan 2099 00:00:31 GMT", 0.0)],
)
def test_a_date_to_come_back_at_counts_from_the_answers_own(date: str, seconds: float) -> None:
    headers = {"retry-after": "Thu, 01 Jan 2099 00:00:30 GMT", "date": date}
    assert pause_of(headers) == seconds
    # Without a date of its own, ours is all there is; the pause is capped.
    assert pause_of(headers | {"date": "yesterday"}) == LONGEST_PAUSE
    assert pause_of({"date": date}) is None
