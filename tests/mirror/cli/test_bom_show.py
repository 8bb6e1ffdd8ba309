"""What `bom show` tells of the four kinds of files, in 80 columns and without foreign escapes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.bom.documents import LOCK, REAL, TKG, TKG_COMPATIBILITY, changed, needs_real
from tests.flows.cli import run
from tests.mirror.cli.run import TKG as OWN_TKG
from tests.mirror.cli.run import TKR as OWN_TKR

SAMPLES = sorted(
    path for path in REAL.glob("*/*.y*ml") if path.name != "bad-bom.yaml" and REAL.is_dir()
)
TKG_1_6 = REAL / "bom" / "tkg-bom-v1.6.0.yaml"
TKR_1_23 = REAL / "bom" / "tkr-bom-v1.23.8+vmware.2-tkg.1.yaml"
LOCK_REFERENCE = re.compile(r"\s*\S+@sha256:[0-9a-f]{64}")


def shown(*arguments: object) -> str:
    ran = run("bom", "show", *arguments)
    assert ran.code == 0, ran.err
    return ran.out


def in_json(*arguments: object) -> dict[str, Any]:
    found = json.loads(shown(*arguments, "--format", "json"))
    assert found["schema"] == "tkg-mirror/bom/v1"
    assert isinstance(found, dict)
    return found


def words(text: str) -> list[list[str]]:
    """Each line as its words, so that no test depends on how wide a column is."""
    return [line.split() for line in text.splitlines()]


def kind_of(path: Path) -> str:
    """By the file's name, for the comparison with what its content says."""
    kinds = {"compat": "tkr-compatibility", "imageslock": "images-lock"}
    inside = "tkg-bom" if "tkg-bom" in path.name else "tkr-bom"
    return kinds.get(path.parent.name, inside)


@needs_real
def test_all_real_samples_are_there() -> None:
    assert len(SAMPLES) == 19


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_real_sample_is_shown_in_80_columns(path: Path) -> None:
    lines = shown(path).splitlines()
    assert lines[0] == str(path)
    wide = [line for line in lines[1:] if len(line) > 80 and not LOCK_REFERENCE.fullmatch(line)]
    assert wide == []


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_real_sample_has_its_kind_in_json(path: Path) -> None:
    (found,) = in_json(path)["boms"]
    assert (found["kind"], found["file"]) == (kind_of(path), str(path))
    assert re.fullmatch("sha256:[0-9a-f]{64}", found["sha256"])


@needs_real
def test_what_the_tkg_1_6_bom_says_of_itself() -> None:
    (bom,) = in_json(TKG_1_6)["boms"]
    assert (bom["release"], bom["fips"]) == ("v1.6.0", False)
    assert bom["defaultTkr"] == "v1.23.8+vmware.2-tkg.1"
    assert bom["tkrCompatibilityPath"] == "v18-v1.6.0/tkr-compatibility"
    assert bom["tkrPackages"]["vsphere-nonparavirt"] == "tkr-vsphere-nonparavirt"
    assert bom["tkrPackageRepositories"]["aws"] == "tkr-repository-aws"
    text = words(shown(TKG_1_6))
    assert ["components", "54", "versions,", "112", "images"] in text
    assert ["harbor", "15", "v2.5.3+vmware.1"] in text
    assert ["default", "TKr", "v1.23.8+vmware.2-tkg.1"] in text
    assert ["aws", "tkr-aws,", "tkr-repository-aws"] in text


@needs_real
def test_the_machine_images_and_packages_of_the_tkr_1_23_bom() -> None:
    (bom,) = in_json(TKR_1_23, "--region", "us-gov-west-1")["boms"]
    assert bom["amis"] == {
        "us-gov-west-1": [
            {"id": "ami-07a66224a83340a05", "os": "amazon", "version": "2", "arch": "amd64"},
            {"id": "ami-0f930554c0c4e9766", "os": "ubuntu", "version": "20.04", "arch": "amd64"},
        ]
    }
    assert [each["name"] for each in bom["osImages"] if each["kind"] == "ova"] == [
        "ova-photon-3",
        "ova-ubuntu-2004",
        "ova-rhel-7",
    ]
    assert len(bom["packages"]) == 14
    text = shown(TKR_1_23, "--region", "us-gov-west-1")
    assert re.findall("ami-[0-9a-f]+", text) == ["ami-07a66224a83340a05", "ami-0f930554c0c4e9766"]
    assert len(re.findall("ami-[0-9a-f]+", shown(TKR_1_23))) == 30
    assert ["pinniped", "management,", "workload", "authentication"] in words(text)


@needs_real
def test_the_pair_covers_the_whole_reference_design() -> None:
    covered = in_json(TKG_1_6, TKR_1_23)["coverage"]
    assert len(covered) == 18
    assert all(each["present"] for each in covered)
    (contour,) = [each for each in covered if each["part"] == "Contour"]
    assert contour["versions"] == ["v1.17.2+vmware.1", "v1.18.2+vmware.1", "v1.20.2+vmware.1"]
    assert contour["components"][0] == "contour/v1.17.2+vmware.1"
    text = words(shown(TKG_1_6, TKR_1_23))
    assert ["AWS", "EBS", "CSI", "driver", "present", "v1.8.0+vmware.1"] in text
    assert not any("absent" in line for line in text)


