"""What starting up imports. A test lists modules, since a clock would only measure the machine."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

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
from mirror.cli.app import app
try:
    app({arguments!r}, prog_name="tkg-mirror")
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["bundle", "create", "--help"], ["preflight", "--help"]],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = LIST.format(arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert loaded & HEAVY == set()
