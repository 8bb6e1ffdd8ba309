"""Where an image is fetched, when that is not where it is named. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from bom.errors import ReferenceFault, shown
from bom.reference import Reference, parse_repository
from mirror.errors import UsageFault
from mirror.text import starred


class Rewrites(NamedTuple):
    """``FROM=TO`` pairs over ``host/repository``; the longest FROM that fits wins.

    A FROM fits on whole path components: ``host/tkg`` is no prefix of ``host/tkg-extra``.
    """

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Rewrites:
        """Read the values of ``--rewrite``; UsageFault for one without ``=`` or a wrong side."""
        return cls(tuple(sorted((_pair(text) for text in texts), key=lambda p: -len(p[0]))))

    def apply(self, reference: Reference) -> Reference:
        """The reference to fetch instead; tag and digest stay."""
        for old, new in self.pairs:
            if reference.name == old or reference.name.startswith(old + "/"):
                host, path = _parted(new + reference.name[len(old) :])
                return replace(reference, host=host, repository=path)
        return reference

    @property
    def hosts(self) -> set[str]:
        """The registries that a TO names."""
        return {_parted(new)[0] for _old, new in self.pairs}

    def hosts_below(self, name: str) -> set[str]:
        """The registries that hold what is named ``name`` or lies below it."""
        places = [name, *(old for old, _new in self.pairs if old.startswith(f"{name}/"))]
        return {self.apply(Reference(*_parted(place))).host for place in places}


def _parted(name: str) -> tuple[str, str]:
    host, _, path = name.partition("/")
    return host, path


def _pair(text: str) -> tuple[str, str]:
    old, equals, new = text.partition("=")
    if not equals or "@" in text:
        # A name and password before a host belong in no argument, and in no message either.
        raise UsageFault("not a rewrite", fact=f"{starred(text)!r} is not FROM=TO")
    for side in (old, new):
        try:
            parse_repository(side)
        except ReferenceFault as cause:
            fact = f"{shown(text)}: {cause.reason}"
            raise UsageFault("not a rewrite", fact=fact, hint=_BOTH) from None
    return old, new


_BOTH = "give both sides as HOST/PROJECT: registry.example.com/tkg=harbor.example.net/tkg"
