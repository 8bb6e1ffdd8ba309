"""Runs the command line as a user does: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent.parent
SAMPLES = ROOT / "scripts" / "samples"
TKG = str(SAMPLES / "tkg-bom-v0.9.0.yaml")
TKR = str(SAMPLES / "tkr-bom-v1.30.1+example.1-tkg.1.yaml")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def tkg_mirror(*arguments: str, stdin: str = "", **environment: str) -> Ran:
    """Run `tkg-mirror` with these arguments, 80 columns wide."""
    done = subprocess.run(
        [sys.executable, "-m", "mirror", *arguments],
        input=stdin,
        env={**os.environ, "COLUMNS": "80", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)
