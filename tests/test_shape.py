"""Keeps files and functions readable in one look, and words out that do not belong."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from statistics import quantiles

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(path for room in ("bom", "mirror") for path in (ROOT / room).rglob("*.py"))

# Hosts of package indexes: a file that names one does not work behind the gap.
INDEX_HOSTS = re.compile(r"(pypi|pythonhosted|npmjs|debian|ubuntu)\.(org|com)/")


def lengths(path: Path) -> list[int]:
    """Lines of each function, its docstring left out."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef):
            documented = ast.get_docstring(node) is not None
            start = node.body[0].end_lineno or 0 if documented else node.lineno - 1
            found.append((node.end_lineno or 0) - start)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 400


def test_half_of_all_functions_are_short_and_nine_in_ten_fit_a_screen() -> None:
    deciles = quantiles([length for path in FILES for length in lengths(path)], n=10)
    assert deciles[4] < 13
    assert deciles[8] < 40


def test_every_public_module_says_what_room_it_is() -> None:
    assert [p for p in FILES if not ast.get_docstring(ast.parse(p.read_text("utf-8")))] == []


def test_no_file_names_the_host_of_a_package_index() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    if not tracked:
        pytest.skip("not a git checkout, so there is no list of the project's files")
    own = [ROOT / name for name in tracked.split("\0") if name]
    texts = [path for path in own if path.is_file() and path != Path(__file__)]
    found = [p.name for p in texts if INDEX_HOSTS.search(p.read_text("utf-8", "replace"))]
    assert found == []
