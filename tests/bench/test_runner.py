"""A whole scenario, small: who ran, what was counted, and that nothing is left behind."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.bench import runner
from scripts.bench.contenders import FLOOR, TOOL
from scripts.bench.measure import measure
from scripts.bench.results import Told
from scripts.bench.scenarios import SCENARIOS, Scenario
from scripts.bench.world import Worlds
from scripts.world.registry import Registry

PYTHON = sys.executable
A, H = (next(s for s in SCENARIOS if s.letter == letter) for letter in "ah")


def ran(scenario: Scenario, scratch: Path, **more: object) -> Told:
    changed = {"images": 2, "mb": 1, "rounds": 1, **more}
    small = replace(scenario, **changed)  # type: ignore[arg-type]
    told = runner.run(small, Worlds(scratch / "worlds").get(small), scratch, 2, [])
    assert list(told.errors()) == []
    assert not (scratch / "results").exists()
    assert not (scratch / "destination").exists()
    return told


def test_a_scenario_from_seed_to_second_push(registry: Registry, tmp_path: Path) -> None:
    told = ran(A, tmp_path, steps=("create", "push", "push again"), tls=True)
    assert told.facts["images"] == 2
    assert list(told.runs) == ["create", "push", "push again"]
    assert all(told.who(step) == [FLOOR, TOOL] for step in told.runs)
    (again,), (floor,) = told.good("push again", TOOL), told.good("push again", FLOOR)
    assert (again.moved, again.requests, floor.requests) == (0, 2, 2)
    (create,) = told.good("create", TOOL)
    assert create.moved is not None
    assert create.moved > 900_000
    assert create.requests > told.facts["blobs"]


def test_of_a_grown_world_only_what_is_new_moves(registry: Registry, tmp_path: Path) -> None:
    told = ran(H, tmp_path, images=6)
    assert told.runs.keys() == {"create", "push"}
    (create,), (push,) = told.good("create", TOOL), told.good("push", TOOL)
    assert push.moved is not None
    assert create.moved is not None
    assert 0 < push.moved < 0.5 * create.moved


def test_a_program_is_measured_with_what_it_says(tmp_path: Path) -> None:
    code = "import sys; x = bytearray(60 << 20); print(len(x)); sys.stderr.write('talk')"
    numbers = iter((3, 10))
    sample = measure([PYTHON, "-c", code], tmp_path, asked=lambda: next(numbers))
    assert (sample.error, sample.output, sample.requests) == ("", f"{60 << 20}\n", 7)
    assert sample.peak_mb > 60
    assert sample.cpu > 0


def test_a_failure_keeps_its_last_words_but_no_path_of_the_machine(tmp_path: Path) -> None:
    code = f"import sys; sys.exit('no space in {tmp_path}/x')"
    assert measure([PYTHON, "-c", code], tmp_path).error == "exit 1: no space in /x"


def test_a_program_that_hangs_does_not_hold_up_the_others(tmp_path: Path) -> None:
    assert measure(["sh", "-c", "sleep 60"], tmp_path, limit=0.05).error == "exit -9:"


def test_settings_and_credentials_of_whoever_measures_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "no_proxy", "TKG_MIRROR_PASSWORD", "REGISTRY_AUTH_FILE"):
        monkeypatch.setenv(name, "canary")
    code = "import os; print(sorted(os.environ.items()))"
    output = measure([PYTHON, "-c", code], tmp_path, more={"SSL_CERT_FILE": "ca.pem"}).output
    assert "canary" not in output
    assert f"('HOME', '{tmp_path}')" in output
    assert "('SSL_CERT_FILE', 'ca.pem')" in output
