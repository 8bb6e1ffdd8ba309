"""YAML as text: bytes to a small tree in which every scalar stays as it was written.

``tag: 3.10`` is "3.10" here and not the number 3.1; the same for ``on``, ``1e3``, ``0123`` and
``2022.03.22``. The tree is built from the parser's events in a loop: no type is ever resolved, no
tag obeyed, no recursion runs over foreign nesting. Duplicate keys are refused (TKG's own reader
refuses them, PyYAML keeps the last in silence). Aliases share one node, but each counts with all
that it would unfold to. Merge keys (``<<``) are ordinary keys, as no BOM has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

import yaml

from bom.errors import BomFault, shown
from bom.limits import MAX_DEPTH, MAX_NODES

# libyaml is some ten times faster; without it PyYAML's own parser gives the same events.
_LOADER: Final = getattr(yaml, "CBaseLoader", yaml.BaseLoader)

# YAML 1.1, section 5.1. Looked for here because libyaml tells no line for it.
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)


class Scalar(NamedTuple):
    """A value as text. ``null`` where it was written plainly as nothing, ``~`` or ``null``."""

    text: str
    line: int
    null: bool = False
    literal: bool = False


class ListNode(NamedTuple):
    """Items in order; ``line`` is that of the first."""

    items: list[Node]
    line: int


class MapNode(NamedTuple):
    """Values by key in the file's order; ``lines`` holds the line of each key."""

    entries: dict[str, Node]
    lines: dict[str, int]
    line: int


Node: TypeAlias = Scalar | ListNode | MapNode


class Origin(NamedTuple):
    """Where a YAML text was found, so that faults in a nested one point into the outer file.

    ``file`` as it was named; ``prefix`` the key the text stands under, empty for a file's own;
    ``line`` the line before its first; ``literal`` whether its lines follow the outer file's.
    """

    file: str
    prefix: str = ""
    line: int = 0
    literal: bool = True

    def at(self, line: int) -> int:
        """The line in the outer file of a line in this text, both counted from 1."""
        return self.line + line if self.literal else self.line

    def fault(self, line: int, key: str, expected: str, found: str, hint: str = "") -> BomFault:
        """A fault at a line of this text and a key below its root."""
        whole = f"{self.prefix}.{key}" if self.prefix and key else self.prefix or key
        return BomFault(self.file, self.at(line), whole, expected=expected, found=found, hint=hint)


def join_key(above: str, name: str | int) -> str:
    """A dotted key path one step longer; a name that could disturb a terminal is escaped."""
    if isinstance(name, int):
        return f"{above}[{name}]"
    step = name if name.isprintable() and 0 < len(name) <= 80 else shown(name)
    return f"{above}.{step}" if above else step


def decode(data: bytes, origin: Origin) -> str:
    """UTF-8, with or without a byte order mark, to text; raises BomFault with the line."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x}"
        raise origin.fault(line, "", "UTF-8 text", found) from None


def compose(text: str, origin: Origin) -> list[Node]:
    """The root of each YAML document in the text; raises BomFault."""
    if unprintable := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, unprintable.start()) + 1
        found = f"the character U+{ord(unprintable.group()):04X}"
        raise origin.fault(line, "", "printable text", found)
    composer = _Composer(origin)
    for event in _events(text, origin):
        composer.take(event)
    return composer.roots


def _events(text: str, origin: Origin) -> Iterator[yaml.Event]:
    """The parser's events. What the parser raises ends here, whatever it is."""
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        found = (error.problem or "something else").removeprefix("found ")
        raise origin.fault(line, "", "valid YAML", found, _tab_hint(text, line)) from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        # PyYAML's own parser passes on what chr() says of "\UFFFFFFFF".
        found = f"text its parser gives up on ({error})"
        raise origin.fault(1, "", "valid YAML", found) from error


def _tab_hint(text: str, line: int) -> str:
    lines = text.split("\n", line)
    written = lines[line - 1] if line <= len(lines) else ""
    indent = written[: len(written) - len(written.lstrip())]
    return "indent with spaces: YAML allows no tab there" if "\t" in indent else ""


