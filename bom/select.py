"""Some components only: which images of a set stay when an operator chooses by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from bom.errors import InputFault, shown
from bom.images import ImageSet, WantedImage
from bom.limits import MAX_COMPARED_CHARS, MAX_COMPARED_NAMES, SHOWN_NAMES


class Selection(NamedTuple):
    """Globs over component labels ("contour/v1.17.2+vmware.1"), upper and lower case told apart.

    A glob meets the name before the first slash or, where it has a slash itself, the whole label.
    Without ``components`` every component is selected; what is ``excluded`` is not.
    """

    components: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def keeps(self, label: str) -> bool:
        """Is this label selected and not excluded?"""
        selected = not self.components or _any_matches(self.components, label)
        return selected and not _any_matches(self.excluded, label)


def select(images: ImageSet, selection: Selection) -> ImageSet:
    """The images of which a component is left, each with the labels that are left.

    An image without labels, from a plain list, stays unless ``components`` are named. Raises
    InputFault for a glob that no component matches, and where no image is left.
    """
    labels = sorted({label for image in images.images for label in image.components})
    for glob in (*selection.components, *selection.excluded):
        if not any(_matches(glob, label) for label in labels):
            raise _unknown(glob, labels)
    chosen = [image for each in images.images if (image := _choose(each, selection))]
    left_out = len(images.images) - len(chosen)
    if not left_out:
        return images._replace(images=tuple(chosen))
    counts = f"{left_out} of {len(images.images)} images are left out"
    if not chosen:
        hint = "select more components, or exclude fewer"
        raise InputFault("no component is left of those selected", fact=counts, hint=hint)
    return images._replace(
        images=tuple(chosen),
        repositories=tuple(sorted({image.repository for image in chosen})),
        notices=(*images.notices, f"{counts} by --component/--exclude-component"),
    )


def _choose(image: WantedImage, selection: Selection) -> WantedImage | None:
    if not image.components:
        return None if selection.components else image
    left = tuple(filter(selection.keeps, image.components))
    return image._replace(components=left) if left else None


def _any_matches(globs: Iterable[str], label: str) -> bool:
    return any(_matches(glob, label) for glob in globs)


def _matches(glob: str, label: str) -> bool:
    return fnmatchcase(label if "/" in glob else label.partition("/")[0], glob)


def _unknown(glob: str, labels: list[str]) -> InputFault:
    """The fault for a glob that matches nothing, with what may have been meant."""
    name, slash, _ = glob.partition("/")
    meant = [label for label in labels if slash and _matches(name, label)]
    names = meant or sorted({label.partition("/")[0] for label in labels})
    close = difflib.get_close_matches(glob, _comparable(names), SHOWN_NAMES)
    some = ", ".join(map(shown, close or names[:SHOWN_NAMES]))
    fact = f"{'close to it' if close else 'some of them'}: {some}" if names else "there are none"
    return InputFault(
        f"no component with images matches {shown(glob)}",
        fact=fact,
        hint="`tkg-mirror bom images --format json` lists each image's components",
    )


def _comparable(names: list[str]) -> list[str]:
    """Comparing takes time by the square of the length, and these texts come from a file."""
    return [name for name in names if len(name) <= MAX_COMPARED_CHARS][:MAX_COMPARED_NAMES]
