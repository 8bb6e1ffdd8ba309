"""The real registry as a child process: on its own port, counted, and gone when it should be."""

from __future__ import annotations

import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import trustme

from scripts.world.images import ImageSpec, build
from scripts.world.registry import (
    PROGRAM,
    AccessLine,
    Registry,
    RegistryFailed,
    RegistryNotInstalled,
)
from scripts.world.seed import Seeder
from tests.fakes.registries import PASSWORD, USER, SmallDisk

ROOT = Path(__file__).parents[2]

needs_registry = pytest.mark.skipif(not shutil.which(PROGRAM), reason=f"{PROGRAM} is not installed")


def get(url: str, **options: object) -> httpx.Response:
    return httpx.get(url, trust_env=False, **options)  # type: ignore[arg-type]


def test_its_access_log_counts_requests(registry: Registry) -> None:
    get(f"{registry.url}/v2/")
    before = len(registry.requests())
    get(f"{registry.url}/v2/x/tags/list?n=5")
    expected = [AccessLine("GET", "/v2/x/tags/list?n=5", 404)]
    assert (before, registry.requests(since=1)) == (1, expected)
    assert registry.asked() == 2


def test_after_a_kill_it_comes_back_on_its_port_with_what_it_held(registry: Registry) -> None:
    with httpx.Client(trust_env=False) as client:
        Seeder(registry.url, client).put("x", "v1", build(ImageSpec("x")))
    url = registry.url
    registry.kill()
    with pytest.raises(httpx.ConnectError):
        get(f"{url}/v2/")
    registry.start()
    assert get(f"{url}/v2/x/tags/list").json()["tags"] == ["v1"]


def test_a_given_storage_survives(tmp_path: Path, registry: Registry) -> None:
    with Registry(tmp_path / "kept") as other, httpx.Client(trust_env=False) as client:
        Seeder(other.url, client).put("x", "v1", build(ImageSpec("x")))
    with Registry(tmp_path / "kept", read_only=True) as other:
        assert get(f"{other.url}/v2/x/tags/list").json()["tags"] == ["v1"]
        refused = httpx.post(f"{other.url}/v2/x/blobs/uploads/", trust_env=False)
        assert refused.status_code == 405
    assert not other.log_path.exists()


def test_it_asks_for_credentials(locked_registry: Registry) -> None:
    url = f"{locked_registry.url}/v2/"
    assert get(url).headers["WWW-Authenticate"].startswith("Basic ")
    assert get(url, auth=(USER, PASSWORD)).status_code == 200


@needs_registry
def test_it_speaks_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with Registry(tls=(certificate, key)) as registry:
        assert get(f"{registry.url}/v2/", verify=context).status_code == 200


def test_without_the_program_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RegistryNotInstalled, match="apt-get install docker-registry"):
        Registry()


@needs_registry
def test_a_registry_that_cannot_listen_says_why(registry: Registry) -> None:
    with (
        pytest.raises(RegistryFailed, match="address already in use"),
        Registry(port=registry.port),
    ):
        pass


@needs_registry
@pytest.mark.parametrize("options", ["", "disk=1 << 20"])
def test_it_dies_with_a_killed_parent(options: str, small_disk: SmallDisk) -> None:
    # The fixture is there to skip where nothing can be mounted.
    code = (
        "from scripts.world.registry import Registry; import time\n"
        f"r = Registry({options}).start()\n"
        "print(r.pid, r._temporary.name, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        child, _, left = parent.stdout.readline().strip().partition(" ")
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while running(int(child)) and time.monotonic() < deadline:
        time.sleep(0.01)
    shutil.rmtree(left)
    assert not running(int(child))


def running(pid: int) -> bool:
    """Return whether the process lives; a dead one that nobody has asked about is dead too."""
    try:
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
