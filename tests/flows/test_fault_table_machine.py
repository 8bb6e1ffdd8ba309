"""Faults of this machine, row by row: its disk, its folders, and others who use them.

Each docstring begins with the row's own words. Rows kept elsewhere:

    local disk full, by the writer    bundle/test_writer
                                      .test_a_full_disk_is_found_before_the_first_blob,
                                      .test_a_limit_on_file_sizes_is_found_before_the_first_blob
    SIGINT/SIGTERM                    test_interrupt, all of it; test_kill
                                      .test_an_interrupted_create_says_so_and_goes_on,
                                      .test_an_interrupted_push_says_so_and_goes_on
    kill -9 at any time               test_kill, all of it
    journal, torn last line           bundle/test_writer
                                      .test_a_torn_last_line_counts_for_nothing_and_spoils_no_other
    concurrent run on same output     bundle/test_lock; test_interrupt
                                      .test_a_second_run_on_one_output_is_told_who_was_first
    clock skew                        test_fault_table_manners
    output that is there, or a link   test_create, test_abuse_bundles
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.world.disk import NoMount, on_small_disk
from tests.fakes.proxy import FaultProxy
from tests.fakes.proxy_actions import Hold
from tests.fakes.registries import absent
from tests.flows.cli import ROOT, Ran, finished, start
from tests.flows.faulty import BLOBS, IMAGES, NAMED, create
from tests.flows.faulty import bundle as bundle
from tests.flows.faulty import front as front


def command(front: FaultProxy, output: Path, names: Path) -> list[str]:
    names.write_text("".join(f"{NAMED}/{name}\n" for name in IMAGES))
    where = ("--source-repo", NAMED, "--rewrite", f"{NAMED}={front.host}/tkg", "--plain-http")
    return ["bundle", "create", "--images", str(names), *where, "-o", str(output)]


def on_disk_of(size: int, place: Path, arguments: list[str]) -> Ran:
    """Run the tool with a disk of so many bytes at ``place``, and list it at the end."""
    place.mkdir()
    script = '"$0" -m mirror "$@"; code=$?; ls -A . >&2; exit $code'
    try:
        whole = on_small_disk(
            ["sh", "-c", f'cd "{place}" && PYTHONPATH="{ROOT}" {script}'], place, size
        )
    except NoMount as cause:
        absent(str(cause))
    done = subprocess.run(
        [*whole, sys.executable, *arguments], capture_output=True, text=True, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def test_a_full_disk_stops_a_create_before_the_first_blob(
    front: FaultProxy, tmp_path: Path
) -> None:
    """Local disk full: preflight statvfs, stop, remove torn temp, exit code distinct."""
    disk, names = tmp_path / "disk", tmp_path / "images.txt"
    ran = on_disk_of(1 << 20, disk, command(front, disk / "x.tar", names))
    assert ran.code == 9, ran.err
    assert "no room for the bundle" in ran.err
    assert "1.0 MiB are free there" in ran.err
    assert ran.err.endswith("plan' tells what is needed\n"), "nothing is left on the disk"
    assert front.count("GET", "/blobs/") == 0


def test_a_disk_with_room_takes_the_bundle_and_nothing_else(
    front: FaultProxy, tmp_path: Path
) -> None:
    """Local disk full: the same disk, somewhat larger."""
    disk, names = tmp_path / "disk", tmp_path / "images.txt"
    ran = on_disk_of(4 << 20, disk, command(front, disk / "x.tar", names))
    assert ran.code == 0, ran.err
    assert ran.err.splitlines()[-1] == "x.tar"


def test_what_was_fetched_before_a_stop_is_kept(
    front: FaultProxy, bundle: Path, tmp_path: Path
) -> None:
    """Local disk full, kill -9: keep completed blobs; the next run asks for the others alone."""
    output, hold = tmp_path / "x.tar", Hold()
    front.on("GET", "/blobs/", hold, nth=len(BLOBS))
    first = start(*command(front, output, tmp_path / "images.txt"), "-j", 1)
    hold.reached()
    first.kill()
    finished(first)
    hold.let_go()
    front.settle()
    ran = create(front, output)
    assert ran.code == 0, ran.err
    *before, last = [record.path for record in front.found("GET", "/blobs/")]
    assert len({*before}) == len(before) == len(BLOBS)
    assert last == before[-1]
    assert output.read_bytes() == bundle.read_bytes()


def test_a_beginning_that_somebody_else_left_is_not_gone_on_with(
    front: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Output in sticky world-writable dir owned by other: refuse what is theirs."""
    theirs = tmp_path / "x.tar.partial"
    theirs.write_bytes(b"")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    ran = create(front, tmp_path / "x.tar")
    assert ran.code == 9, ran.err
    assert "somebody else's" in ran.err
    assert str(theirs) in ran.err
    assert front.count("GET", "/blobs/") == 0
    assert not (tmp_path / "x.tar").exists()


@pytest.mark.parametrize("mode", [0o1777, 0o777])
def test_a_folder_that_another_user_opened_to_all_is_no_place_for_a_bundle(
    front: FaultProxy, tmp_path: Path, mode: int
) -> None:
    """Output in a sticky, world-writable folder owned by another: refuse."""
    if os.geteuid():
        absent("only root can make a folder of another user")
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    assert create(front, folder / "own.tar").code == 0
    os.chown(folder, 12345, -1)
    ran = create(front, folder / "x.tar")
    assert ran.code == 9
    assert "somebody else's, and open to all" in ran.err
    assert [path.name for path in folder.glob("*.tar*")] == ["own.tar"]
