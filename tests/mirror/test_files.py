"""Files that a command writes: whole or not at all, and never over something else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mirror.errors import MachineFault
from mirror.files import refuse_no_folder, refuse_other, write_all

FILES = [("a.yaml", b"one"), ("b.yaml", b"two")]


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_are_written_into_a_folder_that_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "one"
    write_all(folder, FILES, force=False)
    assert held(folder) == dict(FILES)


def test_a_file_with_the_same_bytes_is_left_alone(tmp_path: Path) -> None:
    write_all(tmp_path, FILES, force=False)
    before = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    for force in (False, True):
        write_all(tmp_path, FILES, force=force)
    assert {path.name: path.stat().st_ino for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("other", [b"eno", b"", b"one, and more"])
def test_one_with_other_bytes_is_refused_before_anything_is_written(
    tmp_path: Path, other: bytes
) -> None:
    (tmp_path / "b.yaml").write_bytes(other)
    with pytest.raises(MachineFault) as caught:
        write_all(tmp_path, FILES, force=False)
    assert "b.yaml" in caught.value.fact
    assert "a.yaml" not in caught.value.fact
    assert "--force" in caught.value.hint
    assert held(tmp_path) == {"b.yaml": other}
    write_all(tmp_path, FILES, force=True)
    assert held(tmp_path) == dict(FILES)


def test_all_that_stand_in_the_way_are_named(tmp_path: Path) -> None:
    for name, _content in FILES:
        (tmp_path / name).write_bytes(b"other")
    with pytest.raises(MachineFault) as caught:
        write_all(tmp_path, FILES, force=False)
    assert len(caught.value.fact.splitlines()) == 2


@pytest.mark.parametrize("kind", ["link", "broken link", "link to the same", "pipe", "folder"])
def test_links_pipes_and_folders_are_never_replaced(tmp_path: Path, kind: str) -> None:
    folder, target = tmp_path / "folder", tmp_path / "target"
    folder.mkdir()
    path = folder / "b.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(target)
    if kind != "broken link":
        target.write_bytes(b"two" if "same" in kind else b"precious")
    for force in (False, True):
        with pytest.raises(MachineFault):
            write_all(folder, FILES, force=force)
    assert [each.name for each in folder.iterdir()] == ["b.yaml"]
    assert not target.exists() or target.read_bytes() in (b"two", b"precious")


@pytest.mark.parametrize("place", ["file", "file/below", "link"])
def test_what_is_no_folder_is_a_fault_of_this_machine(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(MachineFault):
        write_all(tmp_path / place, FILES, force=False)
    assert (tmp_path / "file").read_bytes() == b""


def test_a_file_in_place_of_the_folder_is_seen_before_anybody_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MachineFault):
        refuse_no_folder(tmp_path / "file")
    refuse_no_folder(tmp_path)
    refuse_no_folder(tmp_path / "new")


def test_nothing_half_written_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(MachineFault, match="No space left"):
        write_all(tmp_path, FILES, force=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["none/plan.json", "file/plan.json"])
def test_a_plan_without_a_folder_is_refused_before_hundreds_of_images_are_resolved(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineFault, match="no folder") as caught:
        refuse_other(tmp_path / place, "mark")
    assert caught.value.fact == str((tmp_path / place).parent)
