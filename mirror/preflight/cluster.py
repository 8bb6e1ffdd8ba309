"""A TKG cluster configuration: the flat YAML file that ``tanzu ... create --file`` takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bom.errors import Fault
from bom.limits import MAX_FILE_BYTES
from bom.yamltree import MapNode, Origin, Scalar, compose, decode
from mirror.errors import InputFault, MachineFault

# What TKG's own reader takes for yes (strconv.ParseBool).
_YES = frozenset({"1", "t", "T", "true", "TRUE", "True"})


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """Variables as they were written, without their YAML types; ``lines`` where each stands."""

    file: str
    values: dict[str, str]
    lines: dict[str, int] = field(default_factory=dict)

    def get(self, name: str, default: str = "") -> str:
        """The value, or ``default`` where there is none or an empty one."""
        return self.values.get(name) or default

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A yes or no; what is neither counts as no, as it does for TKG."""
        return self.get(name) in _YES if self.get(name) else default

    def place(self, name: str) -> str:
        """``file:line`` of a variable, or the file where it is not set."""
        line = self.lines.get(name)
        return f"{self.file}:{line}" if line else self.file


def read_cluster(path: Path) -> ClusterConfig:
    """Read one; raises InputFault (a BomFault with line and key where YAML is wrong).

    Nested values (labels, lists) belong to no variable that is checked, and are left out.
    """
    origin = Origin(str(path))
    roots = [root for root in compose(decode(_read(path), origin), origin) if not _null(root)]
    if len(roots) != 1 or not isinstance(roots[0], MapNode):
        raise origin.fault(1, "", "one mapping of TKG variables", f"{len(roots)} documents")
    root = roots[0]
    values = {
        name: "" if node.null else node.text
        for name, node in root.entries.items()
        if isinstance(node, Scalar)
    }
    return ClusterConfig(str(path), values, root.lines)


def _null(node: object) -> bool:
    return isinstance(node, Scalar) and node.null


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise InputFault("no such cluster configuration", fact=str(path)) from None
    except OSError as cause:
        raise MachineFault.from_os("cannot read the cluster configuration", cause) from cause
    if len(raw) > MAX_FILE_BYTES:
        raise _too_large(path)
    return raw


def _too_large(path: Path) -> Fault:
    fact = f"{path}: over {MAX_FILE_BYTES} bytes"
    return InputFault("too large for a cluster configuration", fact=fact)
