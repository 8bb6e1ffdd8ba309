"""Fixtures: real registries, a world to mirror, and an environment that no machine can colour.

`tests/conftest.py` imports them all, so that any test asks for them by name.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from scripts.world.registry import PROGRAM, Registry
from scripts.world.seed import Entry, seed_world
from tests.fakes.simple import FakeRegistry

SAMPLES = Path(__file__).parents[2] / "scripts" / "samples"
TKG_BOM = SAMPLES / "tkg-bom-v0.9.0.yaml"
TKR_BOM = SAMPLES / "tkr-bom-v1.30.1+example.1-tkg.1.yaml"

# In upper case: proxies are also read in lower case.
_STRIPPED = re.compile(
    r"(HTTPS?|ALL|NO|FTP)_PROXY|SSL_CERT_(FILE|DIR)|SSLKEYLOGFILE|(REQUESTS_CA|CURL_CA)_BUNDLE"
    r"|REGISTRY_AUTH_FILE|DOCKER_AUTH_CONFIG|XDG_(RUNTIME_DIR|CONFIG_HOME)|SOURCE_DATE_EPOCH"
    r"|NO_COLOR|FORCE_COLOR|TKG_.*"
)


# A fixed bcrypt hash of PASSWORD, the one kind that Distribution takes; making one needs a library.
USER, PASSWORD = "ann", "correct horse"
HTPASSWD = f"{USER}:$2a$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n"


@dataclass(frozen=True)
class Source:
    """A registry that holds a world: the images of the sample BOM pair under `prefix`."""

    registry: Registry
    boms: tuple[Path, ...]
    prefix: str
    entries: tuple[Entry, ...]

    @property
    def host(self) -> str:
        return self.registry.host

    @property
    def repository(self) -> str:
        """What stands in for the BOM's base repository: --source-repo."""
        return f"{self.host}/{self.prefix}"


@pytest.fixture(autouse=True)
def clean_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Take away what a machine says about proxies, trust and credentials."""
    for name in list(os.environ):
        if _STRIPPED.fullmatch(name.upper()):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DOCKER_CONFIG", str(home / ".docker"))


@pytest.fixture
def registry() -> Iterator[Registry]:
    """An empty real registry of the test's own."""
    with _real_registry() as running:
        yield running


@pytest.fixture
def second_registry() -> Iterator[Registry]:
    """Another empty real registry, for what goes from one to the other."""
    with _real_registry() as running:
        yield running


@pytest.fixture
def locked_registry(tmp_path: Path) -> Iterator[Registry]:
    """An empty real registry that asks for USER and PASSWORD."""
    path = tmp_path / "htpasswd"
    path.write_text(HTPASSWD)
    with _real_registry(htpasswd=path) as running:
        yield running


@pytest.fixture(scope="session")
def source() -> Iterator[Source]:
    """A real registry with the world of the sample BOM pair; read it, do not write to it."""
    boms = (TKG_BOM, TKR_BOM)
    missing = [path.name for path in boms if not path.exists()]
    if missing:
        absent(f"no {' and no '.join(missing)} in scripts/samples")
    with _real_registry() as running:
        entries = seed_world(running.url, boms, prefix="tkg", megabytes=4)
        yield Source(running, boms, "tkg", tuple(entries))


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    """An empty registry in memory that takes rules."""
    with FakeRegistry() as running:
        yield running


def absent(reason: str) -> NoReturn:
    """Skip where something is missing on a developer's machine; in CI nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def _real_registry(htpasswd: Path | None = None) -> Registry:
    if shutil.which(PROGRAM) is None:
        absent(f"{PROGRAM} is not installed; scripts/setup.sh installs it")
    return Registry(delete=True, htpasswd=htpasswd)
