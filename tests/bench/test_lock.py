"""The plot's own lock file: it brings what only the plot needs, and changes nothing else."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"^([\w.-]+)==(\S+)", re.M)


def pins(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for package, version in _PIN.findall((ROOT / name).read_text()):
        found.setdefault(package.lower(), set()).add(version)
    return found


def test_installing_the_plot_changes_no_version_of_anything_else() -> None:
    everyone, plot = pins("requirements.lock"), pins("requirements-bench.lock")
    assert {name for name in plot.keys() & everyone if plot[name] != everyone[name]} == set()


def test_only_the_bench_installs_matplotlib() -> None:
    assert "matplotlib" in pins("requirements-bench.lock")
    assert "matplotlib" not in pins("requirements.lock")
