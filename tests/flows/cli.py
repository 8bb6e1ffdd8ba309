"""The command line as a person calls it: in this process, or as one that can be killed.

ran = run("bundle", "verify", path, "--format", "json")
ran.code, ran.json["result"], ran.err
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from mirror.cli.app import tree
from scripts.world.images import Image, ImageSpec, build
from scripts.world.process import die_with_parent
from tests.fakes.simple import FakeRegistry

ROOT = Path(__file__).parents[2]

_APP = tree()


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said on each side."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


def commands_of(app: typer.Typer) -> list[list[str]]:
    """The words of every command of a tree, sorted."""
    groups = [(group.name, group.typer_instance) for group in app.registered_groups]
    below = [
        [name, each.name] for name, tree in groups if tree for each in tree.registered_commands
    ]
    return sorted(
        [str(word) for word in words]
        for words in [*below, *([each.name] for each in app.registered_commands)]
    )


def run(*arguments: object, stdin: str = "", env: dict[str, str] | None = None) -> Ran:
    """Run a command in this process: a tenth of the time of a new one."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        done = CliRunner().invoke(_APP, [str(each) for each in arguments], input=stdin, env=env)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return Ran(done.exit_code, done.stdout, done.stderr)


def start(*arguments: object, deaf: bool = False) -> subprocess.Popen[str]:
    """Start a command as a process of its own, which cannot outlive this one."""
    return subprocess.Popen(
        [sys.executable, "-m", "mirror", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=in_child(deaf=deaf),
    )


def in_child(*, deaf: bool = False) -> Callable[[], None]:
    """What a child does first: end with us, and hear SIGINT unless it shall be ``deaf``.

    Whatever is started in the background of a shell does not hear it, and neither do its children.
    """
    bind = die_with_parent()

    def prepare() -> None:
        bind()
        signal.signal(signal.SIGINT, signal.SIG_IGN if deaf else signal.SIG_DFL)

    return prepare


def finished(process: subprocess.Popen[str]) -> Ran:
    with process:
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return Ran(process.returncode, out, err)


def stock(fake: FakeRegistry, count: int = 4, prefix: str = "tkg") -> dict[str, Image]:
    """Put some images in, every third with two platforms; returns them by ``path:tag``.

    Neighbours share a layer, so that no blob belongs to all of them and some to two.
    """
    images = {f"app-{n}:v1": build(_spec(n)) for n in range(count)}
    for name, image in images.items():
        path, _, tag = name.partition(":")
        fake.add(f"{prefix}/{path}", tag, image)
    return images


def _spec(number: int) -> ImageSpec:
    return ImageSpec(
        f"app-{number}",
        bases=((f"base-{number // 2}", 900),),
        own=(700 + 90 * number,),
        platforms=("amd64", "arm64") if number % 3 == 0 else ("amd64",),
        docker=number % 2 == 1,
    )


def listed(fake: FakeRegistry, images: dict[str, Image], folder: Path) -> Path:
    """An image list that names them."""
    path = folder / "images.txt"
    path.write_text("".join(f"{fake.host}/tkg/{name}\n" for name in images))
    return path


def complete(fake: FakeRegistry) -> set[str]:
    """Every tag there is; fails where one shows an image of which something is missing."""
    found = set[str]()
    for name, repository in fake.store.repositories.items():
        for tag, digest in repository.tags.items():
            _check(repository.manifests, repository.blobs, digest)
            found.add(f"{name}:{tag}")
    return found


def _check(manifests: dict[str, tuple[str, bytes]], blobs: dict[str, bytes], digest: str) -> None:
    document = json.loads(manifests[digest][1])
    for child in document.get("manifests", []):
        _check(manifests, blobs, child["digest"])
    for blob in [document.get("config"), *document.get("layers", [])]:
        assert blob is None or len(blobs[blob["digest"]]) == blob["size"]
