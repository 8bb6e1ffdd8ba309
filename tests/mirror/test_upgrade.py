"""What an upgrade moves: nothing that is there already, and no number that registries made up."""

from __future__ import annotations

import pytest

from bom.diff import diff_boms
from bom.images import WantedImage
from bom.reference import Reference
from mirror.errors import IntegrityFault, NotFound, Side
from mirror.oci.digest import Digest
from mirror.plan import totals
from mirror.resolve import Resolution, Resolved
from mirror.upgrade import Amount, Answer, upgrade, weigh, with_digests
from scripts.world.images import OCI, Blob, Image, Layer, make_image
from tests.bom.documents import TKG, changed, parse
from tests.mirror.bundle.small import graph_of, layer

HOST = "registry.example.com"
BASE, OWN, NEW = layer(b"base"), layer(b"own"), layer(b"new!")
ONE, TWO = make_image([BASE, OWN]), make_image([BASE, NEW])


def amount(image: Image, *, less: Image | None = None) -> Amount:
    """One image, less what another one has."""
    blobs = image.everything()
    for digest in less.everything() if less else ():
        blobs.pop(digest, None)
    return Amount(1, len(blobs), sum(blob.size for blob in blobs.values()))


def test_what_both_releases_share_is_not_moved_again() -> None:
    found = upgrade([graph_of(ONE)], [graph_of(TWO)])
    assert found.whole == amount(TWO)
    assert found.moves == amount(TWO, less=ONE)
    assert found.whole.size - found.moves.size == BASE.blob.size


def test_an_upgrade_to_the_same_images_moves_nothing() -> None:
    graphs = [graph_of(ONE), graph_of(TWO)]
    found = upgrade(graphs, graphs[::-1])
    assert found.moves == Amount(0, 0, 0)
    assert found.whole.images == 2


def test_the_whole_is_what_a_plan_of_the_new_release_has() -> None:
    graphs = [graph_of(ONE), graph_of(TWO)]
    sums, whole = totals(graphs), upgrade([], graphs).whole
    assert whole == Amount(sums.images, sums.blobs, sums.size)
    assert upgrade([], graphs).moves == whole


def test_two_sizes_for_one_blob_make_no_number_of_bytes() -> None:
    liar = make_image([Layer(Blob(OCI.layer, BASE.blob.digest, 400, BASE.blob.pieces), "")])
    with pytest.raises(IntegrityFault, match="different sizes"):
        upgrade([graph_of(ONE)], [graph_of(liar)])


def wanted(name: str, *, required: bool = True) -> WantedImage:
    reference = Reference.parse(f"{HOST}/tkg/{name}")
    return WantedImage(reference, f"{HOST}/tkg", name.partition(":")[0], required=required)


def found_at(image: WantedImage, content: Image) -> Resolved:
    return Resolved(image, str(image.reference), graph_of(content))


A, B, C = wanted("a:v1"), wanted("b:v1"), wanted("c:v1", required=False)


def test_one_image_that_has_no_answer_makes_the_bytes_unknown() -> None:
    fault = NotFound(Side.SOURCE, HOST, "no such tag")
    answer = weigh(Resolution((found_at(A, ONE),), (), ()), Resolution((), ((B, fault),), ()))
    assert answer == Answer(
        None, {A.reference: graph_of(ONE).root.digest}, ((str(B.reference), fault),)
    )


def test_an_image_that_may_be_absent_does_not() -> None:
    answer = weigh(
        Resolution((found_at(A, ONE),), (), (C,)), Resolution((found_at(B, TWO),), (), (C,))
    )
    assert answer.upgrade == upgrade([graph_of(ONE)], [graph_of(TWO)])
    assert not answer.failed


def test_a_registry_that_contradicts_itself_is_told_and_does_not_end_the_run() -> None:
    liar = make_image([Layer(Blob(OCI.layer, BASE.blob.digest, 400, BASE.blob.pieces), "")])
    old, new = (Resolution((each,), (), ()) for each in (found_at(A, ONE), found_at(B, liar)))
    answer = weigh(old, new)
    assert answer.upgrade is None
    ((_name, fault),) = answer.failed
    assert BASE.blob.digest in str(fault)


def test_a_tag_that_names_other_bytes_is_a_change() -> None:
    old, new = parse(TKG), parse(changed("registry.example.com/tkg", "staging.example.com/tkg"))
    same = diff_boms(old, new)
    (pair,) = same.same
    one, two = Digest.of(b"one"), Digest.of(b"two")
    found = with_digests(same, {pair.old.reference: one, pair.new.reference: two})
    assert (found.changed, found.same) == ((pair,), ())
    assert with_digests(same, {pair.old.reference: one, pair.new.reference: one}) == same


def test_a_digest_that_is_not_known_is_no_change() -> None:
    old, new = parse(TKG), parse(changed("registry.example.com/tkg", "staging.example.com/tkg"))
    same = diff_boms(old, new)
    (pair,) = same.same
    assert with_digests(same, {pair.old.reference: Digest.of(b"one")}) == same
    assert with_digests(same._replace(same=()), {}).changed == ()