@needs_real
def test_with_one_kind_alone_it_says_which_other_would_bring_a_part() -> None:
    text = [" ".join(line) for line in words(shown(TKG_1_6))]
    assert "Antrea absent a TKr BOM usually has it; none was given" in text
    old = words(shown(REAL / "bom" / "tkg-bom-v1.3.1-zlatest.yaml"))
    assert ["Multus", "absent"] in old
    covered = in_json(TKG_1_6)["coverage"]
    assert {each["usuallyIn"] for each in covered if not each["present"]} == {"tkr-bom"}


@needs_real
def test_tkg_versions_come_in_the_order_of_their_numbers() -> None:
    file = REAL / "compat" / "tkr-compatibility-fake.yaml"
    (found,) = in_json(file)["boms"]
    order = ["v1.0", "v1.1", "v1.2", "v1.3", "v1.10"]
    assert [release["version"] for release in found["releases"]] == order
    assert [line[0] for line in words(shown(file)) if line and line[0] in order] == order


@needs_real
def test_the_real_compatibility_file() -> None:
    file = REAL / "compat" / "tkr-compatibility-v19.yaml"
    document = in_json(file)
    (found,) = document["boms"]
    assert (found["version"], len(found["releases"])) == ("v19", 18)
    assert sum(len(release["tkrs"]) for release in found["releases"]) == 60
    assert document["coverage"] == []
    assert "reference design" not in shown(file)


def test_a_tkg_compatibility_file_tells_plugins_and_boms(tmp_path: Path) -> None:
    file = tmp_path / "tkg-compatibility.yaml"
    file.write_text(TKG_COMPATIBILITY)
    (found,) = in_json(file)["boms"]
    assert found["kind"] == "tkg-compatibility"
    assert found["plugins"][1] == {
        "version": "v0.9.0",
        "boms": [{"path": "tkg-bom", "tag": "v0.9.0"}, {"path": "tkg-bom", "tag": "v0.8.1"}],
    }
    assert ["v0.9.0", "tkg-bom:v0.9.0,", "tkg-bom:v0.8.1"] in words(shown(file))


def test_several_kinds_stand_in_one_answer_in_the_order_given(tmp_path: Path) -> None:
    lock = tmp_path / "images.yml"
    lock.write_text(LOCK)
    document = in_json(OWN_TKR, lock, OWN_TKG)
    assert [each["kind"] for each in document["boms"]] == ["tkr-bom", "images-lock", "tkg-bom"]
    assert {each["part"] for each in document["coverage"] if each["present"]} == {"CoreDNS", "etcd"}


def test_a_fips_release_is_called_one(tmp_path: Path) -> None:
    file = tmp_path / "fips.yaml"
    file.write_text(changed("version: v0.9.0", "version: v0.9.0-fips.1"))
    assert ["FIPS", "yes"] in words(shown(file))
    assert in_json(file)["boms"][0]["fips"] is True


def test_the_keys_that_there_were_are_there_still() -> None:
    (bom,) = in_json(OWN_TKR)["boms"]
    keys = "file kind release repository sha256 components addons amis notices"
    assert set(keys.split()) <= set(bom)
    assert bom["components"][0]["images"][0] == {
        "key": "coredns",
        "repository": None,
        "path": "coredns",
        "tag": "v1.11.1_example.2",
    }


def test_a_region_that_no_file_has_is_an_input_fault() -> None:
    ran = run("bom", "show", OWN_TKG, OWN_TKR, "--region", "us-gov-west-1")
    assert ran.code == 3
    assert "eu-example-1, us-example-2" in ran.err
    assert ran.out == ""
    none = run("bom", "show", OWN_TKG, "--region", "us-gov-west-1")
    assert (none.code, "TKr BOM" in none.err) == (3, True)


def test_two_regions_of_one_file() -> None:
    (bom,) = in_json(OWN_TKR, "--region", "us-example-2", "--region", "eu-example-1")["boms"]
    assert list(bom["amis"]) == ["eu-example-1", "us-example-2"]


def test_nothing_in_a_file_or_its_name_reaches_the_terminal_as_control(tmp_path: Path) -> None:
    evil = tmp_path / "a\x1b]0;own\x07\u202eb.yml"
    annotation = '"\\e[2J\\x9b31m\\u202Efake: ok\\nline two"'
    evil.write_text(changed("r.io/a:1\n    kbld.carvel.dev/origins", f"{annotation}\n    o", LOCK))
    for arguments in ([evil], [evil, "--format", "json"]):
        out = shown(*arguments)
        assert {c for c in out if not c.isprintable()} == {"\n"}
    (found,) = in_json(evil)["boms"]
    assert found["images"][0]["annotations"]["kbld.carvel.dev/id"].startswith("\x1b[2J\x9b31m")
    assert found["file"] == str(evil)


def test_a_name_that_would_disturb_a_terminal_is_no_name(tmp_path: Path) -> None:
    file = tmp_path / "bom.yaml"
    file.write_text(changed("  buoy:\n", '  "buoy\\u202E\\e[2J":\n', TKG))
    ran = run("bom", "show", file)
    assert ran.code == 3
    assert {c for c in ran.err if not c.isprintable()} == {"\n"}
