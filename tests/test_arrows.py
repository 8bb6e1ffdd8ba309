"""Keeps the arrows between rooms: who may know whom, and that nobody goes in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# The files that know connections; all others know requests and answers.
_WIRES = ("http11", "network", "pool", "transport")

# Who must not import what, and who is let through all the same. A name stands for itself and
# for everything below it.
FORBIDDEN = (
    ("bom", "mirror", ()),
    ("bom", "httpx", ()),
    ("bom", "rich", ()),
    ("bom", "typer", ()),
    ("mirror", "mirror.cli", ("mirror.cli", "mirror.__main__")),
    ("mirror.oci", "mirror.registry", ()),
    ("mirror.oci", "mirror.bundle", ()),
    ("mirror.oci", "mirror.transfer", ()),
    ("mirror.transfer", "mirror.registry", ()),
    ("mirror.transfer", "mirror.bundle", ()),
    ("mirror.registry", "mirror.bundle", ()),
    ("mirror.bundle", "mirror.registry", ()),
    ("mirror", "rich", ("mirror.cli", "mirror.report.text")),
    ("mirror", "typer", ("mirror.cli",)),
    ("mirror", "httpx", ("mirror.registry",)),
    ("mirror", "httpcore", tuple(f"mirror.registry.{name}" for name in _WIRES)),
    ("mirror", "h11", ("mirror.registry.http11", "mirror.registry.connection")),
    ("mirror", "oras", ("mirror.registry",)),
    ("mirror", "requests", ("mirror.registry.artifact",)),
    ("mirror", "tenacity", ("mirror.transfer.retry",)),
    ("mirror", "mirror.preflight", ("mirror.preflight", "mirror.report", "mirror.cli")),
    ("mirror.preflight", "mirror.report", ()),
    ("mirror", "dns", ("mirror.preflight",)),
    ("mirror", "jinja2", ("mirror.report",)),
    ("mirror", "tests", ()),
    ("mirror", "scripts", ()),
    ("bom", "scripts", ()),
)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, inside functions too; submodules where it names them."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path} imports relatively"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def graph() -> dict[str, set[str]]:
    """Module -> modules of this project, and names of others, that it imports."""
    files = [path for room in ("bom", "mirror") for path in (ROOT / room).rglob("*.py")]
    own = {module_name(path) for path in files}
    found = {}
    for path in files:
        names = set(imports_of(path))
        # ``from mirror.report import json`` is an arrow to the submodule, not to the package.
        packages = {n.rpartition(".")[0] for n in names if n in own}
        found[module_name(path)] = {
            n for n in names if (n in own and n not in packages) or n.split(".")[0] not in ROOMS
        }
    return found


ROOMS = ("bom", "mirror")
GRAPH = graph()


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


@pytest.mark.parametrize(("room", "target", "exempt"), FORBIDDEN)
def test_no_arrow_goes_where_it_must_not(room: str, target: str, exempt: tuple[str, ...]) -> None:
    found = [
        f"{module} -> {imported}"
        for module, imports in sorted(GRAPH.items())
        for imported in sorted(imports)
        if within(module, room) and within(imported, target)
        if not any(within(module, each) for each in exempt)
    ]
    assert not found, f"{room} must not know {target}: {', '.join(found)}"


def test_every_rule_speaks_of_a_room_that_exists() -> None:
    rooms = {room for room, _target, _exempt in FORBIDDEN}
    assert all(any(within(module, room) for module in GRAPH) for room in rooms)


def test_no_imports_go_in_a_circle() -> None:
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        for imported in sorted(GRAPH.get(module, ())):
            visit(imported, [*path, module])
        done.add(module)

    for module in sorted(GRAPH):
        visit(module, [])
