"""Small files that commands write."""

from __future__ import annotations

import os
from pathlib import Path

from mirror.errors import MachineFault


def write_plan(path: Path, text: str, mark: str) -> None:
    """Write ``text`` whole or not at all: beside the file first, then renamed over it.

    Only an older plan, known by ``mark`` near its beginning, is replaced: not a bundle whose
    name was typed by mistake, and never a device or a link.
    """
    refuse_other(path, mark)
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("x", encoding="utf-8") as file:
            file.write(text)
        beside.replace(path)
    except OSError as cause:
        beside.unlink(missing_ok=True)
        raise MachineFault.from_os("cannot write a file", cause) from cause


def refuse_other(path: Path, mark: str) -> None:
    """MachineFault where something else than an older plan has this name."""
    if not path.exists() and not path.is_symlink():
        return
    try:
        plain = path.is_file() and not path.is_symlink()
        with path.open("rb") as file:
            known = plain and mark.encode() in file.read(4096)
    except OSError as cause:
        raise MachineFault.from_os("cannot write a file", cause) from cause
    if not known:
        raise MachineFault("the file exists, and is no plan", fact=str(path), hint=_OTHER)


_OTHER = "choose another name"
