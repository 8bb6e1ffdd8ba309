"""Keeps the README's help texts true: `python -m scripts.readme` writes them anew.

A block that begins with ``$ tkg-mirror ... --help`` holds what that command prints, 80 columns
wide.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
_BLOCK = re.compile(r"```console\n\$ tkg-mirror (?P<command>[a-z ]*--help)\n(?P<text>.*?)```", re.S)


def help_of(command: str) -> str:
    """What `tkg-mirror <command>` prints."""
    environment = {**os.environ, "COLUMNS": "80", "NO_COLOR": "1"}
    line = [sys.executable, "-m", "mirror", *command.split()]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=True).stdout


def documented(text: str) -> list[tuple[str, str]]:
    """Each command whose help the README shows, with the text it shows."""
    return [(match["command"], match["text"]) for match in _BLOCK.finditer(text)]


def renewed(text: str) -> str:
    """The README with every help text as it is now."""
    return _BLOCK.sub(
        lambda match: (
            f"```console\n$ tkg-mirror {match['command']}\n{help_of(match['command'])}```"
        ),
        text,
    )


def main() -> None:
    """Rewrite the README."""
    text = README.read_text("utf-8")
    README.write_text(renewed(text), "utf-8")
    print(f"{len(documented(text))} help texts are up to date")


if __name__ == "__main__":
    main()
