from __future__ import annotations

import json
import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.oci.strictjson import canonical, parse_object
from mirror.settings import MAX_JSON_PARTS
from tests.mirror.oci.documents import refusal, steady

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
objects = st.dictionaries(texts, values, max_size=4)


AMBIGUOUS = {
    "key-twice": b'{"a":1,"a":2}',
    "key-twice-inside": b'{"a":{"digest":"x","digest":"y"}}',
    "key-twice-by-escape": b'{"a":1,"\\u0061":2}',
    "nan": b'{"a":NaN}',
    "infinity": b'{"a":Infinity}',
    "minus-infinity": b'{"a":-Infinity}',
    "deep-lists": b"[" * 10_000 + b"]" * 10_000,
    "deep-objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "integer-of-4301-digits": b'{"a":' + b"9" * 4301 + b"}",
    "utf-16": '{"a":1}'.encode("utf-16"),
    "utf-16-without-mark": '{"a":1}'.encode("utf-16-le"),
    "utf-32": '{"a":1}'.encode("utf-32"),
    "byte-order-mark": b'\xef\xbb\xbf{"a":1}',
    "not-utf-8": b'{"a":"\xff"}',
    "surrogate": b'{"a":"\xed\xa0\x80"}',
    "half-a-character": b'{"a":"\\ud800"}',
    "half-a-character-as-key": b'{"\\udfff":1}',
    "raw-newline": b'{"a":"\n"}',
    "two-documents": b'{"a":1}{"a":1}',
    "nul-behind": b'{"a":1}\0',
    "comma-behind": b'{"a":1,}',
    "single-quotes": b"{'a':1}",
    "octal": b'{"a":01}',
    "comment": b"// c\n{}",
    "list": b"[]",
    "null": b"null",
    "text": b'"text"',
    "number": b"7",
    "nothing": b"",
    "blank": b" ",
}


@pytest.mark.parametrize("raw", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_json_that_two_readers_may_read_differently_is_refused(raw: bytes) -> None:
    refusal(parse_object, raw)


def test_a_pair_of_escapes_is_one_character() -> None:
    assert parse_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_many_small_objects_take_bounded_memory() -> None:
    raw = b'{"a":[' + b",".join([b"{}"] * (MAX_JSON_PARTS // 2 - 2)) + b"]}"
    tracemalloc.start()
    try:
        parse_object(raw)
        assert tracemalloc.get_traced_memory()[1] < 200 * len(raw)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("part", [b"{}", b"[]", b"0", b'""', b'{"a":0}', b"[[]]"])
def test_a_document_of_too_many_parts_is_not_even_read(part: bytes) -> None:
    raw = b'{"a":[' + b",".join([part] * (MAX_JSON_PARTS + 1)) + b"]}"
    refusal(parse_object, raw)
    tracemalloc.start()
    try:
        refusal(parse_object, raw)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_numbers_that_cannot_be_written_have_no_canonical_form() -> None:
    refusal(canonical, {"a": math.nan})


@steady
@given(objects)
def test_the_canonical_form_reads_back_and_is_the_only_one(value: dict[str, Any]) -> None:
    raw = canonical(value)
    assert parse_object(raw) == value
    assert canonical(parse_object(json.dumps(value, indent=2).encode())) == raw


@steady
@given(st.binary() | texts.map(str.encode))
def test_any_bytes_are_an_object_or_a_value_error(raw: bytes) -> None:
    try:
        assert isinstance(parse_object(raw), dict)
    except ValueError:
        return
