"""The command lines of everyone: what they are told, and that they ask nobody but loopback."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.bench import peers
from scripts.bench.contenders import Contender, Floor, Tool
from scripts.bench.peers import PEERS
from scripts.bench.site import Site, Wanted

IMAGES = (
    Wanted("bench/app-0", "v1", f"sha256:{'0' * 64}"),
    Wanted("bench/app-1", "v1", f"sha256:{'1' * 64}"),
)
TO = "127.0.0.1:5002/dest"
EVERYONE: tuple[Contender, ...] = (Floor(), Tool(), *PEERS)
# A host with a dot or a port, as references, URLs and options have it.
HOST = re.compile(r"(?<![\w./-])(?:\d+\.\d+\.\d+\.\d+|localhost|[\w-]+(?:\.[\w-]+)+)(?::\d+)?(?=/)")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site("127.0.0.1:5001", IMAGES, tmp_path / "lists")


def said(site: Site, command: list[str] | None) -> str:
    """A command with all that it is told in files."""
    assert command
    files = [Path(word) for word in command if word.startswith(str(site.folder))]
    return "\n".join([" ".join(command), *(file.read_text() for file in files)])


@pytest.mark.parametrize("who", EVERYONE, ids=lambda who: who.name)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_everyone_asks_for_every_image_and_nobody_else(
    who: Contender, site: Site, tmp_path: Path, tls: bool
) -> None:
    site = replace(site, ca=tmp_path / "ca.pem" if tls else None)
    create = said(site, who.create(site, tmp_path / "out"))
    for image in IMAGES:
        assert f"{site.host}/{image.repository}" in create
    push = said(site, who.push(site, tmp_path / "out", TO))
    assert TO in push
    for text in (create, push):
        hosts = set(HOST.findall(text)) - {"imgpkg.carvel.dev"}
        assert hosts <= {"127.0.0.1:5001", "127.0.0.1:5002"}
        insecure = re.search(
            r"plain-http|insecure(?!-policy)|tls-verify.{1,3}false|tls=disabled", text
        )
        assert bool(insecure) is not (tls or who.name == "floor")


@pytest.mark.parametrize("who", EVERYONE, ids=lambda who: who.name)
def test_whose_result_is_not_kept_is_not_asked_to_read_it(
    who: Contender, site: Site, tmp_path: Path
) -> None:
    if not who.kept and who.name != "floor":
        target = tmp_path / "out"
        assert who.show(target) is None
        assert who.verify(target) is None
        assert str(target) not in said(site, who.push(site, target, TO))


def test_one_after_the_other_until_one_fails(site: Site) -> None:
    script = said(site, PEERS[-1].create(site, Path("out"))).splitlines()
    assert script[0] == f"sh {site.folder}/skopeo.sh"
    assert script[1] == "set -e"
    assert [line.split()[-1] for line in script[2:]] == ["oci:out:app-0", "oci:out:app-1"]


def test_imgpkg_is_given_digests_in_a_lock(site: Site) -> None:
    command = PEERS[0].create(site, Path("out.tar"))
    assert command
    lock = json.loads(Path(command[command.index("--lock") + 1]).read_text())
    assert [i["image"] for i in lock["images"]] == [
        f"127.0.0.1:5001/{i.repository}@{i.digest}" for i in IMAGES
    ]


def test_a_tool_with_ranges_is_asked_to_create_alone(site: Site, tmp_path: Path) -> None:
    tool = Tool("--ranges", "4")
    assert tool.name == "tkg-mirror --ranges 4"
    assert said(site, tool.create(site, tmp_path)).splitlines()[0].count("--ranges 4") == 1
    assert said(site, Tool("-j", "16").push(site, tmp_path, TO)).split().index("16") > 0
    assert tool.verify(tmp_path) is tool.show(tmp_path) is tool.push(site, tmp_path, TO) is None


def test_only_who_is_on_path_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("crane", "oras"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [peer.name for peer in peers.installed()] == ["crane", "oras"]
    assert [peer.name for peer in peers.installed(["oras", "skopeo"])] == ["oras"]
