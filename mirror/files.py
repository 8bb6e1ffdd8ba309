"""Small files that commands write."""

from __future__ import annotations

import os
from pathlib import Path

from mirror.errors import MachineFault


def write_new(path: Path, text: str) -> None:
    """Write ``text`` whole or not at all: beside the file first, then renamed over it."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as cause:
        beside.unlink(missing_ok=True)
        raise MachineFault.from_os("cannot write a file", cause) from cause
