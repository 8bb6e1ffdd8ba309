"""The line for a node is run by a shell, as an operator pastes it there."""

from __future__ import annotations

import base64
import os
import shlex
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from scripts.world.seed import Seeder
from tests.fakes.auth import Bearer
from tests.fakes.behaviours import answer
from tests.fakes.registries import TlsRegistry, absent
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, run

FIRST = "tkg/tkg-compatibility"
IMAGE = build(ImageSpec("first", own=(500,)))
CA = "TKG_CUSTOM_IMAGE_REPOSITORY_CA_CERTIFICATE"
SHELLS = [each for each in ("sh", "dash", "bash", "busybox") if shutil.which(each)]


@pytest.fixture(autouse=True)
def programs() -> None:
    for each in ("curl", "openssl"):
        if shutil.which(each) is None:
            absent(f"{each} is not installed")


def emitted(dest: str, *options: object) -> str:
    ran = run("preflight", dest, "--emit-node-test", *options)
    assert ran.code == 0, ran.err
    assert ran.out.endswith("\n")
    assert "\n" not in ran.out[:-1]
    return ran.out


def on_node(line: str, folder: Path, shell: str = "sh", **environment: str) -> Ran:
    """What the line says where it is pasted; it must leave no file behind."""
    own = folder / "temporary files"
    own.mkdir(exist_ok=True)
    env = {"PATH": os.environ["PATH"], "TMPDIR": str(own), "HOME": str(folder)} | environment
    command = ["busybox", "sh"] if shell == "busybox" else [shell]
    done = subprocess.run(command, input=line, env=env, capture_output=True, text=True, check=False)
    assert list(own.iterdir()) == []
    assert done.stderr == ""
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_node_pulls_in_plain_http(registry: Registry, tmp_path: Path, shell: str) -> None:
    with httpx.Client() as client:
        Seeder(registry.url, client).put(FIRST, "latest", IMAGE)
    line = emitted(f"{registry.host}/tkg", "--plain-http")
    ran = on_node(line, tmp_path, shell)
    assert ran.code == 0, ran.out
    assert f"connects to {registry.host} at 127.0.0.1" in ran.out
    assert f"PASS: this node can pull {registry.host}/{FIRST}" in ran.out


def test_a_project_without_images_yet(registry: Registry, tmp_path: Path) -> None:
    ran = on_node(emitted(f"{registry.host}/tkg", "--plain-http"), tmp_path)
    assert ran.code == 0
    assert "may pull" in ran.out
    assert "yet" in ran.out


def test_a_node_trusts_the_ca_that_the_line_carries(
    tls_registry: TlsRegistry, tmp_path: Path
) -> None:
    line = emitted(f"{tls_registry.host}/tkg", "--ca-file", tls_registry.ca_file)
    ran = on_node(line, tmp_path)
    assert ran.code == 0, ran.out
    assert "PASS" in ran.out


def test_a_node_trusts_the_ca_of_the_cluster_configuration(
    tls_registry: TlsRegistry, tmp_path: Path
) -> None:
    config = tmp_path / "c.yaml"
    coded = base64.b64encode(tls_registry.ca_file.read_bytes()).decode()
    config.write_text(f"{CA}: {coded}\n")
    line = emitted(f"{tls_registry.host}/tkg", "--cluster-config", config)
    assert on_node(line, tmp_path).code == 0


def test_a_proxys_ca_takes_the_place_of_the_registrys(
    tls_registry: TlsRegistry, tmp_path: Path
) -> None:
    good = base64.b64encode(tls_registry.ca_file.read_bytes()).decode()
    other = base64.b64encode(trustme.CA().cert_pem.bytes()).decode()
    config = tmp_path / "c.yaml"
    config.write_text(f"{CA}: {good}\nTKG_PROXY_CA_CERT: {other}\n")
    line = emitted(f"{tls_registry.host}/tkg", "--cluster-config", config)
    assert "do not agree on TLS" in on_node(line, tmp_path).out


def test_a_node_that_does_not_trust_it_says_what_was_presented(
    tls_registry: TlsRegistry, tmp_path: Path
) -> None:
    ran = on_node(emitted(f"{tls_registry.host}/tkg"), tmp_path)
    assert ran.code == 1
    assert "do not agree on TLS" in ran.out
    assert "trustme" in ran.out
    assert "notAfter" in ran.out


