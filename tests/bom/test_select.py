from __future__ import annotations

import contextlib
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bom.errors import InputFault
from bom.images import ImageSet, WantedImage, images_of_boms, images_of_list, merge
from bom.limits import MAX_COMPARED_CHARS, MAX_COMPARED_NAMES
from bom.reference import Reference
from bom.select import Selection, select
from tests.bom.documents import TKG, TKR, parse, steady


def wanted(name: str, *labels: str, repository: str = "r.io") -> WantedImage:
    return WantedImage(Reference.parse(f"{repository}/{name}"), repository, name, labels)


CONTOUR = wanted("contour:1", "contour/v1.17", "contour/v1.18")
ENVOY = wanted("envoy:1", "envoy/v1", repository="r.io/extra")
SHARED = wanted("pause:1", "contour/v1.17", "kubernetes/v1")
LISTED = wanted("listed:1")
IMAGES = ImageSet((CONTOUR, ENVOY, LISTED, SHARED), (), ("r.io", "r.io/extra"), ("said before",))


def left(*components: str, without: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    found = select(IMAGES, Selection(components, without))
    return {image.path.partition(":")[0]: image.components for image in found.images}


@pytest.mark.parametrize("glob", ["contour", "con*", "c?ntour", "[c]ontour", "contour/*"])
def test_a_glob_selects_every_version_and_what_others_share_with_it(glob: str) -> None:
    assert left(glob) == {"contour": CONTOUR.components, "pause": ("contour/v1.17",)}


def test_a_glob_with_a_slash_selects_a_version() -> None:
    assert left("contour/v1.18") == {"contour": ("contour/v1.18",)}
    assert left("*/v1") == {"envoy": ("envoy/v1",), "pause": ("kubernetes/v1",)}


def test_a_version_is_no_part_of_a_glob_without_a_slash() -> None:
    with pytest.raises(InputFault):
        left("*v1*8")


def test_what_is_excluded_is_left_out_unless_another_component_wants_it() -> None:
    assert left(without=("contour",)) == {
        "envoy": ("envoy/v1",),
        "listed": (),
        "pause": ("kubernetes/v1",),
    }
    assert left("contour", "kubernetes", without=("*/v1.17",)) == {
        "contour": ("contour/v1.18",),
        "pause": ("kubernetes/v1",),
    }


def test_how_many_are_left_out_is_said_and_repositories_are_those_still_needed() -> None:
    found = select(IMAGES, Selection(("contour",)))
    notice = "2 of 4 images are left out by --component/--exclude-component"
    assert found.notices == ("said before", notice)
    assert found.repositories == ("r.io",)


def test_nothing_chosen_changes_nothing() -> None:
    assert select(IMAGES, Selection()) == IMAGES
    assert select(ImageSet(()), Selection()) == ImageSet(())


def test_an_exclusion_of_one_version_that_leaves_every_image_says_nothing() -> None:
    found = select(IMAGES, Selection(excluded=("contour/v1.18",)))
    assert found == IMAGES._replace(
        images=(CONTOUR._replace(components=("contour/v1.17",)), ENVOY, LISTED, SHARED)
    )


@pytest.mark.parametrize(
    ("glob", "fact"),
    [
        ("contuor", "close to it: 'contour'"),
        ("Contour", "close to it: 'contour'"),
        ("contour/v1.19", "close to it: 'contour/v1.18', 'contour/v1.17'"),
        ("contour/zzzzzzzzzzzz", "some of them: 'contour/v1.17', 'contour/v1.18'"),
        ("", "some of them: 'contour', 'envoy', 'kubernetes'"),
        ("qqq/v1.17", "some of them: 'contour', 'envoy', 'kubernetes'"),
    ],
)
@pytest.mark.parametrize("excluded", [False, True])
def test_a_glob_that_matches_nothing_is_refused_with_names_that_do(
    glob: str, fact: str, excluded: bool
) -> None:
    with pytest.raises(InputFault) as caught:
        left(without=(glob,)) if excluded else left("envoy", glob)
    assert repr(glob) in caught.value.what
    assert caught.value.fact == fact


def test_a_glob_over_a_plain_list_is_refused() -> None:
    with pytest.raises(InputFault, match="there are none"):
        select(images_of_list("r.io/a:1", "list.txt"), Selection(("*",)))


def test_a_selection_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(InputFault, match="4 of 4 images"):
        left("envoy", without=("e*",))


@pytest.mark.parametrize(
    ("others", "name", "offered"),
    [
        (MAX_COMPARED_NAMES - 1, "zebra", True),
        (MAX_COMPARED_NAMES, "zebra", False),
        (1, "z" * MAX_COMPARED_CHARS, True),
        (1, "z" * (MAX_COMPARED_CHARS + 1), False),
    ],
)
def test_no_more_and_no_longer_names_are_compared_than_the_limits_say(
    others: int, name: str, offered: bool
) -> None:
    labels = [f"{n:05}/v1" for n in range(others)] + [f"{name}/v1"]
    with pytest.raises(InputFault) as caught:
        select(ImageSet((wanted("a:1", *labels),)), Selection((f"y{name}",)))
    assert caught.value.fact.startswith("close to it" if offered else "some of them")


def test_every_image_of_a_bom_has_a_label_to_be_chosen_by() -> None:
    tkg = f"{TKG}tkr-package: {{aws: tkr-aws}}\n"
    tkr = f"{TKR}  dns: {{imageTag: v1.11}}\n"
    tkr += "addons: {cni: {templatesImagePath: a, templatesImageTag: 1}}\n"
    found = images_of_boms([parse(tkg), parse(tkr)], own_images=True, infrastructures=None)
    assert len(found.images) == 7
    for glob in ("buoy", "etcd", "kubeadmConfigSpec", "addon", "tkr-package", "tkg-bom", "tkr-bom"):
        assert len(select(found, Selection((glob,))).images) == 1


@pytest.mark.parametrize("bad", ["[z-a]", "[", "[!", "\\", "***?[]", "(?P<a>", "\x00", "*" * 1000])
def test_a_glob_that_is_no_good_pattern_is_a_fault_of_the_input(bad: str) -> None:
    with pytest.raises(InputFault) as caught:
        left(bad + "q")
    assert caught.value.what.isprintable()


# Every glob below matches one of these, so that what is tested is the choice and not the refusal.
ALL = ["a/1", "a/2", "b/1", "ab/1/x"]
labels = st.lists(st.sampled_from(["a", "b", *ALL]), max_size=3, unique=True).map(sorted)
some_globs = st.lists(
    st.sampled_from(["a", "b", "a*", "*", "*/1", "a/*", "?", "[ab]", "a/1"]), max_size=2
)
selections = st.builds(Selection, some_globs.map(tuple), some_globs.map(tuple))


@steady
@given(st.lists(labels, max_size=5), selections)
def test_what_is_left_is_what_each_label_says(some: list[list[str]], selection: Selection) -> None:
    images = tuple(wanted(f"i{n}:1", *each) for n, each in enumerate([ALL, *some]))
    expected = tuple(filter(None, (expected_of(image, selection) for image in images)))
    try:
        found = select(merge([ImageSet(images)]), selection)
    except InputFault:
        assert not expected
        return
    assert found.images == expected
    assert bool(found.notices) is (len(expected) < len(images))
    # What is left is a set like any other.
    assert merge([found]) == found


def expected_of(image: WantedImage, selection: Selection) -> WantedImage | None:
    """The rule, written out plainly."""
    if not image.components:
        return None if selection.components else image
    kept = []
    for label in image.components:
        texts = (label.split("/")[0], label)
        chosen = [fnmatchcase(texts["/" in glob], glob) for glob in selection.components]
        dropped = [fnmatchcase(texts["/" in glob], glob) for glob in selection.excluded]
        if (any(chosen) or not chosen) and not any(dropped):
            kept.append(label)
    return image._replace(components=tuple(kept)) if kept else None


@steady
@given(st.text() | st.text("*?[]!-^\\/ab"), st.booleans())
def test_any_text_is_a_glob_or_a_fault(glob: str, excluded: bool) -> None:
    with contextlib.suppress(InputFault):
        left(without=(glob,)) if excluded else left(glob)
