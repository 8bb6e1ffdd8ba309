"""Small files that commands write."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mirror.errors import MachineFault


def write_plan(path: Path, text: str, mark: str) -> None:
    """Write ``text`` whole or not at all: beside the file first, then renamed over it.

    Only an older plan, known by ``mark`` near its beginning, is replaced: not a bundle whose
    name was typed by mistake, and never a device or a link.
    """
    refuse_other(path, mark)
    _replace(path, text.encode("utf-8"))


def write_record(path: Path, text: str, *, force: bool) -> None:
    """Write ``text`` whole or not at all, in place of an older file with ``force`` only."""
    refuse_taken(path, force=force)
    _replace(path, text.encode("utf-8"))


def refuse_taken(path: Path, *, force: bool) -> None:
    """MachineFault where a file cannot be written, or one is there and ``force`` does not say so.

    A link, folder or device is never replaced. Asked before a registry is, and again at the end.
    """
    _refuse_no_place(path, "the file")
    if not path.exists() and not path.is_symlink():
        return
    if path.is_symlink() or not path.is_file():
        raise MachineFault("this name is taken by no file", fact=str(path), hint=_OTHER)
    if not force:
        hint = f"{_OTHER}, or replace it with --force"
        raise MachineFault("the file exists already", fact=str(path), hint=hint)


def write_all(folder: Path, files: Iterable[tuple[str, bytes]], *, force: bool) -> None:
    """Write files into a folder, which is made if it is not there, each whole or not at all.

    A file that has these bytes already is left alone. One with others is replaced with ``force``
    only, and a link, folder or device never: MachineFault, before anything is written.
    """
    missing = [(folder / name, content) for name, content in files]
    missing = [(path, content) for path, content in missing if not _is(path, content)]
    taken = [path for path, _content in missing if path.exists() or path.is_symlink()]
    for path in taken:
        if path.is_symlink() or not path.is_file():
            raise MachineFault("this name is taken by no file", fact=str(path), hint=_ELSEWHERE)
    if taken and not force:
        names = "\n".join(map(str, taken))
        hint = "choose another folder, or replace what is there with --force"
        raise MachineFault("files exist with other content", fact=names, hint=hint)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise MachineFault.from_os("cannot make a folder", cause) from cause
    for path, content in missing:
        _replace(path, content)


def refuse_no_folder(path: Path) -> None:
    """MachineFault where something else than a folder has this name."""
    if path.exists() and not path.is_dir():
        raise MachineFault("not a folder", fact=str(path), hint=_ELSEWHERE)


def _is(path: Path, content: bytes) -> bool:
    """True for a file with just these bytes."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size != len(content):
            return False
        return path.read_bytes() == content
    except OSError as cause:
        raise MachineFault.from_os("cannot read a file", cause) from cause


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as cause:
        # What stops the one may stop the other: a name that is too long, a disk that is gone.
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        # Of a full disk the system names no file, and of another fault the one beside it.
        fact = f"{path}: {cause.strerror or cause}"
        raise MachineFault("cannot write a file", fact=fact) from cause


def refuse_other(path: Path, mark: str) -> None:
    """MachineFault where something else than an older plan has this name, or nothing may have it.

    Asked before hundreds of images are resolved, and once more before the plan is written.
    """
    _refuse_no_place(path, "the plan")
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


def _refuse_no_place(path: Path, what: str) -> None:
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise MachineFault(f"no folder to write {what} in", fact=str(path.parent))


_OTHER = "choose another name"
_ELSEWHERE = "choose another folder"