def test_a_certificate_for_another_host(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with FakeRegistry(tls=context) as fake:
        line = emitted(f"{fake.host}/tkg", "--ca-file", tmp_path / "ca.pem")
        assert "do not agree on TLS" in on_node(line, tmp_path).out


@pytest.fixture
def open_to_all(fake: FakeRegistry) -> Iterator[FakeRegistry]:
    fake.add(FIRST, "latest", IMAGE)
    fake.require_bearer()
    yield fake
    assert all(not secret.startswith("Basic") for secret in fake.leaked())


def test_a_node_gets_a_token_without_a_login(open_to_all: FakeRegistry, tmp_path: Path) -> None:
    ran = on_node(emitted(f"{open_to_all.host}/tkg", "--plain-http"), tmp_path)
    assert ran.code == 0, ran.out
    assert "gets a token without a login" in ran.out
    assert "PASS: this node can pull" in ran.out


def test_a_challenge_without_quotes(open_to_all: FakeRegistry, tmp_path: Path) -> None:
    assert isinstance(open_to_all.gate, Bearer)
    open_to_all.gate.quoted = False
    assert on_node(emitted(f"{open_to_all.host}/tkg", "--plain-http"), tmp_path).code == 0


@pytest.mark.parametrize(
    "body", [b'{\n  "token": "",\n  "access_token": "%s"\n}', b'{"access_token":"","token":"%s"}']
)
def test_a_token_answer_as_harbor_writes_it(
    open_to_all: FakeRegistry, tmp_path: Path, body: bytes
) -> None:
    assert isinstance(open_to_all.gate, Bearer)
    url = f"{open_to_all.url}/token?scope=repository:{FIRST}:pull"
    token = httpx.get(url).json()["token"].encode()
    open_to_all.on("GET", "/token", answer(200, body=body % token))
    assert on_node(emitted(f"{open_to_all.host}/tkg", "--plain-http"), tmp_path).code == 0


def test_a_private_project(open_to_all: FakeRegistry, tmp_path: Path) -> None:
    assert isinstance(open_to_all.gate, Bearer)
    open_to_all.gate.anonymous = frozenset()
    ran = on_node(emitted(f"{open_to_all.host}/tkg", "--plain-http"), tmp_path)
    assert ran.code == 1
    assert "to nobody without a login" in ran.out


def test_a_token_service_that_wants_a_login(open_to_all: FakeRegistry, tmp_path: Path) -> None:
    open_to_all.on("GET", "/token", answer(401))
    ran = on_node(emitted(f"{open_to_all.host}/tkg", "--plain-http"), tmp_path)
    assert ran.code == 1
    assert "gives nobody a token without a login" in ran.out


def test_a_registry_that_asks_for_a_password(locked_registry: Registry, tmp_path: Path) -> None:
    ran = on_node(emitted(f"{locked_registry.host}/tkg", "--plain-http"), tmp_path)
    assert ran.code == 1
    assert "asks for a login" in ran.out


@pytest.mark.parametrize(
    "realm", ["file:///etc/passwd", "https://127.0.0.1:1/token", "$(id)", "-K/etc/passwd", "--help"]
)
def test_a_realm_leads_nowhere_else(open_to_all: FakeRegistry, tmp_path: Path, realm: str) -> None:
    assert isinstance(open_to_all.gate, Bearer)
    open_to_all.gate.realm = realm
    ran = on_node(emitted(f"{open_to_all.host}/tkg", "--plain-http"), tmp_path)
    assert ran.code == 1
    assert f"no answer from the token service at {realm}" in ran.out
    assert "root" not in ran.out


def test_escapes_of_a_registry_do_not_reach_the_terminal(
    fake: FakeRegistry, tmp_path: Path
) -> None:
    challenge = 'Bearer realm="http://\x1b[31m\\033[2J",service="x"'
    fake.on("GET", "/v2/$", answer(401, WWW_Authenticate=challenge))
    ran = on_node(emitted(f"{fake.host}/tkg", "--plain-http"), tmp_path)
    assert ran.code == 1
    assert ran.out.replace("\n", "").isprintable()


def test_a_web_page_for_everything_is_no_image(fake: FakeRegistry, tmp_path: Path) -> None:
    """A portal between node and registry answers 200 to whatever is asked."""
    page = answer(200, body=b"<html>Please sign in</html>", Content_Type="text/html")
    fake.on("GET", "/", page)
    ran = on_node(emitted(f"{fake.host}/tkg", "--plain-http"), tmp_path)
    assert ran.code == 1
    assert f"FAIL: {fake.host} answers for {FIRST} latest with what is no image" in ran.out


def test_what_a_person_has_at_home_does_not_count(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / ".curlrc").write_text("user = ann:hunter2\nproxy = http://127.0.0.1:1\n")
    away = {"http_proxy": "http://127.0.0.1:1", "CURL_CA_BUNDLE": "/nowhere"}
    line = emitted(f"{registry.host}/tkg", "--plain-http")
    assert on_node(line, tmp_path, **away).code == 0


def test_nobody_listens(tmp_path: Path) -> None:
    ran = on_node(emitted("127.0.0.1:1/tkg", "--plain-http"), tmp_path)
    assert ran.code == 1
    assert "FAIL: this node does not connect to 127.0.0.1:1" in ran.out


def test_a_node_without_curl_says_so(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "mktemp", "rm", "tr", "printf"):
        (programs / name).symlink_to(shutil.which(name) or absent(f"no {name}"))
    ran = on_node(emitted("127.0.0.1:1/tkg", "--plain-http"), tmp_path, PATH=str(programs))
    assert ran.code == 1
    assert "has no curl" in ran.out


def test_a_name_that_the_node_does_not_resolve(tmp_path: Path) -> None:
    away = ["unshare", "--user", "--map-root-user", "--net", "true"]
    if shutil.which("unshare") is None or subprocess.run(away, check=False).returncode:
        absent("no network namespace can be had here")
    line = emitted("registry.example/tkg")
    # Without a network no resolver of this machine is asked.
    quoted = shlex.join(["unshare", "--user", "--map-root-user", "--net", *shlex.split(line)])
    ran = on_node(quoted, tmp_path)
    assert ran.code == 1
    assert "FAIL: this node does not resolve registry.example" in ran.out


def test_nothing_is_asked_and_no_secret_is_in_the_line(tmp_path: Path) -> None:
    authority = trustme.CA()
    mixed = tmp_path / "ca.pem"
    mixed.write_bytes(authority.private_key_pem.bytes() + authority.cert_pem.bytes())
    config = tmp_path / "c.yaml"
    config.write_text("AWS_SECRET_ACCESS_KEY: hunter2\n")
    with FakeRegistry() as fake:
        more = ("--ca-file", mixed, "--cluster-config", config, "--username", "ann")
        ran = run(
            "preflight",
            f"{fake.host}/tkg",
            "--emit-node-test",
            *more,
            env={"TKG_MIRROR_PASSWORD": "hunter3"},
        )
        assert ran.code == 0, ran.err
        assert not fake.requests
    words = shlex.split(ran.out)
    assert words[:2] == ["sh", "-c"]
    decoded = base64.b64decode(words[7])
    assert decoded == authority.cert_pem.bytes()
    assert "hunter" not in ran.out
    assert "ann" not in words


@pytest.mark.parametrize("value", ["not base64", base64.b64encode(b"no certificate").decode()])
def test_a_ca_variable_that_is_none(tmp_path: Path, value: str) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"A: 1\n{CA}: {value}\n")
    ran = run("preflight", "127.0.0.1/tkg", "--emit-node-test", "--cluster-config", config)
    assert ran.code == 3
    assert f"{config}:2" in ran.err


def test_a_registry_on_ipv6(tmp_path: Path) -> None:
    words = shlex.split(emitted("[::1]:5000/tkg"))
    assert words[4:7] == ["https://[::1]:5000", "::1", "[::1]:5000"]


def test_a_machine_gets_the_same_line_as_json() -> None:
    ran = run("preflight", "127.0.0.1/tkg", "--emit-node-test", "--format", "json")
    assert ran.json["schema"] == "tkg-mirror/node-test/v1"
    assert f"{ran.json['command']}\n" == emitted("127.0.0.1/tkg")


def test_no_address_no_line() -> None:
    assert run("preflight", "https://x/tkg", "--emit-node-test").code == 3
