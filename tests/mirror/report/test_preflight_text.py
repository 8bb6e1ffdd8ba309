"""A preflight in a terminal: what must be mended first, the result last, nothing disturbed."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from mirror.preflight.interface import (
    Finding,
    Status,
    Verdict,
    failed,
    passed,
    skipped,
    untold,
    warned,
)
from mirror.report.preflight_text import Look, text
from mirror.settings import PREFLIGHT_LINES
from tests.bom.documents import steady
from tests.mirror.report.findings import WAIVED, examination, finding

HOSTILE = "a\x1b[2J\x1b]0;owned\x07 b\u202e c\r\n  pass    API-1   all is well"


def rows(told: str) -> list[tuple[str, str]]:
    """Word and name of each row, in the order in which they are told."""
    return re.findall(r"^  (FAIL|WARN|waived|untold|pass|skip) +([A-Z]{3}-\d+) ", told, re.M)


def squeezed(told: str) -> str:
    """Wrapped lines as one."""
    return " ".join(told.split())


def test_every_check_is_told_once() -> None:
    found = examination()
    told = text(found)
    named = {name for _word, name in rows(told)}
    also = {each for line in re.findall(r"the same: (.*)", told) for each in line.split(", ")}
    assert named | also == {each.check.id for each in found.findings}
    assert not named & also


def test_failures_come_first_among_families_and_in_each() -> None:
    told = text(examination())
    families = [
        [{"FAIL": 0, "WARN": 1, "waived": 2, "untold": 3, "pass": 4, "skip": 5}[w] for w, _ in r]
        for r in map(rows, told.split("\n\n"))
        if r
    ]
    assert len(families) == 8
    assert all(family == sorted(family) for family in families)
    assert [family[0] for family in families] == sorted(family[0] for family in families)


def test_the_result_and_the_counts_stand_in_the_last_lines() -> None:
    last = text(examination()).splitlines()[-2:]
    assert last == [
        "checks: 5 failed, 1 warned, 1 waived, 5 untold, 26 passed, 3 skipped",
        "fail: it is not fit for Tanzu Kubernetes Grid",
    ]


def said(*verdicts: Verdict, judged: int = 5) -> str:
    """The last line where so many requirements are met, and these verdicts beside."""
    met = [finding(f"NET-{n}", passed("ok"), requirement=f"R{n}") for n in range(1, judged + 1)]
    found = [finding(f"API-{n}", each) for n, each in enumerate(verdicts, 1)]
    return text(examination(*met, *found)).splitlines()[-1]


def test_every_result_has_its_sentence() -> None:
    fine, doubt = passed("fine"), warned("hm", fix="look")
    assert said(fine) == "pass: it is fit for Tanzu Kubernetes Grid"
    assert said(fine, skipped("not asked")) == "pass: it is fit for Tanzu Kubernetes Grid"
    assert said(doubt) == "warn: it is fit for Tanzu Kubernetes Grid; there are warnings"
    assert said(fine, untold("?")) == "warn: nothing failed, but not everything could be told"
    assert said(untold("?")) == "fail: it could not be asked"
    assert said(failed("no", fix="mend")) == "fail: it is not fit for Tanzu Kubernetes Grid"


def test_a_warning_that_nobody_could_tell_is_untold_until_strict_makes_a_failure_of_it() -> None:
    guess = finding("TKG-1", warned("cannot be seen", fix="attest it", unknown=True))
    assert rows(text(examination(guess))) == [("untold", "TKG-1")]
    strictly = Finding(guess.check, guess.verdict, Status.FAIL)
    assert rows(text(examination(strictly))) == [("FAIL", "TKG-1")]


def test_nothing_is_called_fit_by_requirements_that_nobody_looked_at() -> None:
    assert said(passed("fine"), judged=3) == (
        "pass: nothing speaks against it, but R4, R5 could not be judged"
    )
    assert "fit" not in said(warned("hm", fix="look"), judged=0)


def test_no_line_is_wider_than_the_terminal_but_for_words_that_are() -> None:
    for width in (72, 80, 110):
        told = text(examination(), Look(width)).splitlines()
        long = [line for line in told if len(line) > width]
        # The text of a row begins at the 18th column, that of a fix five further on.
        assert all(max(map(len, line.split())) > width - 23 for line in long)


def test_a_failure_has_its_fix_and_evidence_and_what_passed_is_short() -> None:
    bad = failed("one two", "first\nsecond", fix="do this\nand that")
    told = text(examination(finding("NET-3", bad), finding("NET-4", passed("fine", "evidence"))))
    lines = told.splitlines()
    at = lines.index("  FAIL    NET-3   one two")
    assert [line.strip() for line in lines[at + 1 : at + 5]] == [
        "fix: do this",
        "fix: and that",
        "| first",
        "| second",
    ]
    assert lines[at + 5] == "  pass    NET-4   fine"
    assert "evidence" not in told


def test_long_evidence_is_cut_and_says_so() -> None:
    bad = failed("23 of 87", "\n".join(map(str, range(100))), fix="push")
    told = text(examination(finding("IMG-1", bad)))
    evidence = [line.strip() for line in told.splitlines() if line.strip().startswith("|")]
    assert len(evidence) == PREFLIGHT_LINES
    assert evidence[-1] == "| and 93 more lines; --format json has them"


def test_a_command_to_copy_is_whole_however_many_files_it_names() -> None:
    files = [f"--bom /home/ann/.config/tanzu/tkg/bom/tkr-bom-v1.2{n}.8.yaml" for n in range(20)]
    fix = f"tkg-mirror bundle create {' '.join(files)} -o tkg.tar"
    told = text(examination(finding("IMG-1", failed("gone", fix=fix))))
    assert fix in " ".join(told.split())


def test_a_fact_is_not_told_twice() -> None:
    fact = "prod.yaml:6: expected false, found true"
    assert text(examination(finding("TKG-3", failed(fact, fact, fix="mend")))).count(fact) == 1
    told = text(examination(finding("TKG-3", failed(fact, f"{fact}\nmore", fix="mend"))))
    assert told.count(fact) == 2


def test_waivers_attestations_and_notices_are_told_with_their_reasons() -> None:
    told = squeezed(text(examination()))
    assert f"waived: {WAIVED}" in told
    assert "strict: a warning, which --strict counts as a failure" in told
    assert "attested: outside-tkg" in told
    assert "notice: nothing had to be waived for NET-4" in told
    assert "untold: it could not be found out, and so is no pass" in told


def test_checks_that_say_the_same_share_a_row() -> None:
    lost = untold("cannot be told before NET-2 is mended")
    told = text(examination(*(finding(f"TLS-{n}", lost) for n in range(1, 9))))
    assert rows(told) == [("untold", "TLS-1")]
    assert "the same: TLS-2, TLS-3, TLS-4, TLS-5, TLS-6, TLS-7, TLS-8" in told


def test_requirements_are_told_with_the_checks_that_decide() -> None:
    told = squeezed(text(examination()))
    assert "R1 met it runs outside TKG" in told
    assert (
        "R2 not met its addresses are RFC 1918, and clusters have a route to them (see NET" in told
    )
    doubt = warned("may be inside", fix="attest it")
    told = text(examination(finding("TKG-1", doubt, requirement="R1")))
    assert "R1  met" in told
    assert "(warned TKG-1)" in squeezed(told)


def test_there_are_no_escapes_without_colour_and_only_ours_with_it() -> None:
    assert "\x1b" not in text(examination())
    painted = text(examination(), Look(colour=True))
    assert "\x1b[1;31mFAIL  \x1b[0m" in painted
    assert re.sub(r"\x1b\[[0-9;]+m", "", painted) == text(examination())


def test_what_a_registry_says_can_disturb_neither_terminal_nor_table() -> None:
    bad = failed(HOSTILE, HOSTILE, fix=HOSTILE)
    told = text(examination(finding("API-1", bad, waived=HOSTILE), attested=HOSTILE))
    assert all(c.isprintable() or c == "\n" for c in told)
    assert rows(told) == [("waived", "API-1")]


@steady
@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_any_text_keeps_the_table(summary: str, detail: str, fix: str) -> None:
    told = text(examination(finding("NET-3", failed(summary, detail, fix=fix))))
    assert rows(told) == [("FAIL", "NET-3")]
    assert all(c.isprintable() or c == "\n" for c in told)
    assert told.endswith("fail: it is not fit for Tanzu Kubernetes Grid")
