"""The measured table of who can pull without a login, row by row (tests/fakes/twelve.py)."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from mirror.preflight.clients import CLIENTS
from mirror.preflight.interface import Status
from tests.fakes import skopeo, twelve
from tests.fakes.registries import absent
from tests.fakes.twelve import IMAGE, MORE, TWELVE, Row
from tests.mirror.preflight.strangers import examined, fares

ROWS = (*TWELVE, *MORE)
# Those that get everybody in and yet are no rule that older clients keep, and those that only
# skopeo stumbles over: TKG does not pull by it.
DOUBTFUL = {
    "/v2/ 200 with bearer without quotes": "skopeo",
    "Bearer and Basic in one header": "bearer, basic",
    "Negotiate, then Bearer": "negotiate, bearer",
    "401 without a challenge": "no challenge",
}


def expected(row: Row) -> Status:
    if row.name in DOUBTFUL:
        return Status.WARN
    return Status.FAIL if "n" in row.works else Status.PASS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_client_fares_as_it_did(row: Row) -> None:
    with row.standing() as host:
        verdict = examined(f"{host}/tkg")["REG-1"]
    assert fares(verdict) == row.works
    assert verdict.status is expected(row)
    assert DOUBTFUL.get(row.name, "") in verdict.summary
    assert f"asked for {IMAGE}" in verdict.detail


@pytest.mark.parametrize("row", [row for row in ROWS if "n" in row.works], ids=lambda row: row.name)
def test_the_finding_names_who_fails_and_nobody_else(row: Row) -> None:
    with row.standing() as host:
        verdict = examined(f"{host}/tkg")["REG-1"]
    blamed = verdict.summary.partition(":")[0]
    if row.works == "nnnnn":
        assert blamed == "nobody can pull without a login"
    else:
        failing = {name for name, letter in zip(CLIENTS, row.works, strict=True) if letter == "n"}
        assert failing == {name for name in CLIENTS if re.search(rf"\b{name}\b", blamed)}


# The words that tell one cause from the others, in what is found and in what mends it.
CAUSES = {
    "/v2/ 401 Basic, manifests open": ("login (Basic), though manifests are open", "200"),
    "/v2/ 200, manifest 401 Bearer": ("nobody has to log in", "with 401 and the challenge"),
    "/v2/ 403, manifests open": ("answered 403", "through the proxy"),
    "/v2/ 404, manifests open": ("answered 404", "through the proxy"),
    "Bearer, anonymous token with empty access": ("gives no right to tkg/tkg-comp", "switch"),
    "Bearer, token endpoint 401 to anonymous": ("gives a stranger none", "switch"),
    "Basic everywhere": ("every request asks for a login (Basic)", "switch"),
    "two challenges, Basic first": ("2 ways to log in, basic and bearer", "one challenge"),
    "401 with bearer without quotes": ("no quotes", 'realm="..."'),
    "no realm": ("names no token service", "external_url"),
    "realm without a host": ("no URL of a token service: /token", "external_url"),
    "HEAD forbidden": ("HEAD, which it asks first, 403", "let HEAD through"),
}


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in CAUSES], ids=lambda r: r.name)
def test_each_cause_has_its_own_words_and_remedy(row: Row) -> None:
    with row.standing() as host:
        verdict = examined(f"{host}/tkg")["REG-1"]
    what, fix = CAUSES[row.name]
    assert what in verdict.summary
    assert fix in verdict.fix


def test_the_table_has_all_of_its_rows() -> None:
    # "403 or 404" is one of the twelve and stands here twice.
    assert len(TWELVE) == 12 + 1
    assert set(CAUSES) <= {row.name for row in ROWS}
    assert set(DOUBTFUL) <= {row.name for row in ROWS}
    assert tuple(CLIENTS) == twelve.CLIENTS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_skopeo_itself_fares_so(row: Row, tmp_path: Path) -> None:
    if not skopeo.installed():
        absent("skopeo is not installed")
    with row.standing() as host:
        command = ["skopeo", "--insecure-policy", "inspect", "--raw", "--tls-verify=false"]
        done = subprocess.run(
            [*command, f"docker://{host}/{IMAGE}"],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            check=False,
        )
    assert (done.returncode == 0) == (row.works[twelve.CLIENTS.index("skopeo")] == "y")
