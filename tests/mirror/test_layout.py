"""Tables within 80 columns: nothing is lost, cut through or allowed to disturb the terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mirror.report.layout import WIDTH, columns
from tests.bom.documents import steady

WORD = st.text(alphabet="ab-./:", min_size=1, max_size=90)
ROW = st.tuples(WORD, WORD, st.lists(WORD, max_size=9).map(" ".join))


@steady
@given(st.lists(ROW, min_size=1, max_size=5))
def test_every_word_is_there_whole_and_in_its_order(rows: list[tuple[str, str, str]]) -> None:
    told = " ".join(columns(rows, indent=2)).split()
    assert told == [word for row in rows for cell in row for word in cell.split()]


@steady
@given(st.lists(ROW, min_size=1, max_size=5))
def test_only_names_or_a_word_too_long_make_a_line_too_long(
    rows: list[tuple[str, str, str]],
) -> None:
    for line in columns(rows, indent=2):
        assert len(line) <= WIDTH or len(line.split()) <= 2
        assert line == line.rstrip()


def test_a_column_is_as_wide_as_its_longest_word_but_for_very_long_ones() -> None:
    assert columns([("a", "1"), ("bbb", "2"), ("c" * 40, "3")]) == [
        "a" + " " * 35 + "1",
        "bbb" + " " * 33 + "2",
        "c" * 40 + "  3",
    ]


def test_what_goes_on_stands_under_what_it_goes_on_from() -> None:
    first, second = columns([("name", " ".join(["word"] * 20))], indent=2)
    assert first.index("word") == second.index("word") == 8


def test_no_rows_make_no_lines() -> None:
    assert columns([]) == []


def test_a_cell_is_one_line_whatever_is_in_it() -> None:
    assert columns([("a\nb", "\x1b[2Jc\u202e\td")]) == ["a b  [2Jc d"]
