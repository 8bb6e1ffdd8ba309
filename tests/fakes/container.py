"""The same registry as a container, through testcontainers: how most people run theirs.

Needs a docker engine. One that answers is used as it is; as root, in CI or with
TKG_MIRROR_START_DOCKERD=1, one is started for the session, with its data in a temporary directory
and without a rule in the firewall; otherwise the tests are skipped with the reason.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.world.process import die_with_parent
from scripts.world.registry import PROGRAM
from tests.fakes.registries import absent

IMAGE = "registry:2"
PORT = 5000
SCRIPT = Path(__file__).parents[2] / "scripts" / "registry_image.sh"
START_SECONDS = 30.0

_SETTINGS = {
    # Its own cleaning container would have to be pulled; the fixtures here clean up themselves.
    "TESTCONTAINERS_RYUK_DISABLED": "true",
    # The published port on this machine, not the address on the bridge.
    "TESTCONTAINERS_CONNECTION_MODE": "docker_host",
    "TESTCONTAINERS_HOST_OVERRIDE": "127.0.0.1",
}


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A docker engine: the value for DOCKER_HOST."""
    given = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if shutil.which("docker") is None:
        absent("docker is not installed; scripts/setup.sh --docker installs it")
    if _answers(given):
        yield given
        return
    wanted = os.environ.get("CI") == "true" or os.environ.get("TKG_MIRROR_START_DOCKERD") == "1"
    if not wanted or os.geteuid() != 0 or shutil.which("dockerd") is None:
        absent("no docker engine answers; TKG_MIRROR_START_DOCKERD=1 starts one, as root")
    with _engine(tmp_path_factory.mktemp("docker")) as host:
        yield host


@pytest.fixture
def container_registry(docker: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty registry in a container: its 127.0.0.1:PORT."""
    for name, value in {**_SETTINGS, "DOCKER_HOST": docker}.items():
        monkeypatch.setenv(name, value)
    _have_image(docker)
    # Imported late: testcontainers reads the settings above when it is loaded. Its ready-made
    # registry is left alone, since it wants bcrypt and probes with a client that heeds proxies.
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    container = DockerContainer(IMAGE).with_exposed_ports(PORT)
    container.waiting_for(LogMessageWaitStrategy("listening on").with_poll_interval(0.05))
    with container:
        yield f"{container.get_container_host_ip()}:{container.get_exposed_port(PORT)}"
    container.get_docker_client().client.close()


def _have_image(host: str) -> None:
    """Have the image, in this order: there already, made from this machine's program, pulled."""
    if _docker(host, "image", "inspect", IMAGE).returncode == 0:
        return
    if shutil.which(PROGRAM):
        environment = {**os.environ, "DOCKER_HOST": host}
        subprocess.run([str(SCRIPT), IMAGE], env=environment, check=True, capture_output=True)
    elif _docker(host, "pull", "--quiet", IMAGE).returncode:
        absent(f"{IMAGE} can be neither made (no {PROGRAM} here) nor pulled")


def _docker(host: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["docker", "--host", host, *arguments], capture_output=True, timeout=60, check=False
    )


def _answers(host: str) -> bool:
    return _docker(host, "version", "--format", "{{.Server.Version}}").returncode == 0


@contextmanager
def _engine(home: Path) -> Iterator[str]:
    host, log = f"unix://{home}/docker.sock", home / "dockerd.log"
    command = ["dockerd", "--host", host, "--iptables=false", "--ip6tables=false"]
    command += [f"--data-root={home}/data", f"--exec-root={home}/exec", f"--pidfile={home}/pid"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, preexec_fn=die_with_parent(signal.SIGTERM)
        )
    try:
        _wait_for(host, process, log)
        yield host
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _wait_for(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(host):
        if process.poll() is not None or time.monotonic() > deadline:
            absent(f"dockerd does not come up: {log.read_text()[-600:]}")
        time.sleep(0.1)
