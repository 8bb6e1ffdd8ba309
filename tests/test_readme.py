"""The README shows the help that the tool prints, and names every command and exit code."""

from __future__ import annotations

import re

import pytest

from mirror.cli.app import tree
from mirror.preflight.catalogue import CHECKS
from mirror.report.preflight import FAMILIES
from scripts.readme import README, documented, help_of
from tests.flows.cli import commands_of

TEXT = README.read_text("utf-8")


@pytest.mark.parametrize(("command", "text"), documented(TEXT), ids=lambda value: value[:30])
def test_a_help_text_is_what_the_command_prints(command: str, text: str) -> None:
    assert text == help_of(command), "run: python -m scripts.readme"


def test_the_help_of_every_command_is_in_the_readme() -> None:
    commands = {" ".join([*words, "--help"]) for words in commands_of(tree())}
    assert commands | {"--help"} == {command for command, _text in documented(TEXT)}


def test_every_environment_variable_of_the_help_is_in_the_readme() -> None:
    named = {
        name for _command, text in documented(TEXT) for name in re.findall(r"TKG_MIRROR_\w+", text)
    }
    table = TEXT[TEXT.index("## Environment variables") : TEXT.index("## Results for scripts")]
    assert {name for name in named if name not in table} == set()


SECTION = TEXT[TEXT.index("## Is the registry fit?") : TEXT.index("## Bad networks")]
# Check and requirement of each row: | NET-3 | what must hold | R2 | fail |
ROWS = dict(re.findall(r"^\| ([A-Z]+-\d+) \|[^|]*\| (R\d|) ?\|[^|]*\|$", SECTION, re.M))


def test_every_check_of_a_preflight_is_in_the_table_under_its_requirement() -> None:
    checks = {check.id: check.requirement for check in CHECKS}
    assert {name: ROWS.get(name) for name in checks} == checks


def test_the_table_has_no_check_that_there_is_not() -> None:
    assert set(ROWS) == {check.id for check in CHECKS}


def test_the_table_is_in_the_order_of_the_families() -> None:
    families = list(dict.fromkeys(name.partition("-")[0] for name in ROWS))
    assert families == list(FAMILIES)
