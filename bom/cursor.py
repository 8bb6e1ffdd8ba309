"""A place in a YAML tree that knows its key and line, so that every fault can name them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from bom.errors import BomFault, ReferenceFault, shown
from bom.yamltree import ListNode, MapNode, Node, Origin, Scalar, join_key


class Cursor(NamedTuple):
    """A node and where it stands.

    ``key`` is the dotted path from the file's root; ``line`` that of the key, or of the item in
    a list, counted from 1.
    """

    node: Node
    key: str
    line: int
    origin: Origin

    @classmethod
    def at_root(cls, node: Node, origin: Origin) -> Cursor:
        """The root of a document; ``key`` is empty, or what the document stands under."""
        return cls(node, origin.prefix, node.line, origin)

    @property
    def null(self) -> bool:
        """Nothing, ``~`` or ``null``, written plainly."""
        return isinstance(self.node, Scalar) and self.node.null

    def has(self, name: str) -> bool:
        """Is there such a key, whatever its value?"""
        return isinstance(self.node, MapNode) and name in self.node.entries

    def get(self, name: str) -> Cursor | None:
        """The value of a key; None where the key or its value is absent. BomFault on no mapping."""
        if self.null:
            return None
        mapping = self._mapping()
        if name not in mapping.entries:
            return None
        child = self._child(mapping, name)
        return None if child.null else child

    def find(self, *names: str) -> Cursor | None:
        """``get`` along several keys."""
        here: Cursor | None = self
        for name in names:
            if here is None:
                return None
            here = here.get(name)
        return here

    def entries(self) -> Iterator[tuple[str, Cursor]]:
        """Each key with its value, nulls too; none at all where this is null itself."""
        if self.null:
            return
        mapping = self._mapping()
        for name in mapping.entries:
            child = self._child(mapping, name)
            if not name.isprintable():
                raise child.fault("a key of one printable line", shown(name))
            yield name, child

    def items(self) -> Iterator[Cursor]:
        """Each item of a list; none at all where this is null."""
        if self.null:
            return
        if not isinstance(self.node, ListNode):
            raise self.fault("a list")
        for index, node in enumerate(self.node.items):
            yield Cursor(node, join_key(self.key, index), node.line, self.origin)

    def text(self) -> str:
        """The scalar as it was written; BomFault unless it is one printable line."""
        text = self.block()
        if not text.isprintable():
            raise self.fault("one printable line")
        return text

    def block(self) -> str:
        """The scalar as it was written, of any lines and characters; BomFault on no scalar."""
        if not isinstance(self.node, Scalar):
            raise self.fault("a text")
        return self.node.text

    def checked(self, check: Callable[[str], object], expected: str, hint: str = "") -> str:
        """``text`` after a check that raises ReferenceFault, told as BomFault here."""
        text = self.text()
        try:
            check(text)
        except ReferenceFault as fault:
            # The fault's own text: it has stars where somebody wrote a password.
            found = f"{shown(fault.text)} ({fault.reason}, at character {fault.position + 1})"
            raise self.fault(expected, found, hint) from fault
        return text

    def fault(self, expected: str, found: str = "", hint: str = "") -> BomFault:
        """A fault at this place; ``found`` describes the node unless given."""
        found = found or describe(self.node)
        return BomFault(
            self.origin.file, self.line, self.key, expected=expected, found=found, hint=hint
        )

    def missing(self, name: str, expected: str, found: str = "nothing", hint: str = "") -> BomFault:
        """A fault for a key that should stand below this place."""
        lines = self.node.lines if isinstance(self.node, MapNode) else {}
        line = lines.get(name, self.line)
        key = join_key(self.key, name)
        return BomFault(self.origin.file, line, key, expected=expected, found=found, hint=hint)

    def _mapping(self) -> MapNode:
        if not isinstance(self.node, MapNode):
            raise self.fault("a mapping")
        return self.node

    def _child(self, mapping: MapNode, name: str) -> Cursor:
        key = join_key(self.key, name)
        return Cursor(mapping.entries[name], key, mapping.lines[name], self.origin)


def describe(node: Node) -> str:
    """What a node is, in a few words."""
    if isinstance(node, MapNode):
        return "a mapping" if node.entries else "an empty mapping"
    if isinstance(node, ListNode):
        return "a list" if node.items else "an empty list"
    return "nothing" if node.null or not node.text else shown(node.text)
