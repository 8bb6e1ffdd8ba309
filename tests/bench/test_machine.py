"""The machine is described by what the system says; figures without it say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.bench.machine import (
    cpu_model,
    described,
    file_system,
    memory_gib,
    programs,
    system_name,
    version_in,
)

MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
tmpfs /var tmpfs rw 0 0
/dev/vdb /var/bench xfs rw 0 0
overlay /var/bench overlay rw 0 0
"""


def test_the_processor_by_its_name() -> None:
    text = "processor\t: 0\nmodel name\t: AMD  EPYC 7B13\nmodel name\t: another\n"
    assert cpu_model(text) == "AMD EPYC 7B13"
    assert cpu_model("processor\t: 0\nBogoMIPS\t: 50.00\n") == ""


def test_memory_and_system() -> None:
    assert memory_gib("MemTotal:       24541036 kB\nMemFree: 1 kB\n") == 23
    assert system_name('NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n') == (
        "Debian GNU/Linux 12 (bookworm)"
    )


@pytest.mark.parametrize(
    ("place", "kind"),
    [("/home/x", "ext4"), ("/var/x", "tmpfs"), ("/var/bench/x", "overlay"), ("/varx", "ext4")],
)
def test_the_file_system_is_that_of_the_deepest_and_last_mount(place: str, kind: str) -> None:
    assert file_system(MOUNTS, Path(place)) == kind


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("skopeo version 1.9.3\n", "1.9.3"),
        ("docker-registry github.com/docker/distribution 2.8.2+ds1\n", "2.8.2+ds1"),
        ("v0.22.1\n", "0.22.1"),
        ("imgpkg version 0.43.0-31-g240e8789\n\nSucceeded\n", "0.43.0-31-g240e8789"),
        ("Version:    1.3.6\nGo version: go1.26.8\n", "1.3.6"),
        ("VCSTag:     v0.11.7\nVCSRef:     unknown\n", "0.11.7"),
        ("", "unknown"),
    ],
)
def test_a_version_is_found_in_what_each_program_says(said: str, version: str) -> None:
    assert version_in(said) == version


def test_this_machine_has_an_answer_to_everything(tmp_path: Path) -> None:
    assert all(described(tmp_path).values())
    assert programs(())["tkg-mirror"] != "unknown"
