"""The page of a preflight: it asks nobody for anything, and shows what was said as text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from mirror.preflight.interface import Verdict, failed
from mirror.report.preflight_html import render
from mirror.settings import PREFLIGHT_PAGE_LINES
from tests.mirror.report.findings import BY, WAIVED, examination, finding

HOSTILE = (
    '<script>alert(1)</script><img src=x onerror=alert(1)>" onload="alert(1)\'</pre></style>'
    "{{ 7 * 7 }}{% raw %}\x1b[31m\u202e\x00&amp;"
)
SHOWN = (
    '<script>alert(1)</script><img src=x onerror=alert(1)>" onload="alert(1)\'</pre></style>'
    "{{ 7 * 7 }}{% raw %}[31m&amp;"
)


class Seen(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def having(self, attribute: str) -> list[dict[str, str | None]]:
        return [found for _tag, found in self.tags if attribute in found]


def page(verdict: Verdict | None = None, waived: str = "") -> Seen:
    found = [finding("NET-3", verdict, waived=waived)] if verdict else []
    return Seen(render(examination(*found), BY))


def test_every_finding_is_there_with_its_status() -> None:
    found = examination()
    rows = {row["data-check"]: row["data-status"] for row in page().having("data-check")}
    assert rows == {each.check.id: each.status.value for each in found.findings}


def test_every_requirement_is_there_with_its_state() -> None:
    rows = [(row["data-requirement"], row["data-state"]) for row in page().having("data-state")]
    assert rows == [("R1", "met"), *((f"R{n}", "not-met") for n in range(2, 6))]


def test_the_gravest_findings_come_first_in_each_family() -> None:
    told = [str(row["data-told"]) for row in page().having("data-told")]
    assert told[:7] == ["FAIL", "WARN", "pass", "pass", "pass", "pass", "pass"]
    assert [each for each in told if each == "waived"] == ["waived"]


def test_status_is_told_in_words_and_signs_and_not_by_colour_alone() -> None:
    texts = " ".join(" ".join(page().texts).split())
    for words in ("✕ FAIL", "! WARN", "~ waived", "? untold", "✓ pass", "- skip", "✓ met"):
        assert words in texts


def test_it_says_what_was_examined_and_with_what() -> None:
    texts = " ".join(page().texts)
    for fact in (BY.stamp, BY.command, "--strict", WAIVED, "IPv6 is on its way", "outside-tkg"):
        assert fact in texts
    for each in BY.files:
        assert each.name in texts
        assert each.sha256 in texts


def test_it_asks_nobody_for_anything_and_has_no_script() -> None:
    seen = page()
    assert not {"script", "link", "img", "iframe", "object", "form"} & {t for t, _a in seen.tags}
    assert not seen.having("src")
    assert all(str(found["href"]).startswith("#") for found in seen.having("href"))
    style = render(examination(), BY).partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"url|@import|https?:", style)
    policy = next(f["content"] for t, f in seen.tags if "http-equiv" in f)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_every_link_of_it_leads_somewhere() -> None:
    seen = page()
    places = [str(found["id"]) for found in seen.having("id")]
    assert len(places) == len(set(places))
    assert {str(found["href"])[1:] for found in seen.having("href")} <= set(places)


@pytest.mark.parametrize("waived", ["", HOSTILE])
def test_what_a_registry_says_is_text_and_nothing_else(waived: str) -> None:
    harmless = page(failed("a", "b", fix="c"), "why" if waived else "")
    seen = page(failed(HOSTILE, f"{HOSTILE}.", fix=HOSTILE), waived)
    assert [tag for tag, _found in seen.tags] == [tag for tag, _found in harmless.tags]
    assert sum(text.count(SHOWN) for text in seen.texts) >= (5 if waived else 4)
    assert all(c.isprintable() or c == "\n" for text in seen.texts for c in text)
    assert not any(str(name).startswith("on") for _tag, found in seen.tags for name in found)


def test_evidence_is_whole_up_to_a_bound() -> None:
    many = "\n".join(f"line {n}." for n in range(PREFLIGHT_PAGE_LINES))
    assert f"line {PREFLIGHT_PAGE_LINES - 1}." in render(
        examination(finding("I-1", failed("a", many, fix="b"))), BY
    )
    more = render(examination(finding("I-1", failed("a", many + "\nand one", fix="b"))), BY)
    assert "and 2 more lines; --format json has them" in more
