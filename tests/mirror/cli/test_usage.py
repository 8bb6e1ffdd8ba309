"""What can be refused is refused before anything is done, with exit code 2 or 3 and a reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mirror.cli.access import access
from mirror.cli.failures import command_line
from mirror.cli.options import RegistryOptions
from mirror.cli.values import rate
from mirror.errors import Side
from tests.flows.cli import run
from tests.mirror.cli.run import TKG, TKR, tkg_mirror


@pytest.mark.parametrize(
    "wrong",
    [
        ["bundle", "create", "--bom", TKG, "-o", "x.tar", "-j", "0"],
        ["bundle", "create", "--bom", TKG, "-o", "x.tar", "-j", "65"],
        ["bundle", "create", "--bom", TKG, "-o", "x.tar", "--retries", "-1"],
        ["bundle", "create", "--bom", TKG, "-o", "x.tar", "--timeout", "0"],
        ["bundle", "create", "--bom", TKG, "-o", "x.tar", "--timeout", "soon"],
        ["bundle", "create", "--bom", TKG, "-o", "x.tar", "--timeout", "nan"],
        ["bundle", "create", "--bom", TKG, "-o", "x.tar", "--ranges", "0"],
        ["bundle", "create", "--bom", TKG, "-o", "x.tar", "--ranges", "9"],
        ["bundle", "create", "--bom", TKG],
        ["bundle", "create", "--bom", TKG, "-o", "x.tar", "--password", "hunter2"],
        ["bom", "images"],
        ["bom", "images", TKG, "--format", "yaml"],
        ["no-such-command"],
    ],
    ids=" ".join,
)
def test_a_wrong_flag_or_value_is_refused_not_clamped(wrong: list[str]) -> None:
    ran = tkg_mirror(*wrong)
    assert ran.code == 2
    assert "Error" in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (["--bom", TKG, "--plan", "plan.json"], "--plan"),
        (["--tkg-version", "v1", "--plan", "plan.json"], "--plan"),
        (["--component", "x", "--plan", "plan.json"], "--plan"),
        (["--exclude-component", "x", "--plan", "plan.json"], "--plan"),
        (["--infrastructure", "aws", "--plan", "plan.json"], "--plan"),
        (["--tkg-version", "v1", "--bom", TKG], "--bom"),
        (["--tkr", "v1", "--bom", TKG], "--tkg-version"),
        (["--all-tkrs", "--images", "-"], "--tkg-version"),
        (["--compatibility-path", "x", "--bom", TKG], "--tkg-version"),
        (["--infrastructure", "aws", "--images", "-"], "--tkg-version"),
        (["--tkg-version", "v1", "--tkr", "v1", "--all-tkrs"], "--all-tkrs"),
        (["--tkg-version", "v1/../x"], "v1/../x"),
        (["--tkg-version", "v1", "--tkr", "a b"], "a b"),
        ([], "--bom"),
        (["--images", "-", "--username", "u", "--password-stdin"], "--password-stdin"),
        (["--bom", TKG, "--password-stdin"], "--username"),
        (["--bom", TKG, "--username", "u"], "--password-stdin"),
        (["--bom", TKG, "--key-file", "k.pem"], "--cert-file"),
        (["--bom", TKG, "--rewrite", "a.example/b"], "FROM=TO"),
        (["--bom", TKG, "--rewrite", "a.example/b="], "'a.example/b='"),
        (["--bom", TKG, "--rewrite", "a.example/b=c"], "'a.example/b=c'"),
        (["--images", "-", "--username", "u"], "a.b, e.f"),
        (["--images", "-", "--allow-host", "a.b"], "harbor.example.com="),
        (["--images", "-", "--allow-host", "a.b=c.d/e"], "c.d/e"),
        (["--images", "-", "--allow-host", "a.b:0=c.d"], "a.b:0"),
        (["--images", "-", "--allow-host", "a.b=https://c.d"], "https://c.d"),
        (["--images", "-", "--allow-host", "a.b="], "a.b="),
        (["--images", "-", "--allow-host", "a.b=ann:pass@c.d"], "'a.b=***@c.d'"),
    ],
    ids=str,
)
def test_options_that_exclude_or_need_each_other_say_so(
    wrong: list[str], word: str, tmp_path: Path
) -> None:
    ran = tkg_mirror(
        "bundle", "create", *wrong, "-o", str(tmp_path / "x.tar"), stdin="a.b/c:d\ne.f/g:h\n"
    )
    assert ran.code == 2
    assert word in ran.err
    assert "whose matter: the command line" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_plan_tells_which_of_its_companions_came_from_the_environment() -> None:
    line = ("bundle", "create", "--plan", "plan.json", "-o", "x.tar")
    ran = tkg_mirror(*line, TKG_MIRROR_SOURCE_REPO="registry.example.com/tkg")
    assert ran.code == 2
    assert "TKG_MIRROR_SOURCE_REPO" in ran.err


def test_a_line_of_standard_input_is_named_as_one() -> None:
    ran = tkg_mirror("bundle", "plan", "--images", "-", stdin="a.b/c:d\ne f\n")
    assert ran.code == 3
    assert "standard input:2" in ran.err


@pytest.mark.parametrize("group", ["bom", "bundle", ""])
def test_the_list_of_commands_ends_no_sentence_in_the_middle(group: str) -> None:
    _head, found, commands = tkg_mirror(*filter(None, [group]), "--help").out.partition("Commands:")
    assert found
    assert "..." not in commands


def test_a_variable_out_of_range_is_refused_like_its_flag() -> None:
    ran = tkg_mirror("bundle", "create", "--bom", TKG, "-o", "x", TKG_MIRROR_CONCURRENCY="0")
    assert ran.code == 2


@pytest.mark.parametrize(
    "wrong", ["0", "0.0000001K", "-1", "20MB", "20 M", "fast", "1e9", "", "½", "5\u212a"]
)
def test_a_rate_that_is_none_is_refused_with_an_example(wrong: str) -> None:
    ran = run("bundle", "push", "/none", "h.example/p", f"--limit-rate={wrong}")
    assert ran.code == 2
    assert "20M" in ran.err


def test_a_rate_of_the_environment_is_checked_like_the_flag() -> None:
    ran = run("bundle", "push", "/none", "h.example/p", env={"TKG_MIRROR_LIMIT_RATE": "0"})
    assert ran.code == 2
    assert "TKG_MIRROR_LIMIT_RATE" in ran.err


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("500000", 500_000), ("20M", 20 << 20), ("1.5g", 3 << 29), ("64k", 65_536)],
)
def test_a_rate_is_bytes_a_second_in_powers_of_1024(text: str, size: int) -> None:
    assert rate(text) == size


def test_effort_and_allowed_hosts_reach_the_rooms_that_use_them() -> None:
    hosts = ["a.b:5000=c.d", "a.b:5000=e.f:8443"]
    options = RegistryOptions(limit_rate=1 << 20, ranges=3, allow_host=hosts)
    reach = access(options, Side.SOURCE, {"a.b:5000"})
    assert (reach.settings.limit_rate, reach.settings.ranges) == (1 << 20, 3)
    assert reach.allowed == {("a.b:5000", "c.d"), ("a.b:5000", "e.f:8443")}


def test_a_flag_wins_over_its_variable() -> None:
    ran = tkg_mirror("bom", "images", TKG, "--format", "json", TKG_MIRROR_FORMAT="text")
    assert json.loads(ran.out)["schema"] == "tkg-mirror/images/v1"


def test_a_variable_wins_over_the_default() -> None:
    ran = tkg_mirror("bom", "images", TKG, TKG_MIRROR_FORMAT="json")
    assert json.loads(ran.out)["schema"] == "tkg-mirror/images/v1"


def test_the_images_of_both_boms_are_printed_sorted_and_once() -> None:
    ran = tkg_mirror("bom", "images", TKG, TKR)
    lines = ran.out.splitlines()
    assert (ran.code, ran.err) == (0, "")
    assert lines == sorted(set(lines))
    assert "registry.example.com/tkg/pause:3.10" in lines


def test_the_json_of_images_has_exactly_the_documented_keys() -> None:
    document = json.loads(tkg_mirror("bom", "images", TKG, TKR, "--format", "json").out)
    keys = {"reference", "repository", "path", "tag", "components", "bom"}
    assert all(image.keys() == keys for image in document["images"])
    assert document.keys() == {"schema", "images"}


def test_source_repo_stands_in_place_of_the_base_repository_alone() -> None:
    lines = tkg_mirror("bom", "images", TKG, TKR, "--source-repo", "r.example:5000/p").out
    assert "r.example:5000/p/pause:3.10" in lines
    assert "registry.example.com/extra/" in lines
    assert "registry.example.com/tkg/" not in lines


def test_bom_show_tells_kind_release_and_components() -> None:
    ran = tkg_mirror("bom", "show", TKG, TKR)
    assert "TKG BOM" in ran.out
    assert "TKr BOM" in ran.out
    assert "v1.30.1+example.1-tkg.1" in ran.out


def test_bom_show_speaks_json() -> None:
    document = json.loads(tkg_mirror("bom", "show", TKG, "--format", "json").out)
    assert document["schema"] == "tkg-mirror/bom/v1"
    assert document["boms"][0]["kind"] == "tkg-bom"


def test_a_wrong_bom_is_code_3_with_file_line_and_key(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("release:\n  version: v1+x\nova: []\ncomponents: {}\n")
    ran = tkg_mirror("bom", "images", str(bad))
    assert ran.code == 3
    assert f"{bad}:" in ran.err
    assert "imageConfig.imageRepository: expected" in ran.err
    assert "Traceback" not in ran.err


def test_a_missing_file_is_code_3() -> None:
    assert tkg_mirror("bom", "images", "/no/such/file").code == 3
    assert tkg_mirror("bundle", "show", "/no/such/file").code == 3


def test_version_goes_to_standard_output() -> None:
    assert tkg_mirror("--version").out.startswith("tkg-mirror ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_exists_for_four_shells(shell: str) -> None:
    ran = tkg_mirror(_TKG_MIRROR_COMPLETE=f"source_{shell}")
    assert ran.code == 0
    assert "tkg" in ran.out


def test_completion_completes_a_command() -> None:
    ran = tkg_mirror(
        _TKG_MIRROR_COMPLETE="complete_bash", COMP_WORDS="tkg-mirror bundle cr", COMP_CWORD="2"
    )
    assert ran.out.split() == ["create"]


def test_a_reader_that_stops_early_is_no_fault() -> None:
    line = f"{sys.executable} -m mirror bom images {TKG} {TKR} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[1:] == ["0"]


@pytest.mark.parametrize("streams", ["| true", "2>&1 | true", ">/dev/full", "2>/dev/full"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_failure_keeps_its_code_when_nobody_reads_it(streams: str, form: str) -> None:
    run = f"{sys.executable} -m mirror bundle create --images /none -o x.tar --format {form}"
    line = f"exec 4>&1; {{ {run}; echo $? >&4; }} {streams}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert "3" in done.stdout.splitlines()


@pytest.mark.parametrize("arguments", ["--help", "--version", "bundle create --help"])
def test_help_onto_a_full_disk_is_told_like_any_other_fault(arguments: str) -> None:
    line = f"{sys.executable} -m mirror {arguments} >/dev/full"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 9
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_plan_replaces_an_older_plan_and_nothing_else(tmp_path: Path) -> None:
    bundle = tmp_path / "precious.tar"
    bundle.write_bytes(b"a bundle")
    link = tmp_path / "link"
    link.symlink_to(bundle)
    for taken in (bundle, link, tmp_path):
        ran = tkg_mirror("bundle", "plan", "--images", "-", "-o", str(taken), stdin="a.b/c:d\n")
        assert ran.code == 9
        assert bundle.read_bytes() == b"a bundle"


def test_a_bundle_replaces_no_link_device_or_pipe_even_by_force(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "target")
    for taken in (pipe, link, tmp_path / "nowhere" / "x.tar"):
        arguments = ["bundle", "create", "--images", "-", "--force", "-o", str(taken)]
        assert tkg_mirror(*arguments, stdin="127.0.0.1:1/c:d\n").code == 9


def test_a_closed_standard_input_is_a_matter_of_usage() -> None:
    command = [sys.executable, "-m", "mirror", "bundle", "plan", "--images", "-"]
    line = " ".join(command) + " <&-"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "standard input is closed" in done.stderr


def test_a_log_for_machines_ends_with_the_error_as_json() -> None:
    ran = tkg_mirror("bom", "images", "/no/such/file", "--log-format", "json")
    assert json.loads(ran.err)["level"] == "error"


def test_a_run_that_ends_in_a_fault_still_gives_a_script_its_document(tmp_path: Path) -> None:
    bundle = tmp_path / "not-a-bundle"
    bundle.write_bytes(bytes(1024))
    ran = tkg_mirror("bundle", "push", str(bundle), "127.0.0.1:1/p", "--format", "json")
    document = json.loads(ran.out)
    assert ran.code == 3
    assert (document["schema"], document["result"]) == ("tkg-mirror/run/v1", "failed")
    assert document["error"]["name"] == "bundle"


@pytest.mark.parametrize(
    ("command", "schema"),
    [
        (["bom", "show", "/none"], "bom"),
        (["bom", "images", "/none"], "images"),
        (["bom", "fetch", "--tkg-version", "v1", "-o", "README.md"], "fetch"),
        (["bundle", "plan", "--images", "/none"], "plan"),
        (["bundle", "show", "/none"], "bundle"),
        (["bundle", "verify", "n" * 300], "verify"),
        (["bundle", "create", "--images", "/none", "-o", "x.tar"], "run"),
        (["bundle", "push", "/none", "h.example/p"], "run"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else value,
)
def test_every_command_that_fails_gives_a_script_its_document(
    command: list[str], schema: str
) -> None:
    ran = run(*command, "--format", "json")
    assert ran.code in (3, 9)
    assert ran.json["schema"] == f"tkg-mirror/{schema}/v1"
    assert ran.json["result"] == "failed"
    assert ran.json["error"].keys() == {"name", "what", "fact", "whose", "next"}
    assert run(*command).out == ""


def test_damage_that_is_in_a_result_is_not_told_in_a_second_one(
    tmp_path: Path,
) -> None:
    bundle = tmp_path / "x.tar"
    bundle.write_bytes(bytes(10240))
    damaged = run("bundle", "verify", bundle, "--format", "json")
    assert damaged.code == 3
    assert damaged.json["faults"]
    assert "error" not in damaged.json


def test_the_document_of_a_plan_that_failed_is_no_plan(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    failed = run("bundle", "plan", "--images", "/none", "-o", plan, "--format", "json")
    assert not plan.exists()
    plan.write_text(failed.out)
    assert run("bundle", "create", "--plan", plan, "-o", tmp_path / "x.tar").code == 3


def test_the_command_that_goes_on_can_be_pasted_into_a_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/bin/tkg-mirror", "bundle", "create", "-o", "a b'c"])
    assert command_line() == """/opt/bin/tkg-mirror bundle create -o 'a b'"'"'c'"""
    monkeypatch.setattr(sys, "argv", ["/x/mirror/__main__.py", "bom", "show", "$HOME"])
    assert command_line() == f"{sys.executable} -m mirror bom show '$HOME'"


@pytest.mark.parametrize("text", ["ann:hunter2@a.b/c", "a.b/c=ann:hunter2@d.e/f"])
def test_a_password_in_a_rewrite_is_refused_and_not_shown(text: str) -> None:
    ran = tkg_mirror("bundle", "plan", "--bom", TKG, "--rewrite", text)
    assert ran.code == 2
    assert "***@" in ran.err
    assert "hunter2" not in ran.err + ran.out
