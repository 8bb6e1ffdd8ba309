"""The images of a whole made-up TKG release over the gap, judged by plain requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.world.registry import Registry
from tests.fakes.tkg import TkgSource
from tests.flows.cli import run
from tests.flows.judge_tkg import judge

pytestmark = pytest.mark.xdist_group("tkg")

VERSION, TKR = "v1.6.0", "v1.23.8+vmware.2-tkg.1"


def test_all_that_two_boms_name_arrives_whole(tkg_source: TkgSource, tmp_path: Path) -> None:
    """Images that only kubeadm names, an override, Windows, a tag that looks like a number.

    The BOMs say nothing of a bundle's members, so bundles that have some are not judged here.
    """
    world = tkg_source.world
    boms = [each for v in (VERSION, TKR) for each in ("--bom", world.write_bom(v, tmp_path))]
    sources = ("--source-repo", world.repository, "--rewrite", world.rewrite, "--plain-http")
    bundle = tmp_path / "tkg.tar"
    created = run("bundle", "create", *boms, *sources, "-o", bundle)
    assert created.code == 0, created.err
    expected = world.expected(VERSION, [TKR], infrastructures=[])
    with_members = {each.path for each in expected if each.kind == "member"}
    named = [e for e in expected if e.kind in ("bom", "image", "kubeadm")]
    with Registry(foreign=True) as destination:
        pushed = run("bundle", "push", bundle, f"{destination.host}/air/gap", "--plain-http")
        assert pushed.code == 0, pushed.err
        judge(destination.url, "air/gap", [e for e in named if e.path not in with_members])
