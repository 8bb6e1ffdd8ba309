"""The page of a preflight as a browser shows it: headless Chromium reads the verdicts from it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mirror.preflight.interface import failed
from mirror.preflight.run import Examination
from mirror.report.preflight_html import render
from tests.fakes.registries import absent
from tests.mirror.report.findings import BY, examination, finding
from tests.mirror.report.test_preflight_html import HOSTILE, SHOWN, Seen

# It must not reach for the network by itself either.
_ALONE = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def browsed(found: Examination, folder: Path, *flags: str, script: str = "") -> str:
    """What Chromium prints for the page of an examination.

    A script of the test's own only runs where the page's policy, which forbids it, is taken out.
    """
    program = shutil.which("chromium")
    if program is None:
        absent("chromium is not installed; scripts/setup.sh --docker installs it")
    page = folder / "report.html"
    text = render(found, BY)
    if script:
        text = re.sub("<meta http-equiv[^>]*>", "", text)
        text = text.replace("</body>", f"<script>{script}</script></body>")
    page.write_text(text, "utf-8")
    line = [program, *_ALONE, f"--user-data-dir={folder / 'profile'}", *flags, page.as_uri()]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_a_browser_shows_every_verdict(tmp_path: Path) -> None:
    found = examination()
    dom = browsed(found, tmp_path, "--dump-dom")
    seen = Seen(dom)
    assert [row["data-result"] for row in seen.having("data-result")] == ["fail"]
    rows = {row["data-check"]: row["data-status"] for row in seen.having("data-check")}
    assert rows == {each.check.id: each.status.value for each in found.findings}
    assert re.findall(r'data-requirement="(R\d)" data-state="([a-z-]+)"', dom) == [
        ("R1", "met"),
        *((f"R{n}", "not-met") for n in range(2, 6)),
    ]


def test_a_browser_neither_runs_nor_loads_what_a_registry_says(tmp_path: Path) -> None:
    act = (
        "<script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
    )
    hostile = finding("API-1", failed(HOSTILE + act, act, fix=act))
    dom = browsed(examination(hostile), tmp_path, "--dump-dom")
    seen = Seen(dom)
    assert "owned" not in dom.partition("<title>")[2].partition("</title>")[0]
    assert not {"script", "img"} & {tag for tag, _found in seen.tags}
    assert any(SHOWN in text for text in seen.texts)


def test_it_prints(tmp_path: Path) -> None:
    printed = tmp_path / "report.pdf"
    browsed(examination(), tmp_path, f"--print-to-pdf={printed}")
    content = printed.read_bytes()
    assert content.startswith(b"%PDF-")
    pages = len(re.findall(rb"/Type\s*/Page\b", content))
    assert 2 <= pages <= 8


@pytest.mark.parametrize("width", [520, 1366])
def test_no_word_of_a_registry_makes_the_page_wider_than_its_window(
    tmp_path: Path, width: int
) -> None:
    word = "x" * 500
    hostile = finding("API-1", failed(word, word, fix=word), waived=word, title=word)
    measure = "document.title = document.documentElement.scrollWidth > innerWidth"
    dom = browsed(
        examination(hostile), tmp_path, "--dump-dom", f"--window-size={width},900", script=measure
    )
    assert dom.partition("<title>")[2].partition("</title>")[0] == "false"
