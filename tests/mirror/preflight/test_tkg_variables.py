from __future__ import annotations

import pytest

from mirror.preflight.catalogue import CHECKS
from mirror.preflight.interface import Status
from tests.mirror.preflight.tkg import DEST, GOOD, config, look

REPOSITORY = "TKG_CUSTOM_IMAGE_REPOSITORY"
SKIP_VERIFY = "TKG_CUSTOM_IMAGE_REPOSITORY_SKIP_TLS_VERIFY"
OF_FILE = [each.id for each in CHECKS if each.family == "TKG" and each.id != "TKG-1"]


@pytest.fixture(autouse=True)
def nothing_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("identity", OF_FILE)
def test_what_the_design_wants_passes(identity: str) -> None:
    verdict = look(identity, config())
    assert (verdict.status, verdict.fix) == (Status.PASS, ""), verdict


@pytest.mark.parametrize("identity", OF_FILE)
def test_without_a_file_it_is_skipped_and_not_unknown(identity: str) -> None:
    verdict = look(identity, None)
    assert (verdict.status, verdict.unknown) == (Status.SKIP, False)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (f"https://{DEST}", "scheme"),
        (f"{DEST}/", "slash"),
        (f"{DEST}:v1", "tag"),
        ("10.20.30.40/TKG", "upper case 'T'"),
        (f" {DEST}", "white space"),
        ("10.20.30.40", "another place"),
        ("10.20.30.40/tkg/more", "another place"),
        ("10.20.30.41/tkg", "another place"),
        ("10.20.30.40:8443/tkg", "another place"),
        ("tkg", "names no registry host"),
        ("", "VMware's own registry"),
        (None, "VMware's own registry"),
    ],
)
def test_tkg_would_pull_from_somewhere_else(value: str | None, why: str) -> None:
    verdict = look("TKG-2", config(**{REPOSITORY: value}))
    assert verdict.status is Status.FAIL
    assert why in verdict.summary
    assert verdict.fix == f"in c.yaml write: {REPOSITORY}: {DEST}"


def test_a_finding_names_file_line_variable_and_both_values() -> None:
    verdict = look("TKG-2", config(**{REPOSITORY: "10.20.30.41/tkg"}))
    told = f"c.yaml:4: {REPOSITORY}: expected {DEST}, found '10.20.30.41/tkg'"
    assert verdict.summary == f"{told}: another place than was checked"


@pytest.mark.parametrize("value", ["10.20.30.40:443/tkg", "Harbor.Example/tkg"])
def test_another_spelling_of_the_same_place_is_a_warning(value: str) -> None:
    dest = DEST if value.startswith("1") else "harbor.example/tkg"
    verdict = look("TKG-2", config(**{REPOSITORY: value}), dest)
    assert verdict.status is Status.WARN
    assert "spelling" in verdict.summary


def test_a_login_in_the_variable_is_not_repeated() -> None:
    verdict = look("TKG-2", config(**{REPOSITORY: f"ann:hunter2@{DEST}"}))
    assert verdict.status is Status.FAIL
    assert "hunter2" not in repr(verdict)


def test_a_variable_that_is_only_exported_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REPOSITORY, DEST)
    good = look("TKG-2", config(**{REPOSITORY: None}))
    monkeypatch.setenv(REPOSITORY, "10.20.30.41/tkg")
    bad = look("TKG-2", config(**{REPOSITORY: None}))
    assert (good.status, bad.status) == (Status.PASS, Status.FAIL)
    assert "the environment" in good.summary
    assert "in the environment" in bad.summary


@pytest.mark.parametrize("word", ["true", "True", "tRuE", "1", "t", "yes", "on", "perhaps"])
def test_tls_that_is_not_verified_is_a_warning(word: str) -> None:
    verdict = look("TKG-3", config(**{SKIP_VERIFY: word}))
    assert verdict.status is Status.WARN
    assert verdict.fix == f"in c.yaml write: {SKIP_VERIFY}: false"


@pytest.mark.parametrize("word", ["false", "0", "F", "no", "off", "", None])
def test_a_plain_no_is_no_for_all_readers(word: str | None) -> None:
    assert look("TKG-3", config(**{SKIP_VERIFY: word})).status is Status.PASS


def test_an_exported_variable_hides_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_PLAN", "secret-dev")
    monkeypatch.setenv("CNI", "antrea")
    verdict = look("TKG-4", config())
    assert verdict.status is Status.WARN
    assert "CLUSTER_PLAN" in verdict.summary
    assert "CNI" not in verdict.summary
    assert "secret-dev" not in repr(verdict)
    assert verdict.fix.endswith("unset CLUSTER_PLAN")


def test_an_empty_one_hides_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_PLAN", "")
    assert look("TKG-4", config()).status is Status.WARN
