"""What the checks of images are made of: patience, counts, and what a file says must be there."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bom.images import images_of_boms
from bom.parse import read_bom
from mirror.errors import IntegrityFault, Misbehaved, NotFound, Refused, Side, Unreachable
from mirror.oci.digest import Digest
from mirror.oci.platform import Platform
from mirror.preflight.endurance import Endurance
from mirror.preflight.expected import of_boms, of_bundle, of_plan
from mirror.preflight.gaps import Tally
from mirror.preflight.interface import Status
from mirror.preflight.scene import Awaited, Expected, Target
from mirror.preflight.sought import Gap, Kind, Name, Sought, gap_of, members_at
from mirror.settings import MAX_GAPS_SHOWN, Settings
from tests.fakes.registries import TKG_BOM, TKR_BOM
from tests.mirror.bundle.small import two_images

SILENT = Unreachable(Side.DESTINATION, "r.example", "cannot ask", fact="502", answered=True)
TARGET = Target.parse("r.example/air/gap")


def in_vain(endurance: Endurance, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Unreachable), endurance.asking():
            raise SILENT


# --- patience ---------------------------------------------------------------------------------


def test_after_so_many_attempts_in_vain_nothing_is_asked_any_more() -> None:
    endurance = Endurance(3)
    in_vain(endurance, 3)
    with pytest.raises(Unreachable) as caught, endurance.asking():
        pytest.fail("it was asked once more")
    assert not caught.value.temporary
    assert "502" in caught.value.fact


def test_an_answer_in_between_begins_the_count_anew() -> None:
    endurance = Endurance(3)
    for _ in range(4):
        in_vain(endurance, 2)
        with endurance.asking():
            pass
        in_vain(endurance, 2)
        with pytest.raises(NotFound), endurance.asking():
            raise NotFound(Side.DESTINATION, "r.example", "cannot get it")
        in_vain(endurance, 2)
        endurance.got_on()


def test_every_worker_may_use_up_all_its_attempts_twice() -> None:
    endurance = Endurance.of(Settings(concurrency=4, retries=5))
    in_vain(endurance, 2 * 4 * 6)
    with pytest.raises(Unreachable), endurance.asking():
        pytest.fail("it was asked once more")


# --- counts -----------------------------------------------------------------------------------

GAPS = st.lists(
    st.tuples(st.text("ab:/", max_size=9), st.builds(Gap, st.sampled_from(Kind), st.just("why"))),
    max_size=40,
)


@given(GAPS, st.integers(0, 10))
def test_silence_is_no_pass_and_what_was_found_outweighs_it(
    gaps: list[tuple[str, Gap]], more: int
) -> None:
    verdict = Tally("image", len(gaps) + more, tuple(gaps)).verdict("good", "push it")
    silent = [gap for _name, gap in gaps if gap.kind is Kind.UNKNOWN]
    if len(silent) < len(gaps):
        assert verdict.status is Status.FAIL
        told = f"{len(gaps) - len(silent)} of {len(gaps) + more} images"
        assert verdict.summary.startswith("the only image" if len(gaps) + more == 1 else told)
        assert verdict.fix
    elif silent:
        assert verdict.status is Status.SKIP
        assert verdict.unknown
        assert verdict.fix
    else:
        assert verdict.status is Status.PASS
        assert verdict.summary == "good"
    assert len(verdict.detail.splitlines()) <= 2 * (MAX_GAPS_SHOWN + 1)


def test_a_push_is_no_help_where_pulling_is_refused() -> None:
    refused, missing = Gap(Kind.REFUSED, "401"), Gap(Kind.MISSING, "404")
    both = Tally("image", 2, (("a", refused), ("b", missing))).verdict("good", "push it")
    assert both.summary == "2 of 2 images are refused without a login or not there"
    assert both.fix.startswith("let everybody pull")
    assert both.fix.endswith("; push it")
    alone = Tally("image", 2, (("a", refused),)).verdict("good", "push it")
    assert "push it" not in alone.fix


def test_what_is_broken_is_no_matter_of_a_push() -> None:
    broken = Tally("image", 1, (("a", Gap(Kind.BROKEN, "no JSON")),)).verdict("good", "push it")
    assert broken.summary == "the only image is not to be used"
    assert broken.fix.startswith("ask the registry's operator")
    assert "push it" not in broken.fix


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (NotFound(Side.DESTINATION, "r", "w", fact="404"), Kind.MISSING),
        (Refused(Side.DESTINATION, "r", "w", fact="401", status=401), Kind.REFUSED),
        (IntegrityFault("w", member="m", expected="a", got="b"), Kind.WRONG),
        (Misbehaved(Side.DESTINATION, "r", "w", fact="no JSON"), Kind.BROKEN),
        (SILENT, Kind.UNKNOWN),
    ],
)
def test_a_fault_says_what_is_wrong_with_a_thing(fault: NotFound, kind: Kind) -> None:
    assert gap_of(fault).kind is kind


def test_who_has_no_account_is_not_told_to_check_its_password() -> None:
    fault = Refused(Side.DESTINATION, "r", "w", fact="401", status=401)
    assert "password" in fault.hint
    assert not gap_of(fault).hint


# --- what must be there -----------------------------------------------------------------------


def test_a_bundle_says_everything(tmp_path: Path) -> None:
    made = two_images()
    path = made.write(tmp_path / "x.tar")
    expected = of_bundle(path)
    assert expected.origin == str(path)
    assert not expected.create
    assert expected.lists_members
    assert set(expected.blobs) == {blob.digest for blob in made.contents.blobs}
    assert {(i.path, i.tag, i.digest) for i in expected.images} == {
        (i.path, i.tag, i.digest) for i in made.contents.images
    }


def test_bom_files_say_tags_and_their_own_images_which_tkg_reads() -> None:
    boms = [read_bom(TKG_BOM), read_bom(TKR_BOM)]
    files = [str(TKG_BOM), "a file's name.yaml"]
    expected = of_boms(files, images_of_boms(boms, own_images=True))
    own = [image for image in expected.images if image.path in ("tkg-bom", "tkr-bom")]
    assert len(own) == 2
    assert all(image.required for image in own)
    assert all(image.digest is None and image.tag for image in expected.images)
    assert not expected.lists_members
    assert expected.origin == "2 BOM files"
    assert "--bom 'a file'\"'\"'s name.yaml' -o tkg.tar" in expected.create


def test_a_plan_says_digests_members_and_platforms() -> None:
    images = images_of_boms([read_bom(TKG_BOM)])
    reference, other = images.images[0].reference, images.images[1].reference
    digest = Digest("a" * 64)
    expected = of_plan(
        "plan.json", images, {reference: digest}, {other: (digest,)}, ("linux/amd64",)
    )
    found = {image.reference: image for image in expected.images}
    assert found[str(reference)].digest == digest
    assert found[str(other)].members == (digest,)
    assert expected.platforms == (Platform("linux", "amd64"),)
    assert expected.blobs == {}


def test_a_member_is_looked_for_with_its_bundle_and_not_once_more() -> None:
    member, whole = Digest("a" * 64), Digest("b" * 64)
    tag = f"sha256-{member.hex}.imgpkg"
    images = (
        Awaited("r/package:v1", "package", "v1", whole, (member,)),
        Awaited(f"r/package:{tag}", "package", tag, member),
        Awaited(f"r/other:{tag}", "other", tag, member),
    )
    sought = Sought(TARGET, Expected("x", images))
    assert [image.path for image in sought.images] == ["package", "other"]
    assert [*sought.beside(images[0])] == [*members_at("air/gap/package", member)]


@given(st.text("0123456789abcdef", min_size=64, max_size=64))
def test_the_tag_of_a_member_promises_its_digest(hex_digits: str) -> None:
    sought = Sought(TARGET, Expected("x", ()))
    tag, by_digest = members_at("air/gap/package", Digest(hex_digits))
    assert sought.promised(tag) == sought.promised(by_digest) == Digest(hex_digits)
    assert str(tag) == f"air/gap/package:sha256-{hex_digits}.imgpkg"
    assert sought.promised(Name("air/gap/package", f"sha256-{hex_digits}.sig")) is None
