"""`bom diff` from files alone, and with a registry that is asked what an upgrade moves."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from scripts.world.images import Image, ImageSpec, build
from tests.bom.documents import REAL, TKG, TKR, needs_real
from tests.fakes.behaviours import answer
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, run

QUICK = ("--resolve", "--plain-http", "--retries", 0)
OLD, NEW = REAL / "bom" / "tkg-bom-v1.3.1-zlatest.yaml", REAL / "bom" / "tkg-bom-v1.6.0.yaml"

PILOT_1 = build(ImageSpec("pilot-1", bases=(("base", 900),), own=(700,)))
PILOT_2 = build(ImageSpec("pilot-2", bases=(("base", 900),), own=(800,)))
KEPT = build(ImageSpec("kept", own=(500,), platforms=("amd64", "arm64")))
EXTRA = build(ImageSpec("extra", bases=(("base", 900),), own=(600,)))


def document(base: str, release: str, *images: str) -> str:
    """A TKG BOM with a component for each ``name:tag``."""
    places = "".join(
        f"  {name}: [{{version: {tag}, images: {{i: {{imagePath: {name}, tag: {tag}}}}}}}]\n"
        for name, _, tag in (image.partition(":") for image in images)
    )
    return (
        f"default: {{k8sVersion: v1.30.1+example.1}}\nrelease: {{version: {release}}}\n"
        f"imageConfig: {{imageRepository: {base}}}\ncomponents:\n{places}"
    )


class Releases:
    """Two releases in one registry, and their BOM files."""

    def __init__(self, fake: FakeRegistry, folder: Path) -> None:
        self.fake = fake
        self.old, self.new = folder / "old.yaml", folder / "new.yaml"
        base = f"{fake.host}/tkg"
        self.old.write_text(document(base, "v1", "pilot:v1", "kept:v1", "gone:v1"))
        self.new.write_text(document(base, "v2", "pilot:v2", "kept:v1", "extra:v1"))
        self.add("pilot", "v1", PILOT_1)
        self.add("pilot", "v2", PILOT_2)
        self.add("kept", "v1", KEPT)
        self.add("gone", "v1", build(ImageSpec("gone")))
        self.add("extra", "v1", EXTRA)

    def add(self, name: str, tag: str, image: Image) -> None:
        self.fake.add(f"tkg/{name}", tag, image)

    def diff(self, *more: object) -> Ran:
        return run("bom", "diff", self.old, self.new, *more)

    def json(self, *more: object) -> dict[str, Any]:
        ran = self.diff("--format", "json", *more)
        assert ran.code == 0, ran.err
        assert ran.json["schema"] == "tkg-mirror/diff/v1"
        return ran.json


@pytest.fixture
def releases(fake: FakeRegistry, tmp_path: Path) -> Releases:
    return Releases(fake, tmp_path)


def size(*images: Image, less: tuple[Image, ...] = ()) -> tuple[int, int]:
    """Unique blobs and their bytes, without those that ``less`` have."""
    blobs = {d: b.size for image in images for d, b in image.everything().items()}
    for digest in {d for image in less for d in image.everything()}:
        blobs.pop(digest, None)
    return len(blobs), sum(blobs.values())


# --- from the files alone ---------------------------------------------------------------------


def test_no_registry_is_asked_unless_that_is_wanted(releases: Releases) -> None:
    found = releases.json()
    assert releases.fake.requests == []
    assert (found["bytes"], found["unresolved"]) == (None, [])
    assert [each["path"] for each in found["images"]["added"]] == ["extra"]
    assert [each["path"] for each in found["images"]["removed"]] == ["gone"]
    ((pair),) = found["images"]["changed"]
    assert (pair["old"]["tag"], pair["new"]["tag"]) == ("v1", "v2")
    assert pair["new"]["reference"] == f"{releases.fake.host}/tkg/pilot:v2"
    assert pair["new"]["components"] == ["pilot/v2"]
    assert pair["new"]["digest"] is None
    assert found["images"]["unchanged"] == 1
    assert (found["old"]["release"], found["new"]["release"]) == ("v1", "v2")


def test_the_text_reads_as_release_notes(releases: Releases) -> None:
    lines = [" ".join(line.split()) for line in releases.diff().out.splitlines()]
    assert lines[0] == "TKG BOM v1 -> v2"
    assert "pilot v1 -> v2" in lines
    assert (
        lines.index("Images changed") < lines.index("Images added") < lines.index("Images removed")
    )
    assert "components 1 changed, 1 added, 1 removed" in lines
    assert "images 1 changed, 1 added, 1 removed" in lines
    assert lines[-1] == "1 as before"


def test_from_one_release_to_itself_nothing_is_listed(releases: Releases) -> None:
    ran = run("bom", "diff", releases.old, releases.old)
    assert (ran.code, "Images" in ran.out) == (0, False)
    assert "0 changed, 0 added, 0 removed" in ran.out


@needs_real
def test_the_real_boms_in_80_columns() -> None:
    ran = run("bom", "diff", OLD, NEW)
    assert ran.code == 0
    assert [line for line in ran.out.splitlines() if len(line) > 80] == []
    lines = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert "default TKr v1.20.5+vmware.1-tkg.1-zlatest -> v1.23.8+vmware.2-tkg.1" in lines
    assert "envoy v1.17.0_vmware.1 -> v1.21.3_vmware.1" in lines
    assert "components 37 changed, 9 added, 6 removed" in lines
    assert "images 58 changed, 54 added, 8 removed" in lines


@needs_real
def test_the_real_boms_in_json() -> None:
    found = json.loads(run("bom", "diff", OLD, NEW, "--format", "json").out)
    (contour,) = [c for c in found["components"]["changed"] if c["name"] == "contour"]
    assert contour == {
        "name": "contour",
        "old": ["v1.12.0+vmware.1"],
        "new": ["v1.17.2+vmware.1", "v1.18.2+vmware.1", "v1.20.2+vmware.1"],
    }
    counts = {name: len(each) for name, each in found["images"].items() if name != "unchanged"}
    assert counts == {"added": 54, "removed": 8, "changed": 58}


def test_two_kinds_are_an_input_fault(tmp_path: Path) -> None:
    tkg, tkr = tmp_path / "tkg.yaml", tmp_path / "tkr.yaml"
    tkg.write_text(TKG)
    tkr.write_text(TKR)
    ran = run("bom", "diff", tkg, tkr, "--format", "json")
    assert ran.code == 3
    assert ran.json["schema"] == "tkg-mirror/diff/v1"
    assert "a TKr BOM" in ran.json["error"]["fact"]


@needs_real
def test_a_compatibility_file_is_no_bom_to_compare(releases: Releases) -> None:
    ran = run("bom", "diff", releases.old, REAL / "compat" / "tkr-compatibility-v19.yaml")
    assert ran.code == 3
    assert "tkr-compatibility" in ran.err


def test_a_rewrite_without_anything_to_fetch_is_refused(releases: Releases) -> None:
    ran = releases.diff("--rewrite", "a.example/b=c.example/d")
    assert (ran.code, "--resolve" in ran.err) == (2, True)


def test_nothing_in_a_files_name_reaches_the_terminal_as_control(tmp_path: Path) -> None:
    evil = tmp_path / "a\x1b[2J\u202e.yaml"
    evil.write_text(f"{TKG}---\nkind: Secret\n")
    for more in ((), ("--format", "json")):
        ran = run("bom", "diff", evil, evil, *more)
        assert ran.code == 0, ran.err
        assert "left aside" in ran.err
        assert {c for c in ran.out + ran.err if not c.isprintable()} == {"\n"}


# --- with the registry ------------------------------------------------------------------------


def test_what_an_upgrade_moves_and_what_the_whole_release_is(releases: Releases) -> None:
    found = releases.json(*QUICK)
    new, old = (PILOT_2, KEPT, EXTRA), (PILOT_1, KEPT, build(ImageSpec("gone")))
    for name, images, (blobs, total) in (
        ("new", 3, size(*new)),
        ("moves", 2, size(*new, less=old)),
    ):
        assert found["bytes"][name] == {"images": images, "blobs": blobs, "bytes": total}
    assert found["bytes"]["moves"]["bytes"] < found["bytes"]["new"]["bytes"]
    ((pair),) = found["images"]["changed"]
    assert pair["old"]["digest"] == PILOT_1.manifest.digest
    assert pair["new"]["digest"] == PILOT_2.manifest.digest


def test_the_whole_is_what_bundle_plan_says_of_the_new_release(releases: Releases) -> None:
    # The BOM's own image too, where the registry has it.
    releases.add("tkg-bom", "v2", build(ImageSpec("own")))
    plan = run("bundle", "plan", "--bom", releases.new, *QUICK[1:], "--format", "json").json
    whole = releases.json(*QUICK)["bytes"]["new"]
    assert whole == {key: plan["totals"][key] for key in ("images", "blobs", "bytes")}
    assert whole["images"] == 4


def test_the_text_tells_bytes(releases: Releases) -> None:
    lines = [" ".join(line.split()) for line in releases.diff(*QUICK).out.splitlines()]
    blobs, _ = size(PILOT_2, KEPT, EXTRA)
    assert lines[-2].startswith("new as a whole ")
    assert lines[-2].endswith(f"3 images, {blobs} unique blobs")
    assert lines[-1].startswith("of that not in old ")


def test_a_tag_that_names_another_image_now_is_a_change(releases: Releases) -> None:
    """As after a release was read from a staging registry and published with a later build."""
    other = build(ImageSpec("kept-rebuilt", own=(501,)))
    releases.fake.add("final/kept", "v1", other)
    releases.fake.add("final/pilot", "v1", PILOT_1)
    base = f"{releases.fake.host}/final"
    releases.old.write_text(document(f"{releases.fake.host}/tkg", "v1", "kept:v1", "pilot:v1"))
    releases.new.write_text(document(base, "v1", "kept:v1", "pilot:v1"))
    assert releases.json()["images"]["unchanged"] == 2
    found = releases.json(*QUICK)
    assert found["images"]["unchanged"] == 1
    ((pair),) = found["images"]["changed"]
    assert (pair["old"]["tag"], pair["new"]["tag"]) == ("v1", "v1")
    assert pair["new"]["digest"] == other.manifest.digest
    assert found["bytes"]["moves"]["images"] == 1
    out = releases.diff(*QUICK).out
    assert KEPT.manifest.digest[:19] in out
    assert other.manifest.digest[:19] in out


def test_source_repo_and_rewrite_say_where_to_ask(releases: Releases) -> None:
    for file in (releases.old, releases.new):
        file.write_text(file.read_text().replace(releases.fake.host, "nowhere.invalid"))
    whole = size(PILOT_2, KEPT, EXTRA)[1]
    place = f"{releases.fake.host}/tkg"
    by_name = releases.json(*QUICK, "--source-repo", place)
    assert by_name["bytes"]["new"]["bytes"] == whole
    rewritten = releases.json(*QUICK, "--rewrite", f"nowhere.invalid/tkg={place}")
    assert rewritten["bytes"] == by_name["bytes"]
    assert "nowhere.invalid" in rewritten["images"]["added"][0]["reference"]


# --- where it cannot be known -----------------------------------------------------------------


def test_one_image_that_is_not_there_makes_bytes_unknown_and_the_rest_is_told(
    releases: Releases,
) -> None:
    releases.fake.on("GET", "/v2/tkg/gone/", answer(404))
    found = releases.json(*QUICK)
    assert found["bytes"] is None
    ((fault),) = found["unresolved"]
    assert fault["reference"].endswith("/tkg/gone:v1")
    assert "404" in fault["reason"] or "no such" in fault["reason"]
    assert found["images"]["changed"][0]["new"]["digest"] == PILOT_2.manifest.digest
    ran = releases.diff(*QUICK)
    assert ran.code == 0
    assert "bytes are unknown" in ran.out
    assert "tkg/gone:v1" in ran.out.partition("bytes are unknown")[2]


def test_a_registry_that_does_not_answer_leaves_the_comparison(releases: Releases) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{nobody.getsockname()[1]}/tkg"
        found = releases.json(*QUICK, "--source-repo", place)
    assert found["bytes"] is None
    # Both BOMs' own images, which may be absent, have no answer either.
    assert len(found["unresolved"]) == 7
    assert [each["path"] for each in found["images"]["added"]] == ["extra"]


def test_a_registry_that_refuses_leaves_the_comparison(releases: Releases) -> None:
    releases.fake.require_basic("ann", "secret-of-ann")
    ran = releases.diff(*QUICK)
    assert ran.code == 0
    assert "bytes are unknown" in ran.out
    assert "Images changed" in ran.out


def test_what_a_registry_says_of_its_refusal_does_not_reach_the_terminal(
    releases: Releases,
) -> None:
    evil = '{"errors": [{"code": "DENIED", "message": "no\\u001b[2J\\u009b31m\\nok: all done"}]}'
    releases.fake.on("GET", "/v2/tkg/gone/", answer(403, body=evil.encode()))
    for more in ((), ("--format", "json")):
        ran = releases.diff(*QUICK, *more)
        assert {c for c in ran.out + ran.err if not c.isprintable()} == {"\n"}
        assert "all done" in ran.out
        assert not any(line.startswith("ok") for line in ran.out.splitlines())


def test_a_login_for_several_registries_is_refused_before_any_is_asked(releases: Releases) -> None:
    text = releases.new.read_text()
    releases.new.write_text(text.replace(releases.fake.host, "other.example.com"))
    ran = releases.diff(*QUICK, "--username", "ann")
    assert ran.code == 2
    assert releases.fake.requests == []
