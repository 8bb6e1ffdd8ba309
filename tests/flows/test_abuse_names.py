"""Names made to lead elsewhere, case by case: refused before any registry hears of them.

Each docstring begins with the case's own words. Cases kept elsewhere:

    every refusal with its place       bom/test_reference.test_each_refusal_tells_the_reason_...
    digests in manifests               test_abuse_content.test_a_digest_that_is_none_is_refused_...
    names of credential helpers        test_abuse_credentials
    two entries claim one tag          test_create.test_two_inputs_for_one_destination_move_nothing
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bom.documents import TKG
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, run
from tests.flows.faulty import bundle as bundle

HEX = "0123456789abcdef" * 4
NAMES = [
    "harbour/../buoy",
    "harbour/..",
    "../buoy",
    "harbour//buoy",
    "/harbour",
    "harbour/",
    "harbour%2fbuoy",
    "%2e%2e/buoy",
    "harbour\0buoy",
    "harbour\nbuoy",
    "harbour buoy",
    "-harbour",
    "--plain-http",
    "harbour/-buoy",
    "harbour?x=1",
    "harbour#x",
    "harbour\\buoy",
    "Harbour",
    "harb\N{LATIN SMALL LETTER O WITH DIAERESIS}r",
    "",
    "a" * 300,
]
TAGS = [
    "..",
    "../v1",
    "v1/..",
    "v1//x",
    "%2e%2e",
    "v1\0",
    "v1\nx",
    "-v1",
    "--overwrite",
    ".v1",
    "v 1",
    "v1?x=1",
    "v1#x",
    "v" * 129,
]


def readable(text: str) -> str:
    return ascii(text)[:24]


@pytest.fixture
def no_request(fake: FakeRegistry) -> FakeRegistry:
    """A registry that fails the test when it is asked anything."""

    def asked(request: Request, _go: Callable[[], Reply]) -> Reply:
        raise AssertionError(f"asked for {request.target}")

    fake.on("*", "", asked)
    return fake


def refused(ran: Ran) -> None:
    """Wrong input or wrong usage, in words on one's own lines, and no crash."""
    assert ran.code in (2, 3), ran.err
    assert "Traceback" not in ran.err
    assert "\0" not in ran.err


def create(source: FakeRegistry, output: Path, *inputs: object, stdin: str = "") -> Ran:
    where = ("--rewrite", f"registry.example.com/tkg={source.host}/tkg", "--plain-http")
    return run("bundle", "create", *inputs, *where, "-o", output, stdin=stdin)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *[("imagePath: harbour/buoy", f"imagePath: {json.dumps(name)}") for name in NAMES],
        *[("tag: v1.0.0", f"tag: {json.dumps(tag)}") for tag in TAGS],
        *[
            ("imageRepository: registry.example.com/tkg", f"imageRepository: {json.dumps(name)}")
            for name in ("registry.example.com/../tkg", "-oProxyCommand/x", "http://r.io/tkg", "")
        ],
    ],
    ids=readable,
)
def test_a_name_of_a_bom_that_leads_elsewhere_is_refused(
    no_request: FakeRegistry, tmp_path: Path, old: str, new: str
) -> None:
    """Tag/repo from BOM with ``..``, ``//``, ``%2e``, NUL, newline, leading ``-``: refused."""
    assert old in TKG
    bom = tmp_path / "bom.yaml"
    bom.write_text(TKG.replace(old, new))
    refused(create(no_request, tmp_path / "x.tar", "--bom", bom))
    assert not (tmp_path / "x.tar").exists()


@pytest.mark.parametrize(
    "name", [n for n in NAMES if n and "\n" not in n and "#" not in n], ids=readable
)
def test_a_name_of_a_list_that_leads_elsewhere_is_refused(
    no_request: FakeRegistry, tmp_path: Path, name: str
) -> None:
    """The same of a list of images."""
    line = f"registry.example.com/tkg/{name}:v1\n"
    refused(create(no_request, tmp_path / "x.tar", "--images", "-", stdin=line))


@pytest.mark.parametrize(
    "digest",
    [
        f"sha256:{HEX.upper()}",
        "sha256:../../x",
        f"SHA256:{HEX}",
        f"sha256-{HEX}",
        f"blake3:{HEX}",
        f"sha256:{HEX[:-1]}",
        f"sha256:{HEX}0",
    ],
    ids=readable,
)
def test_a_digest_of_a_list_that_is_none_is_refused(
    no_request: FakeRegistry, tmp_path: Path, digest: str
) -> None:
    """Digest upper-case, ``../../x``, ``SHA256``, ``sha256-``, blake3: refused."""
    line = f"registry.example.com/tkg/app@{digest}\n"
    refused(create(no_request, tmp_path / "x.tar", "--images", "-", stdin=line))


@pytest.mark.parametrize("name", [n for n in NAMES if n and n[-1] != "/"], ids=readable)
def test_a_destination_that_leads_elsewhere_is_refused(
    no_request: FakeRegistry, bundle: Path, name: str
) -> None:
    """The same of the place that a push goes to."""
    refused(run("bundle", "push", bundle, f"{no_request.host}/air/{name}", "--plain-http"))


@pytest.mark.parametrize(
    "place", ["-h", "--", "host/../x", "user:x@127.0.0.1:1/x", "http://127.0.0.1:1/x", "[::1/x"]
)
@pytest.mark.parametrize("option", ["--source-repo", "--rewrite"])
def test_a_source_that_leads_elsewhere_is_refused(
    no_request: FakeRegistry, tmp_path: Path, option: str, place: str
) -> None:
    """The same of the options that say where images are now."""
    text = f"{no_request.host}/tkg={place}" if option == "--rewrite" else place
    names = tmp_path / "images.txt"
    names.write_text(f"{no_request.host}/tkg/app:v1\n")
    command = ("bundle", "create", "--images", names, "--plain-http", "-o", tmp_path / "x.tar")
    refused(run(*command, f"{option}={text}"))
