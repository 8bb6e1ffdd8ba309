"""The result of an earlier run, read back: which images it had, and which of them failed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from bom.errors import ReferenceFault
from bom.reference import Reference
from mirror.errors import InputFault
from mirror.oci.digest import Digest
from mirror.oci.strictjson import list_at, parse_object, text_at
from mirror.settings import MAX_INVENTORY_PARTS
from mirror.tkg import REPOSITORY

SCHEMA = "tkg-mirror/run/v1"
_STATUSES = frozenset({"copied", "present", "absent", "failed"})


class Earlier(NamedTuple):
    """An earlier run's images, by reference."""

    file: str
    images: frozenset[str]
    failed: frozenset[str]
    repository: str | None = None
    """Where a push or copy went, as TKG's variable names it."""

    def check(self, known: Collection[str], place: str) -> None:
        """InputFault where the result has images that ``place``, which has ``known``, lacks."""
        foreign = sorted(self.images.difference(known))
        if foreign:
            fact = f"{self.file} has {len(foreign)} images that {place} has not: {foreign[0]}"
            raise InputFault("the result is of another run", fact=fact, hint=_SAME)

    def check_named(self, named: Collection[Reference]) -> None:
        """InputFault for a result of other inputs than those that name these images.

        What came along with an image lies in that image's repository.
        """
        unknown = sorted(str(each) for each in named if str(each) not in self.images)
        places = {each.name for each in named}
        unknown += sorted(each for each in self.images if _repository_of(each) not in places)
        if unknown:
            fact = f"{self.file} and what is asked for now do not both have {unknown[0]}"
            raise InputFault("the result is of another run", fact=fact, hint=_SAME)

    def concerns(self, named: Reference) -> bool:
        """Did it fail, or anything that came along with it?"""
        return named.name in {_repository_of(each) for each in self.failed}

    def check_destination(self, repository: str) -> None:
        """InputFault for a run to elsewhere: what it had brought there is not here."""
        if self.repository not in (None, repository):
            fact = f"{self.file} is of a run to {self.repository}, and this one is to {repository}"
            raise InputFault("the result is of another destination", fact=fact, hint=_THERE)


def parse(raw: bytes, file: str) -> Earlier:
    """Read the JSON result of a run; InputFault, naming the file, for anything else.

    The result of a run that a fault ended is refused: what it does not name was never tried, and
    would be forgotten if only what it names were done.
    """
    try:
        document = parse_object(raw, MAX_INVENTORY_PARTS)
        if document.get("schema") != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        result = text_at(document, "result")
        images = [_image(value) for value in list_at(document, "images")]
        repository = _repository(document)
    except (ValueError, ReferenceFault) as cause:
        raise InputFault("not the result of a run", fact=f"{file}: {cause}") from None
    if "error" in document:
        raise InputFault("the earlier run did not reach its end", fact=file, hint=_WHOLE)
    names = frozenset(name for name, _failed in images)
    if len(names) != len(images):
        raise InputFault("the result names an image twice", fact=file)
    failed = frozenset(name for name, has_failed in images if has_failed)
    if result not in (("partial", "failed") if failed else ("ok",)):
        raise InputFault("not the result of a run", fact=f"{file}: it contradicts itself")
    return Earlier(file, names, failed, repository)


def _repository_of(reference: str) -> str:
    return Reference.parse(reference).name


def _repository(document: dict[str, Any]) -> str | None:
    """The destination of a push or copy; None in the result of a create, which has no variables."""
    variables = document.get("variables")
    if variables is None:
        return None
    if not isinstance(variables, dict):
        raise ValueError("variables is not an object")
    return text_at(variables, REPOSITORY)


def _image(value: Any) -> tuple[str, bool]:
    """The reference of one image, and whether it failed."""
    if not isinstance(value, dict):
        raise ValueError("an image is not an object")
    reference, status = str(Reference.parse(text_at(value, "reference"))), text_at(value, "status")
    if status not in _STATUSES:
        raise ValueError(f"the status of {reference} is none that an image has")
    if value.get("digest") is not None:
        Digest.parse(text_at(value, "digest"))
    text_at(value, "reason")
    return reference, status == "failed"


_SAME = "give the same BOM files, list, plan or bundle as in that run"
_THERE = "give the same DEST as in that run, or run it without --only-failed"
_WHOLE = "run the same command again, whole: it moves only what is missing"
