"""A destination that says yes and does not do it, and a bundle that talks to the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from bom.fact import BomFact
from mirror.bundle.contents import Contents, sorted_images
from mirror.bundle.documents import Documents
from mirror.cli.failures import explain
from mirror.errors import BundleFault, Misbehaved
from mirror.oci.digest import Digest
from mirror.registry.remote import Project
from tests.fakes.behaviours import answer
from tests.fakes.content import Given
from tests.fakes.simple import FakeRegistry
from tests.mirror.bundle.small import two_images
from tests.mirror.registry.reach import blob_of, fault_of, reach


def test_a_blob_that_was_taken_and_not_kept_is_found_out(fake: FakeRegistry) -> None:
    content = b"a layer that vanishes"
    blob = blob_of(content)
    fake.on("PUT", "/blobs/uploads/", answer(201))
    with reach(fake.host) as client:
        project = Project(client)
        fault = fault_of(Misbehaved, lambda: project.write(blob, "air/gap", Given(content)))
    assert str(blob.digest) in fault.what


@pytest.mark.parametrize("text", ["\x1b]0;pwned\x07", "a\nok: forged", "\u202egnp", "x" * 5000])
def test_no_text_of_a_bundle_steers_the_terminal(text: str, tmp_path: Path) -> None:
    from mirror.bundle.inventory import Inventory

    made = two_images()
    facts = (BomFact("tkg-bom", "v1", str(Digest.of(b"bom"))),)
    good = Contents("r.example/p", facts, sorted_images(made.contents.images))
    assert Inventory.parse(head_of(good)).source == "r.example/p"
    for bad in (
        Contents(text, facts, good.images),
        Contents("r.example/p", (BomFact("tkg-bom", text, facts[0].sha256),), good.images),
    ):
        with pytest.raises(ValueError, match="plain text"):
            Inventory.parse(head_of(bad))


def head_of(contents: Contents) -> bytes:
    return b"".join(Documents(contents).pieces("bundle.json"))


def test_a_failure_that_quotes_a_bundle_cannot_forge_a_line() -> None:
    fault = BundleFault("bad", member="x\x1b[2J\rok: done", expected="a", got="b\u202e")
    told = explain(fault)
    assert "\x1b" not in told
    assert "\r" not in told
    assert "\u202e" not in told
