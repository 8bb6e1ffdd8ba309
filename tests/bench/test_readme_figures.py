"""The README's figures, and its picture, are those of the last published bench."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.bench import readme
from scripts.bench.plot import checksum, dots, source_of
from scripts.bench.results import Results, Told
from tests.bench.samples import results, sample, told

AGAIN = "run: python -m scripts.bench.readme"


def test_the_figures_in_the_readme_are_those_of_the_last_bench() -> None:
    text = readme.README.read_text("utf-8")
    assert readme.held(text) == readme.block(Results.read(readme.JSON)), AGAIN


def test_the_readme_says_on_which_day_and_machine_they_were_measured() -> None:
    found, text = Results.read(readme.JSON), readme.held(readme.README.read_text("utf-8"))
    assert found.machine.keys() == {
        "cpu", "cores", "memory", "disk", "system", "kernel", "python",
    }  # fmt: skip
    for fact in (found.date, *found.machine.values(), *found.programs.values()):
        assert fact in text


def test_the_picture_is_of_the_same_results() -> None:
    assert source_of(readme.PNG.read_bytes()) == checksum(readme.JSON.read_bytes()), AGAIN
    assert f"](docs/{readme.PNG.name})" in readme.README.read_text("utf-8")


def test_a_changed_figure_is_found() -> None:
    text = f"above\n{readme.BEGIN}{readme.END}below\n"
    new = readme.renewed(text, results())
    assert readme.held(new) == readme.block(results())
    slower = told()
    slower.add("create", "skopeo", sample(99.0))
    assert readme.held(new) != readme.block(results(slower))
    assert (new[:6], new[-6:]) == ("above\n", "below\n")
    assert readme.renewed(new, results()) == new


def test_a_readme_without_the_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="substring not found"):
        readme.held("no figures here")


def test_the_tables_have_ours_beside_everybody() -> None:
    lines = readme.block(results()).splitlines()
    assert lines[0].startswith("Measured on 2025-06-01: Example 9000, 2 cores, 24 GiB, ext4, ")
    assert lines[0].endswith("Python 3.11.2; tkg-mirror 0.1.0, skopeo 1.9.3.")
    head = "| seconds (medians) | floor | tkg-mirror | x floor | crane | skopeo |"
    assert head in lines
    assert "| create | 2.50 | **3.00** | 1.20 | failed | 24.00 |" in lines
    assert "| verify | 2.00 | **3.00** | 1.50 |  |  |" in lines
    assert "| a create | 1.0 (4.0) | 50 (50) | 360 (291) | 2,000 |" in lines


def test_notes_and_what_was_skipped_stand_below() -> None:
    scenarios = [told(), Told("g", "a slow disk", "100 MB/s", told().facts, skipped="no cgroup")]
    assert readme.block(results(*scenarios)).endswith(
        "- g is skipped: no cgroup.\n- g: 100 MB/s.\n"
    )


def test_a_quick_look_says_that_it_is_one() -> None:
    assert "quick look" not in readme.block(results())
    assert "quick look" in readme.block(results(told(mb=100)))


def test_the_picture_shows_everyone_as_multiples_of_the_tool() -> None:
    shown = {(dot.step, dot.scenario, dot.who): dot.times for dot in dots(results())}
    assert shown == {
        ("create", "a", "floor"): pytest.approx(2.5 / 3),
        ("create", "a", "skopeo"): pytest.approx(8.0),
        ("verify", "a", "floor"): pytest.approx(2 / 3),
    }


def test_a_picture_carries_what_it_was_drawn_from(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is there where `make bench` has run")
    from scripts.bench.plot import draw

    draw(results(told(), told("b")), tmp_path / "x.png")
    picture = (tmp_path / "x.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert source_of(picture) == checksum(results(told(), told("b")).json().encode())


def test_a_picture_of_nothing_known_carries_nothing() -> None:
    assert source_of(b"\x89PNG\r\n\x1a\n") == ""
