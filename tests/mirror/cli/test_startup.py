"""What starting up imports. A test lists modules, since a clock would only measure the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.simple import FakeRegistry
from tests.flows.cli import listed, stock
from tests.mirror.bundle.small import two_images

HEAVY = {
    "asyncio",
    "cryptography",
    "dns",
    "httpx",
    "jinja2",
    "oras",
    "pydantic",
    "requests",
    "rich",
    "ssl",
    "tenacity",
    "yaml",
}

LIST = """
import json, sys
from mirror.cli.app import tree
try:
    tree({arguments!r})({arguments!r}, prog_name="tkg-mirror")
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


# What speaks to registries, and what reads BOMs.
NETWORK = {"httpcore", "httpx", "mirror.registry", "ssl", "urllib.request"}
BOMS = {"bom.images", "bom.model", "bom.parse", "mirror.release", "mirror.resolve", "yaml"}


def loaded(*arguments: str) -> set[str]:
    """The modules that a command has loaded when it ends; it must end well."""
    program = LIST.format(arguments=list(arguments))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "error:" not in done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["bundle", "create", "--help"], ["preflight", "--help"]],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    assert loaded(*arguments) & HEAVY == set()


@pytest.mark.parametrize("command", ["show", "verify"])
def test_who_looks_at_a_bundle_needs_no_network_and_no_boms(command: str, tmp_path: Path) -> None:
    path = two_images().write(tmp_path / "x.tar")
    found = loaded("bundle", command, str(path), "--format", "json")
    assert found & (HEAVY | NETWORK | BOMS | {"mirror.preflight"}) == set()


def test_a_push_needs_no_boms_and_nothing_for_what_goes_wrong(
    fake: FakeRegistry, tmp_path: Path
) -> None:
    path = two_images().write(tmp_path / "x.tar")
    found = loaded("bundle", "push", str(path), f"{fake.host}/air/gap", "--plain-http")
    assert found & ((HEAVY - NETWORK) | BOMS | {"mirror.preflight"}) == set()


def test_a_list_is_carried_without_what_reads_yaml(fake: FakeRegistry, tmp_path: Path) -> None:
    images = listed(fake, stock(fake, 1), tmp_path)
    bundle = str(tmp_path / "x.tar")
    found = loaded("bundle", "create", "--images", str(images), "-o", bundle, "--plain-http")
    assert found & {"yaml", "bom.parse", "mirror.release", "mirror.preflight"} == set()
