"""What a preflight goes by is named with its digest, and a bundle by what names all its bytes."""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path

import pytest

from mirror.cli.examined import handed_in
from mirror.cli.preflight_options import ExpectedOptions
from mirror.errors import BundleFault, MachineFault
from mirror.preflight.run import Examination
from mirror.report.circumstances import circumstances
from mirror.report.preflight import document
from mirror.report.preflight_html import render
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import listed, run, stock


def test_a_bundle_is_named_by_the_digest_of_its_bundle_json(
    fake: FakeRegistry, tmp_path: Path
) -> None:
    bundle = tmp_path / "tkg.tar"
    images = listed(fake, stock(fake, 2), tmp_path)
    assert run("bundle", "create", "--images", images, "-o", bundle, "--plain-http").code == 0
    with tarfile.open(bundle) as tar:
        content = tar.extractfile("bundle.json")
        assert content
        expected = hashlib.sha256(content.read()).hexdigest()
    (given,) = handed_in(ExpectedOptions(bundle=bundle))
    assert (given.kind, given.name, given.sha256) == ("bundle", str(bundle), expected)


def test_every_file_is_named_in_the_order_of_its_weight(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml", "plan.json", "prod.yaml"):
        (tmp_path / name).write_text(name)
    boms = [str(tmp_path / name) for name in ("a.yaml", "b.yaml")]
    plan, config = str(tmp_path / "plan.json"), tmp_path / "prod.yaml"
    wanted = ExpectedOptions(bom=boms, plan=plan, cluster_config=config)
    given = list(handed_in(wanted))
    assert [(each.kind, Path(each.name).name) for each in given] == [
        ("BOM", "a.yaml"),
        ("BOM", "b.yaml"),
        ("plan", "plan.json"),
        ("cluster configuration", "prod.yaml"),
    ]
    assert [each.sha256 for each in given] == [
        hashlib.sha256(Path(each.name).name.encode()).hexdigest() for each in given
    ]


def test_standard_input_is_left_for_whoever_reads_the_plan_and_named_all_the_same() -> None:
    (given,) = handed_in(ExpectedOptions(plan="-"))
    assert (given.kind, given.name, given.sha256) == ("plan", "-", "")


def test_a_pipe_has_no_digest_rather_than_that_of_nothing(tmp_path: Path) -> None:
    """``--cluster-config <(sops -d prod.yaml)``: whoever read it left an empty pipe behind."""
    pipe, config = tmp_path / "pipe", tmp_path / "prod.yaml"
    os.mkfifo(pipe)
    config.write_text("CLUSTER_PLAN: prod\n")
    wanted = ExpectedOptions(bom=[str(pipe)], cluster_config=config)
    by = circumstances("", handed_in(wanted))
    told = document(Examination("h/tkg", (), 0.0, 0), by)["inputs"]
    assert [each["sha256"] is None for each in told] == [True, False]
    assert "no sha256" in render(Examination("h/tkg", (), 0.0, 0), by)


def test_what_cannot_be_read_is_a_fault_of_its_own_kind(tmp_path: Path) -> None:
    other = tmp_path / "other.tar"
    other.write_bytes(b"no bundle")
    with pytest.raises(BundleFault):
        list(handed_in(ExpectedOptions(bundle=other)))
    with pytest.raises(MachineFault):
        list(handed_in(ExpectedOptions(plan=str(tmp_path / "none.json"))))
