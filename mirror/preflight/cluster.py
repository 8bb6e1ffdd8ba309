"""A TKG cluster configuration: the flat YAML file that ``tanzu ... create --file`` takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from bom.errors import BomFault, shown
from bom.limits import MAX_FILE_BYTES
from bom.yamltree import ListNode, MapNode, Node, Origin, Scalar, compose, decode, join_key
from mirror.errors import InputFault, MachineFault
from mirror.text import printable

# What Go's strconv.ParseBool takes for yes and for no; TKG's converters call it.
YES = frozenset({"1", "t", "T", "true", "TRUE", "True"})
NO = frozenset({"0", "f", "F", "false", "FALSE", "False"})


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """Variables as they were written, without their YAML types; ``lines`` where each stands.

    What is written as nothing (``NAME:``, ``~``) is in ``lines`` alone: TKG counts it as not set,
    and an empty text as set. Values may be secrets, so no traceback or log shows them.
    """

    file: str
    values: dict[str, str] = field(repr=False)
    lines: dict[str, int] = field(default_factory=dict)

    def get(self, name: str, default: str = "") -> str:
        """The value, or ``default`` where there is none or an empty one."""
        return self.values.get(name) or default

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A yes or no; what is neither counts as no, as it does for TKG."""
        return self.get(name) in YES if self.get(name) else default

    def place(self, name: str) -> str:
        """``file:line`` of a variable, or the file where it is not set."""
        line = self.lines.get(name)
        return f"{self.file}:{line}" if line else self.file

    def found(self, name: str) -> str:
        """The value as a message may carry it: quoted, escaped, without a login in it."""
        if name in self.values:
            return printable(shown(self.values[name]))
        return "nothing"

    @property
    def infrastructure(self) -> str:
        """``aws``, ``vsphere``, ``azure``, as the file says or as its variables tell; else empty.

        A workload cluster's file may leave it to its management cluster.
        """
        said = self.get("INFRASTRUCTURE_PROVIDER").partition(":")[0].lower()
        signs = (name.partition("_")[0] for name, value in self.values.items() if value)
        known = ("AWS", "VSPHERE", "AZURE")
        return said or next((sign.lower() for sign in signs if sign in known), "")


def read_cluster(path: Path) -> ClusterConfig:
    """Read one; raises InputFault (a BomFault with line and key where YAML is wrong).

    Nested values (labels, lists) belong to no variable that is checked, and are left out. What
    ``<<`` merges counts as written, as it does for TKG's reader.
    """
    origin = Origin(str(path))
    values, lines = dict[str, str](), dict[str, int]()
    for written, (node, line) in _merged(_root(_read(path), origin), origin).items():
        name = _name(written)
        if name in lines:
            found = f"it again, first on line {lines[name]} in other letters"
            raise origin.fault(line, join_key("", written), "each variable once", found)
        lines[name] = line
        if isinstance(node, Scalar) and not node.null:
            values[name] = node.text
    return ClusterConfig(str(path), values, lines)


def _merged(mapping: MapNode, origin: Origin) -> dict[str, tuple[Node, int]]:
    """A mapping's values and their lines, with those of its merge key (yaml.org/type/merge.html).

    Its own win, and of several mappings the first. That this ends, and soon, is the matter of
    ``compose``: aliases count with all that they unfold to, in number and depth.
    """
    lines = mapping.lines
    found = {key: (node, lines[key]) for key, node in mapping.entries.items() if key != _MERGE}
    merge = mapping.entries.get(_MERGE)
    for each in merge.items if isinstance(merge, ListNode) else [merge] if merge else []:
        if not isinstance(each, MapNode):
            told = _kind(each)
            raise origin.fault(lines[_MERGE], _MERGE, "a mapping to merge, or a list of them", told)
        for key, value in _merged(each, origin).items():
            found.setdefault(key, value)
    return found


_MERGE = "<<"


def _name(written: str) -> str:
    """TKG reads its files with viper, for which upper and lower case are the same."""
    return written.upper() if written.isascii() else written


def _root(raw: bytes, origin: Origin) -> MapNode:
    try:
        nodes = [node for node in compose(decode(raw, origin), origin) if not _null(node)]
    except BomFault as fault:
        raise _discreet(fault) from None
    for node in nodes:
        if isinstance(node, MapNode) and {"apiVersion", "kind"} <= node.entries.keys():
            found = "a Kubernetes object"
            raise origin.fault(node.lines["kind"], "kind", _WANTED, found, _NOT_AN_OBJECT)
    if len(nodes) != 1 or not isinstance(nodes[0], MapNode):
        found = _kind(nodes[0]) if len(nodes) == 1 else f"{len(nodes)} documents"
        raise origin.fault(1, "", _WANTED, found)
    return nodes[0]


_WANTED = "one mapping of TKG variables"
_NOT_AN_OBJECT = "give the file of variables that the object was made from"


def _discreet(fault: BomFault) -> BomFault:
    """The same fault without what may be a part of a secret.

    ``AWS_SECRET_ACCESS_KEY: *abc`` is an alias to YAML, and ``{abc`` a mapping with that key.
    """
    key = re.split(r"[.\[]", fault.key, maxsplit=1)[0]
    found, hint = fault.found, fault.hint
    if fault.expected.startswith("an alias"):
        found, hint = "text that begins with an asterisk", "put the value in quotes"
    return BomFault(fault.file, fault.line, key, expected=fault.expected, found=found, hint=hint)


def _kind(node: Node) -> str:
    return "a text" if isinstance(node, Scalar) else "a list"


def _null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.null


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise InputFault("no such cluster configuration", fact=str(path)) from None
    except IsADirectoryError:
        raise InputFault("a folder, not a cluster configuration", fact=str(path)) from None
    except OSError as cause:
        raise MachineFault.from_os("cannot read the cluster configuration", cause) from cause
    if len(raw) > MAX_FILE_BYTES:
        fact = f"{path}: over {MAX_FILE_BYTES} bytes"
        raise InputFault("too large for a cluster configuration", fact=fact)
    return raw
