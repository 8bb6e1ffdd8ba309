"""Progress: lines where nobody watches, bars where somebody does, JSON where a machine listens."""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import BarColumn, Progress

from mirror.cli.columns import Amount, Name, Rate, Remaining
from mirror.cli.console import Bars, Lines, listening
from mirror.cli.options import Format, LogLevel, OutputOptions
from mirror.events import Advanced, ItemEnded, ItemStarted, Noticed, PhaseStarted, Waiting
from tests.fakes.registries import Source
from tests.mirror.cli.run import ROOT, TKG, TKR


def test_lines_come_every_few_seconds_and_not_for_every_piece(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # One time for each look at the clock: twice at a start, then once a piece.
    times = iter([0.0, 0.0, 1.0, 2.0, 6.0, 7.0])
    with listening(OutputOptions()):
        lines = Lines(clock=lambda: next(times))
        lines(PhaseStarted("fetch", 2, 4096))
        for _ in range(4):
            lines(Advanced("a", 1024))
    told = capsys.readouterr().err.splitlines()
    assert told == ["fetch: 2, 4.0 KiB", "fetch: 3.0 KiB of 4.0 KiB, 512 B/s, 2 s left"]


def test_what_is_there_already_is_done_and_takes_no_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    times = iter([0.0, 0.0, 1.0, 6.0])
    with listening(OutputOptions()):
        lines = Lines(clock=lambda: next(times))
        lines(PhaseStarted("push", 3, 10 << 20))
        lines(ItemEnded("a", "a", "present", 7 << 20))
        lines(Advanced("b", 1 << 20))
    _headline, line = capsys.readouterr().err.splitlines()
    # 2 MiB are left, at 1 MiB in 6 s.
    assert line == "push: 8.0 MiB of 10.0 MiB, 170.7 KiB/s, 12 s left"


def test_a_phase_without_bytes_is_not_silent_for_an_hour(
    capsys: pytest.CaptureFixture[str],
) -> None:
    times = iter([0.0, 0.0, 1.0, 6.0, 7.0])
    with listening(OutputOptions()):
        lines = Lines(clock=lambda: next(times))
        lines(PhaseStarted("resolve", 968))
        for number in range(3):
            lines(ItemEnded(str(number), "x", "done"))
    assert capsys.readouterr().err.splitlines() == ["resolve: 968", "resolve: 2 of 968"]


def test_what_comes_from_outside_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with listening(OutputOptions(log_level=LogLevel.DEBUG)) as listener:
        listener(Noticed("a \x1b[2Jtag\x07 \u202egnp"))
        listener(Waiting("h answered \x1b[31m503", 0.5, 1))
        listener(ItemEnded("k", "name\r\nerror: forged", "moved"))
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert len(told.splitlines()) == 3


def test_json_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    with listening(OutputOptions(log_format=Format.JSON)) as listener:
        listener(PhaseStarted("fetch", 3, 10))
        listener(Noticed('a "quoted" word'))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["level"] for line in lines] == ["info", "warning"]
    assert all(line.keys() == {"time", "level", "message"} for line in lines)
    assert all(line["time"].endswith("Z") for line in lines)


def test_the_log_level_holds_back_what_is_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    with listening(OutputOptions(log_level=LogLevel.ERROR)) as listener:
        listener(PhaseStarted("fetch", 3, 10))
        listener(Noticed("something"))
    assert capsys.readouterr().err == ""


def test_the_http_library_never_logs_headers(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with listening(OutputOptions(log_level=LogLevel.DEBUG)) as listener:
        listener(ItemStarted("k", "name", 1))
        logging.getLogger("httpx").debug("Authorization: Bearer canary")
    assert "canary" not in capsys.readouterr().err


def test_bars_are_shown_on_a_terminal_and_the_result_stays_clean(
    source: Source, tmp_path: Path
) -> None:
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "mirror", "bundle", "create", "--plain-http"]
    command += ["--bom", TKG, "--bom", TKR, "--source-repo", source.repository]
    command += ["--rewrite", f"registry.example.com/extra={source.host}/extra"]
    process = subprocess.Popen(
        [*command, "-o", str(tmp_path / "x.tar"), "--format", "json"],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=end,
    )
    os.close(end)
    shown = b""
    while piece := _read(terminal):
        shown += piece
    os.close(terminal)
    out, _err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(out)["result"] == "ok"
    text = shown.decode()
    assert "resolve" in text
    assert "fetch" in text
    assert "━" in text


@pytest.fixture
def drawn() -> Progress:
    """Bars that are drawn when they are asked for, on a terminal of 80 columns."""
    console = Console(file=StringIO(), force_terminal=True, width=80)
    columns = (Name(), BarColumn(bar_width=20), Amount(), Rate(), Remaining())
    return Progress(*columns, console=console, auto_refresh=False)


def test_the_bar_of_the_phase_stands_first_however_many_phases_came_before(
    drawn: Progress, capsys: pytest.CaptureFixture[str]
) -> None:
    with listening(OutputOptions()):
        bars = Bars(drawn)
        for number in range(30):
            bars(PhaseStarted(f"phase {number}", 1))
        bars(PhaseStarted("fetch", 3, 30 << 20))
        bars(ItemStarted("a", "tkg/antrea", 20 << 20))
    assert [task.description for task in drawn.tasks] == ["fetch", "  tkg/antrea"]
    assert capsys.readouterr().err.splitlines() == [f"phase {number}: 1" for number in range(30)]


def test_a_long_name_gives_way_to_the_figures(drawn: Progress) -> None:
    drawn.add_task("  " + "name" * 20, total=400 << 20, completed=123 << 20, unit="B")
    with drawn.console.capture() as shown:
        drawn.console.print(drawn.make_tasks_table(drawn.tasks))
    (line,) = shown.get().splitlines()
    assert "123.0 MiB of 400.0 MiB" in line
    assert "-:--:--" in line


@pytest.mark.parametrize(("speed", "shown"), [(2048.0, "2.0 KiB/s"), (-508.0, ""), (0.0, "")])
def test_what_was_given_back_has_no_speed(drawn: Progress, speed: float, shown: str) -> None:
    drawn.add_task("fetch", total=100, unit="B")
    drawn.tasks[0].finished_speed = speed
    assert Rate().render(drawn.tasks[0]).plain == shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        # Linux's way to say that the other end of a terminal is closed.
        return b""
