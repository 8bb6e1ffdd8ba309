"""The page that a preflight leaves behind: written whole or not at all, over nothing unasked."""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.world.process import die_with_parent
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import ROOT, Ran, run
from tests.mirror.report.test_preflight_html import Seen

Check = Callable[..., Ran]


@pytest.fixture
def check(fake: FakeRegistry) -> Check:
    def examined(*more: object) -> Ran:
        return run("preflight", f"{fake.host}/tkg", "--plain-http", *more)

    return examined


def verdicts(page: Path) -> dict[str, str]:
    rows = Seen(page.read_text("utf-8")).having("data-check")
    return {str(row["data-check"]): str(row["data-status"]) for row in rows}


def test_the_page_has_the_verdicts_of_the_result(check: Check, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    ran = check("--report", page, "--format", "json")
    assert verdicts(page) == {each["id"]: each["status"] for each in ran.json["checks"]}
    assert verdicts(page)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_it_names_the_files_and_options_that_were_given(check: Check, tmp_path: Path) -> None:
    config, page = tmp_path / "prod.yaml", tmp_path / "report.html"
    config.write_text("CLUSTER_PLAN: prod\n")
    ran = check("--cluster-config", config, "--strict", "--report", page, "--format", "json")
    texts = " ".join(Seen(page.read_text("utf-8")).texts)
    assert [each["file"] for each in ran.json["inputs"]] == [str(config)]
    assert ran.json["options"] == ["--strict", "--plain-http"]
    for said in (str(config), ran.json["inputs"][0]["sha256"], "--strict, --plain-http"):
        assert said in texts


def test_an_older_report_is_not_replaced_unasked_and_nobody_is_asked(
    check: Check, fake: FakeRegistry, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    page.write_text("last week's")
    ran = check("--report", page)
    assert ran.code == 9
    assert "the file exists already" in ran.err
    assert "--force" in ran.err
    assert page.read_text() == "last week's"
    assert not fake.requests
    check("--report", page, "--force")
    assert verdicts(page)


def test_force_replaces_no_file_that_was_handed_in(
    check: Check, fake: FakeRegistry, tmp_path: Path
) -> None:
    """A slip of the shell's history, and a bundle of 15 GB would be a page."""
    config, other = tmp_path / "prod.yaml", tmp_path / "same.yaml"
    config.write_text("CLUSTER_PLAN: prod\n")
    os.link(config, other)
    for page in (config, other):
        ran = check("--cluster-config", config, "--report", page, "--force", "--format", "json")
        assert ran.code == 2
        assert ran.json["error"]["what"] == "the report would replace what was handed in"
    assert config.read_text() == "CLUSTER_PLAN: prod\n"
    assert not fake.requests


@pytest.mark.parametrize("kind", ["link", "broken link", "pipe", "folder"])
def test_nothing_but_a_file_is_ever_replaced(check: Check, tmp_path: Path, kind: str) -> None:
    page, target = tmp_path / "report.html", tmp_path / "target"
    if kind == "pipe":
        os.mkfifo(page)
    elif kind == "folder":
        page.mkdir()
    else:
        page.symlink_to(target)
        if kind == "link":
            target.write_text("precious")
    ran = check("--report", page, "--force")
    assert ran.code == 9
    assert "no file" in ran.err
    assert not target.exists() or target.read_text() == "precious"


def test_no_folder_is_told_before_anybody_is_asked(
    check: Check, fake: FakeRegistry, tmp_path: Path
) -> None:
    ran = check("--report", tmp_path / "none" / "report.html")
    assert ran.code == 9
    assert "no folder to write the file in" in ran.err
    assert not fake.requests


@pytest.mark.parametrize("form", ["text", "json"])
def test_findings_are_not_lost_with_a_page_that_cannot_be_written(
    check: Check, tmp_path: Path, form: str
) -> None:
    """The name is as long as one may be: there is no room for the file beside it."""
    page = tmp_path / ("r" * 250 + ".html")
    ran = check("--report", page, "--format", form)
    assert ran.code == 9
    assert "File name too long" in ran.err
    assert "the report was not written" in ran.out
    assert "API-1" in ran.out
    assert list(tmp_path.iterdir()) == []
    if form == "json":
        assert ran.json["checks"]


def test_a_registry_that_gives_no_answer_has_a_page_too(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    ran = run("preflight", "127.0.0.1:1/tkg", "--plain-http", "--report", page)
    assert ran.code == 4
    assert "it could not be asked" in ran.out
    assert 'data-result="fail"' in page.read_text("utf-8")
    assert set(verdicts(page).values()) <= {"skip", "fail", "warn", "pass"}


def test_a_password_in_the_address_is_in_no_output_and_no_page(tmp_path: Path) -> None:
    """As a process of its own: the command that a page shows is taken from its arguments."""
    page = tmp_path / "report.html"
    dest = "ann:canary-7@registry.example/tkg"
    line = [sys.executable, "-m", "mirror", "preflight", dest, "--report", str(page)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 7
    said = done.stdout + done.stderr + page.read_text("utf-8")
    assert "canary-7" not in said
    assert "tkg-mirror preflight" in page.read_text("utf-8")
    assert "@registry.example/tkg" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("more", "painted"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_are_for_terminals_that_want_them(
    fake: FakeRegistry, more: dict[str, str], painted: bool
) -> None:
    ours, theirs = pty.openpty()
    line = [sys.executable, "-m", "mirror", "preflight", f"{fake.host}/tkg", "--plain-http"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", **more}
    with subprocess.Popen(
        line,
        cwd=ROOT,
        env=environment,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent(),
    ) as process:
        os.close(theirs)
        said = _until_closed(ours)
        process.wait(timeout=60)
    assert b"API-1" in said
    assert (b"\x1b[" in said) is painted


def _until_closed(terminal: int) -> bytes:
    """All that is written to a terminal; its end shows as an error on Linux."""
    said = b""
    with os.fdopen(terminal, "rb", buffering=0) as file:
        while select.select([file], [], [], 60)[0]:
            try:
                piece = file.read(65536)
            except OSError:
                return said
            if not piece:
                return said
            said += piece
    raise AssertionError("the command said nothing for a minute")


@pytest.mark.parametrize("closed", ["1", "2"])
def test_a_stream_that_the_caller_closed_changes_no_result(
    fake: FakeRegistry, tmp_path: Path, closed: str
) -> None:
    """As a daemon may start it; without stderr, no word of talk stands in the JSON on stdout."""
    page = tmp_path / "report.html"
    command = ["preflight", f"{fake.host}/tkg", "--plain-http", "--report", page]
    command += ["--format", "json"] if closed == "2" else []
    line = shlex.join([sys.executable, "-m", "mirror", *map(str, command)])
    done = subprocess.run(
        ["sh", "-c", f"exec {line} {closed}>&-"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 7, done.stderr
    assert verdicts(page)
    if closed == "2":
        assert json.loads(done.stdout)["result"] == "fail"
