"""What the runs say together: medians, ratios, tables, bars, and the same again from the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.bench.contenders import FLOOR, TOOL
from scripts.bench.results import Results, Told, sort_key
from scripts.bench.table import bars, table
from tests.bench.samples import results, sample, told


def test_one_slow_run_does_not_count() -> None:
    assert told().seconds("create", FLOOR) == 2.5
    assert told().ratio("create", TOOL, FLOOR) == pytest.approx(1.2)


def test_who_ran_in_the_last_round_alone_is_compared_with_that_round() -> None:
    found = Told("a", "few large images")
    for seconds in (10.0, 9.0, 2.0):
        found.add("create", TOOL, sample(seconds))
    found.add("create", "skopeo", sample(4.0))
    assert found.ratio("create", "skopeo", TOOL) == pytest.approx(2.0)


def test_a_failed_run_is_no_fast_run() -> None:
    assert told().seconds("create", "crane") is None
    assert told().ratio("create", "crane", TOOL) is None
    assert list(told().errors()) == ["create, crane: exit 1: no such host"]


def test_without_its_start_is_by_its_own_account() -> None:
    assert told().ratio("verify", FLOOR, TOOL, own=True) == pytest.approx(0.95)


def test_what_was_written_is_read_and_written_the_same(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "bench.json"
    found = results(told(), Told("g", "a slow disk", skipped="no cgroup"))
    found.write(path)
    again = Results.read(path)
    assert again.json() == path.read_text()
    assert again.scenarios == found.scenarios
    assert "output" not in path.read_text()


def test_another_file_is_not_taken_for_results(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"schema": "tkg-mirror/run/v1"}')
    with pytest.raises(ValueError, match="is not tkg-mirror/bench/v1"):
        Results.read(path)


def test_the_floor_comes_first_and_the_tool_beside_it() -> None:
    names = ["skopeo", "tkg-mirror --ranges 4", "crane", TOOL, FLOOR]
    expected = [FLOOR, TOOL, "tkg-mirror --ranges 4", "crane", "skopeo"]
    assert sorted(names, key=sort_key) == expected


def test_the_table_has_a_line_for_everyone_and_the_words_of_who_failed() -> None:
    lines = table(told()).splitlines()
    assert lines[0] == "a  few large images: 60 images, 207 blobs, 2,000 MB"
    words = [line.split() for line in lines]
    assert ["create", FLOOR, "2.50", "0.83", "4.00", "50", "291", "2.00", "9.00", "2.50"] in words
    assert ["create", "skopeo", "24.00", "8.00", "1.00", "50", "350", "24.00"] in words
    assert ["create", "crane", "failed"] in words
    assert lines[-1] == "  failed: create, crane: exit 1: no such host"


def test_a_scenario_that_could_not_be_had_says_why() -> None:
    facts = told().facts
    skipped = Told("g", "a slow disk", "100 MB/s", facts, skipped="cgroups limit no disk here")
    first, second = table(skipped).splitlines()
    assert first.endswith("2,000 MB (100 MB/s)")
    assert second == "  skipped: cgroups limit no disk here"


def test_bars_are_kept_or_missed() -> None:
    found = {line[:44].rstrip(): line[44:].split() for line in bars(results()).splitlines()}
    assert found["create, times the floor's time"] == ["1.20", "bar", "<=", "1.35", "met"]
    assert found["create, times faster than skopeo copy"] == ["8.00", "bar", ">=", "4.0", "met"]
    assert found["peak memory of the tool, MB"][-1] == "met"
    slow = told()
    slow.add("push", TOOL, sample(10.0, peak_mb=130.0))
    slow.add("push", "skopeo", sample(11.0))
    found = {line[:44].rstrip(): line[44:].split() for line in bars(results(slow)).splitlines()}
    assert found["push, times faster than skopeo sync"] == ["1.10", "bar", ">=", "2.5", "MISSED"]
    assert found["peak memory of the tool, MB"][-1] == "MISSED"


def test_a_quick_look_is_held_against_no_bar() -> None:
    assert bars(results(told(mb=100), told("b"))) == ""
