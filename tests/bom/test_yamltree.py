from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bom.cursor import Cursor
from bom.errors import BomFault, InputFault
from bom.limits import MAX_DEPTH, MAX_NODES
from bom.parse import parse_bom
from bom.yamltree import Origin, Scalar, compose
from tests.bom.documents import PIECES, TKG, fault_of, grammar, steady

ORIGIN = Origin("file.yaml")


def root(text: str) -> Cursor:
    (node,) = compose(text, ORIGIN)
    return Cursor.at_root(node, ORIGIN)


def value(text: str) -> Scalar:
    found = root(text).get("key")
    assert found is not None
    assert isinstance(found.node, Scalar)
    return found.node


@steady
@given(st.binary() | st.text().map(str.encode) | grammar)
def test_any_bytes_are_a_bom_or_a_fault(data: bytes) -> None:
    with contextlib.suppress(InputFault):
        parse_bom(data, "file.yaml")


@steady
@given(st.integers(0, len(TKG)), st.integers(0, 8), st.sampled_from(PIECES) | st.characters())
def test_a_bom_with_a_damaged_place_is_a_bom_or_a_fault(at: int, cut: int, piece: str) -> None:
    damaged = TKG[:at] + piece + TKG[at + cut :]
    with contextlib.suppress(InputFault):
        parse_bom(damaged.encode("utf-8", "surrogatepass"), "file.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "3.10",
        "1e3",
        "on",
        "yes",
        "true",
        "0123",
        "0x1f",
        "1:20",
        "2022.03.22",
        "2022-03-22",
        ".inf",
        "1_000",
        "=",
        "3.0",
        "-0",
    ],
)
def test_a_scalar_stays_the_text_it_was(text: str) -> None:
    assert value(f"key: {text}").text == text


@steady
@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=40))
def test_any_quoted_text_stays_that_text(text: str) -> None:
    node = value(f"key: {json.dumps(text, ensure_ascii=False)}")
    assert (node.text, node.null) == (text, False)


@steady
@given(st.floats().map(repr) | st.integers().map(str) | st.dates().map(str) | st.times().map(str))
def test_what_other_readers_turn_into_numbers_and_dates_stays_text(text: str) -> None:
    assert value(f"key: {text}").text == text


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_nothing_written_plainly_is_absent_and_quoted_is_text(text: str) -> None:
    assert root(f"key: {text}").get("key") is None
    assert value(f"key: '{text}'").text == text
    assert value(f"key: !!str {text}").text == text


@pytest.mark.parametrize("text", ["Nil", "none", "nULL", "0", "false"])
def test_other_words_are_not_nothing(text: str) -> None:
    assert value(f"key: {text}").text == text


def test_a_merge_key_is_an_ordinary_key() -> None:
    tree = root("base: &b {x: 1}\nkey: {<<: *b, y: 2}")
    merged = tree.get("key")
    assert merged is not None
    assert merged.get("x") is None
    assert merged.find("<<", "x") is not None


def test_an_alias_means_what_its_anchor_means() -> None:
    tree = root("a: &v v1.0\nkey: *v\nmore: [*v, &v v2, *v]")
    assert tree.find("key").text() == "v1.0"  # type: ignore[union-attr]
    assert [item.text() for item in tree.get("more").items()] == ["v1.0", "v2", "v2"]  # type: ignore[union-attr]


def test_duplicate_keys_are_refused_with_both_lines() -> None:
    fault = fault_of("release:\n  version: a\n  other: b\n  version: c\n")
    assert (fault.line, fault.key) == (4, "release.version")
    assert "first on line 2" in fault.found


def test_a_duplicate_key_in_a_list_names_the_item() -> None:
    assert fault_of("a:\n  - x\n  - {b: 1, b: 2}\n").key == "a[1].b"


def test_an_alias_bomb_is_refused_before_it_unfolds() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    fault = fault_of("\n".join(lines))
    assert fault.line == 6
    assert str(MAX_NODES) in fault.expected
    assert fault.key.startswith("a5")


def test_a_bomb_of_depth_through_aliases_is_refused() -> None:
    step = MAX_DEPTH // 2
    lines = [f"a0: &a0 {'[' * step}x{']' * step}"]
    lines += [f"a{n}: &a{n} {'[' * step}*a{n - 1}{']' * step}" for n in range(1, 3)]
    fault = fault_of("\n".join(lines))
    assert fault.line == 2
    assert "nesting" in fault.expected


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000])
def test_deep_nesting_is_refused_and_never_overflows(text: str) -> None:
    fault = fault_of(text)
    assert f"{MAX_DEPTH} levels" in fault.expected
    assert len(str(fault)) < 1000


def test_nesting_up_to_the_limit_is_read() -> None:
    inner = MAX_DEPTH - 1
    assert len(compose(f"a: {'[' * inner}x{']' * inner}", ORIGIN)) == 1
    with pytest.raises(BomFault):
        compose(f"a: {'[' * (inner + 1)}x{']' * (inner + 1)}", ORIGIN)


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        (b"a: 1\nb: [\n", 3, ""),
        (b"a: 1\n\tb: 2\n", 2, ""),
        (b"a: 1\nb: \xff\n", 2, "0xff"),
        (b"\xff\xfea\x00:\x00", 1, "0xff"),
        (b"a: 1\nb: \x00\n", 2, "U+0000"),
        (b"a: 1\nb: \x1b[31m\n", 2, "U+001B"),
        (b'a: 1\nb: "\\uZZZZ"\n', 2, ""),
        (b"a: 1\nb: *unknown\n", 2, "*unknown"),
        (b"a: &x [1, *x]\n", 1, "inside &x"),
        (b"a: 1\n? [b]\n: 2\n", 2, "as key"),
        (b"a: &x {b: 1}\n*x : 2\n", 2, "as key"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(text: bytes, line: int, found: str) -> None:
    fault = fault_of(text)
    assert fault.line == line
    assert found in fault.found


@pytest.mark.parametrize("escape", ["\\ud800", "\\UFFFFFFFF", "\\U00110000"])
def test_an_escape_that_is_no_character_is_a_fault(escape: str) -> None:
    fault_of(f'release: {{version: "{escape}"}}')


def test_a_tab_is_told_with_a_hint() -> None:
    assert "spaces" in fault_of("a:\n\tb: 1\n").hint
