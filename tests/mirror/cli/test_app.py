"""One command is made alone where it is named, and must be the same as among all others."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from mirror.cli.app import tree
from tests.flows.cli import commands_of

COMMANDS = commands_of(tree())


def said(made_for: list[str], arguments: list[str]) -> tuple[int, str]:
    """Exit code and words of a command line in the tree that another one gets."""
    done = CliRunner().invoke(tree(made_for), arguments, prog_name="tkg-mirror")
    return done.exit_code, done.output


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("more", [["--help"], ["--no-such-option"], []])
def test_alone_it_says_what_it_says_among_all(words: list[str], more: list[str]) -> None:
    arguments = [*words, *more]
    assert commands_of(tree(arguments)) == [words]
    assert said(arguments, arguments) == said([], arguments)


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["bundle"], ["bundle", "pus"], ["push"], ["--version", "copy"]]
)
def test_who_names_no_command_sees_them_all(arguments: list[str]) -> None:
    assert commands_of(tree(arguments)) == COMMANDS