@dataclass(slots=True)
class _Frame:
    """A list or mapping whose end has not come yet."""

    node: ListNode | MapNode
    anchor: str | None
    count_before: int
    height: int = 1
    key: str | None = None
    key_line: int = 0

    @property
    def step(self) -> str | int | None:
        return len(self.node.items) if isinstance(self.node, ListNode) else self.key


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A finished node that aliases may name, and what each of them costs."""

    node: Node
    count: int
    height: int


@dataclass(slots=True)
class _Composer:
    """Puts events together. ``count`` is the number of nodes with every alias written out."""

    origin: Origin
    roots: list[Node] = field(default_factory=list)
    stack: list[_Frame] = field(default_factory=list)
    anchors: dict[str, _Anchored] = field(default_factory=dict)
    count: int = 0

    def take(self, event: yaml.Event) -> None:
        """One event. Stream borders and the ends of documents carry nothing."""
        mark = event.start_mark
        line = mark.line + 1 if mark else 1
        match event:
            case yaml.ScalarEvent():
                self._scalar(event, line)
            case yaml.AliasEvent():
                self._alias(event.anchor or "", line)
            case yaml.SequenceStartEvent():
                self._open(ListNode([], self.origin.at(line)), event.anchor, line)
            case yaml.MappingStartEvent():
                self._open(MapNode({}, {}, self.origin.at(line)), event.anchor, line)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._close(line)
            case yaml.DocumentStartEvent():
                self.anchors.clear()

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        self._spend(1, line)
        plain = not event.style and event.tag is None
        null = plain and event.value in {"", "~", "null", "Null", "NULL"}
        node = Scalar(event.value, self.origin.at(line), null, event.style == "|")
        if event.anchor:
            self.anchors[event.anchor] = _Anchored(node, 1, 0)
        self._put(node, 0, line)

    def _alias(self, anchor: str, line: int) -> None:
        if any(frame.anchor == anchor for frame in self.stack):
            raise self._fault(line, "an alias to a finished value", f"*{anchor} inside &{anchor}")
        known = self.anchors.get(anchor)
        if known is None:
            found = f"*{anchor} without &{anchor} before it"
            raise self._fault(line, "an alias to a known anchor", found)
        self._spend(known.count, line)
        self._put(known.node, known.height, line)

    def _open(self, node: ListNode | MapNode, anchor: str | None, line: int) -> None:
        if self._awaits_key():
            raise self._fault(line, "a text as key", "a list or mapping as key")
        before = self.count
        self._spend(1, line)
        self.stack.append(_Frame(node, anchor, before))
        self._check_depth(0, line)

    def _close(self, line: int) -> None:
        frame = self.stack.pop()
        if frame.anchor:
            cost = self.count - frame.count_before
            self.anchors[frame.anchor] = _Anchored(frame.node, cost, frame.height)
        self._put(frame.node, frame.height, line)

    def _put(self, node: Node, height: int, line: int) -> None:
        if not self.stack:
            self.roots.append(node)
            return
        self._check_depth(height, line)
        frame = self.stack[-1]
        frame.height = max(frame.height, height + 1)
        if isinstance(frame.node, ListNode):
            frame.node.items.append(node)
        elif frame.key is not None:
            frame.node.entries[frame.key] = node
            frame.node.lines[frame.key] = frame.key_line
            frame.key = None
        else:
            self._key(frame, frame.node, node, line)

    def _key(self, frame: _Frame, mapping: MapNode, node: Node, line: int) -> None:
        if not isinstance(node, Scalar):
            raise self._fault(line, "a text as key", "a list or mapping as key")
        frame.key, frame.key_line = node.text, self.origin.at(line)
        if node.text in mapping.entries:
            first = mapping.lines[node.text]
            found = f"it again, first on line {first}"
            raise self._fault(line, "each key once", found)

    def _awaits_key(self) -> bool:
        if not self.stack:
            return False
        frame = self.stack[-1]
        return isinstance(frame.node, MapNode) and frame.key is None

    def _spend(self, nodes: int, line: int) -> None:
        self.count += nodes
        if self.count > MAX_NODES:
            found = "more, with aliases written out"
            raise self._fault(line, f"at most {MAX_NODES} values in a file", found)

    def _check_depth(self, height: int, line: int) -> None:
        if len(self.stack) + height > MAX_DEPTH:
            raise self._fault(line, f"at most {MAX_DEPTH} levels of nesting", "more")

    def _fault(self, line: int, expected: str, found: str) -> BomFault:
        key = ""
        for frame in self.stack:
            if frame.step is not None:
                key = join_key(key, frame.step)
        return self.origin.fault(line, key, expected, found)
