"""BOM images, pulled by oras under guard: what oras alone would let happen does not."""

from __future__ import annotations

import gzip
import json
import logging
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mirror.errors import (
    Fault,
    IntegrityFault,
    Misbehaved,
    NotFound,
    Refused,
    Side,
    Unreachable,
)
from mirror.oci import mediatypes
from mirror.oci.digest import Digest
from mirror.registry.access import Access
from mirror.registry.artifact import Artifact, Artifacts, _Guarded
from mirror.registry.credentials import Credentials, CredentialStore, Secret
from mirror.registry.remote import Registries
from mirror.settings import MAX_ARTIFACT, MIB, Settings
from scripts.world.images import DOCKER, Blob, Image, ImageSpec, build
from scripts.world.registry import Registry as RealRegistry
from scripts.world.seed import Seeder, bom_image
from tests.fakes.behaviours import (
    Behaviour,
    answer,
    bare,
    cut,
    flip_byte,
    lie_about_length,
    redirect,
    with_headers,
)
from tests.fakes.registries import PASSWORD, USER
from tests.fakes.release import file_image, layers_image, tar
from tests.fakes.simple import FakeRegistry
from tests.fakes.token_server import TokenRegistry
from tests.mirror.oci.documents import image as image_document
from tests.mirror.registry.peers import Peer, endless
from tests.mirror.registry.reach import CANARY, fault_of, somebody

PLACE, TAG = "tkg/tkg-bom", "v1.6.0"
NAME, TEXT = "tkg-bom-v1.6.0.yaml", b"release:\n  version: v1.6.0\n"
GOOD = file_image({NAME: TEXT})


def access(host: str = "", given: Credentials | None = None, retries: int = 0) -> Access:
    credentials = CredentialStore({host: given} if given else {})
    settings = Settings(timeout=5, retries=retries)
    return Access(Side.SOURCE, settings, plain_http=True, credentials=credentials)


@pytest.fixture
def artifacts() -> Iterator[Artifacts]:
    with Registries(access()) as registries:
        yield Artifacts(registries)


def pulled(fake: FakeRegistry, artifacts: Artifacts) -> Artifact:
    return artifacts.pull(fake.host, PLACE, TAG)


def refused(fake: FakeRegistry, artifacts: Artifacts, *layers: bytes) -> str:
    """What is said against an image with these layers."""
    fake.add(PLACE, TAG, layers_image(*layers))
    return fault_of(Misbehaved, pulled, fake, artifacts).fact


def test_the_one_file_comes_with_the_manifest_that_promised_it(
    fake: FakeRegistry, artifacts: Artifacts
) -> None:
    fake.add(PLACE, TAG, GOOD)
    found = pulled(fake, artifacts)
    assert (found.name, found.content) == (NAME, TEXT)
    assert found.manifest.raw == GOOD.manifest.read()
    assert str(found.manifest.digest) == GOOD.manifest.digest
    # The configuration says nothing that is wanted here.
    assert [seen.method for seen in fake.requests] == ["GET", "GET"]
    assert all(seen.headers["accept-encoding"] == "identity" for seen in fake.requests)


def test_what_imgpkg_pushes_to_a_real_registry_is_read(
    registry: RealRegistry, artifacts: Artifacts, tmp_path: Path
) -> None:
    bom = tmp_path / NAME
    bom.write_bytes(TEXT)
    with httpx.Client(trust_env=False) as client:
        entry = Seeder(registry.url, client).put(PLACE, TAG, bom_image(bom))
    found = artifacts.pull(registry.host, PLACE, TAG)
    assert (found.name, found.content) == (NAME, TEXT)
    assert str(found.manifest.digest) == entry.digest


def test_a_plain_tar_and_several_layers_are_read_too(
    fake: FakeRegistry, artifacts: Artifacts
) -> None:
    fake.add(PLACE, TAG, layers_image(tar({}), gzip.decompress(tar({NAME: TEXT}))))
    assert pulled(fake, artifacts).content == TEXT


def test_two_files_are_not_chosen_from(fake: FakeRegistry, artifacts: Artifacts) -> None:
    fact = refused(fake, artifacts, tar({"a.yaml": TEXT, "b.yaml": TEXT}))
    assert "a.yaml, b.yaml" in fact
    fact = refused(fake, artifacts, tar({"a.yaml": TEXT}), tar({"a.yaml": TEXT}))
    assert "a.yaml, a.yaml" in fact
    many = {f"{n}.yaml": TEXT for n in range(60)}
    assert "60" not in refused(fake, artifacts, tar(many))


def test_no_file_is_none(fake: FakeRegistry, artifacts: Artifacts) -> None:
    assert "no file" in refused(fake, artifacts, tar({}))
    assert "no file" in refused(fake, artifacts)


def test_an_index_is_refused_with_its_reason(fake: FakeRegistry, artifacts: Artifacts) -> None:
    for docker in (True, False):
        spec = ImageSpec("bom", platforms=("amd64", "arm64"), docker=docker)
        fake.add(PLACE, TAG, build(spec))
        assert "index" in fault_of(Misbehaved, pulled, fake, artifacts).fact


def hostile() -> dict[str, bytes]:
    """Layers that are no honest tar; every other one is in tests/mirror/oci/test_unpack.py."""
    link = tarfile.TarInfo(NAME)
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    huge = tarfile.TarInfo(NAME)
    huge.size = 2**62
    large = tarfile.TarInfo(NAME)
    large.size = MAX_ARTIFACT + 1
    return {
        "a link": link.tobuf(tarfile.GNU_FORMAT) + bytes(1024),
        str(2**62): huge.tobuf(tarfile.GNU_FORMAT),
        f"more than {MAX_ARTIFACT}": large.tobuf(tarfile.GNU_FORMAT),
        "'..'": tar({"../../x.yaml": TEXT}),
        "times its size": gzip.compress(bytes(8 * MIB)),
        "in the middle": tar({NAME: TEXT})[:-9],
        "not a tar": TEXT * 60,
        "zstd": b"\x28\xb5\x2f\xfd" + bytes(64),
    }


@pytest.mark.parametrize("reason", hostile())
def test_a_hostile_archive_is_refused_with_its_reason(
    fake: FakeRegistry, artifacts: Artifacts, reason: str
) -> None:
    assert reason in refused(fake, artifacts, hostile()[reason])


@pytest.mark.parametrize(
    ("pattern", "behaviour", "kind"),
    [
        ("/blobs/", flip_byte(30), IntegrityFault),
        ("/blobs/", answer(200, body=b"short"), IntegrityFault),
        ("/blobs/", answer(200, body=bytes(100_000)), Misbehaved),
        ("/blobs/", lie_about_length(-1), IntegrityFault),
        ("/blobs/", lie_about_length(5), Unreachable),
        ("/blobs/", cut(20), Unreachable),
        ("/blobs/", answer(404, "BLOB_UNKNOWN"), NotFound),
        ("/blobs/", answer(500), Unreachable),
        ("/blobs/", with_headers(Content_Encoding="gzip"), Misbehaved),
        ("/manifests/", flip_byte(30), IntegrityFault),
        ("/manifests/", cut(20), Unreachable),
        ("/manifests/", answer(404, "MANIFEST_UNKNOWN"), NotFound),
        ("/manifests/", answer(401), Refused),
        ("/manifests/", answer(403, "DENIED"), Refused),
        ("/manifests/", answer(429, Retry_After="7"), Unreachable),
        ("/manifests/", answer(200, body=b""), Misbehaved),
        ("/manifests/", answer(200, body=b"<html>"), Misbehaved),
        ("/manifests/", answer(200, body=b"[" * 100_000), Misbehaved),
        ("/manifests/", answer(200, body=b'{"size":' + b"9" * 5000 + b"}"), Misbehaved),
        ("/manifests/", answer(200, body=b'{"a":1,"a":2}'), Misbehaved),
        ("/manifests/", answer(200, body=b"\xff\xfe{\0}\0"), Misbehaved),
        ("/manifests/", answer(200, body=b" " * (4 * MIB + 1)), Misbehaved),
        ("/manifests/", with_headers(Location="http://[::bad"), None),
    ],
)
def test_what_a_registry_does_wrong_is_one_fault_of_ours_at_once(
    fake: FakeRegistry,
    artifacts: Artifacts,
    pattern: str,
    behaviour: Behaviour,
    kind: type[Fault] | None,
) -> None:
    fake.add(PLACE, TAG, GOOD)
    fake.on("GET", pattern, behaviour)
    if kind is None:
        assert pulled(fake, artifacts).content == TEXT
        return
    fault = fault_of(kind, pulled, fake, artifacts)
    assert f"{fake.host}/{PLACE}:{TAG}" in fault.what
    assert fake.count("GET", pattern) == 1


def test_a_body_without_length_that_ends_early_is_not_a_whole_one(
    fake: FakeRegistry, artifacts: Artifacts
) -> None:
    fake.add(PLACE, TAG, GOOD)
    fake.on("GET", "/blobs/", bare())
    assert pulled(fake, artifacts).content == TEXT


def test_the_pause_that_a_registry_asks_for_is_kept_for_the_retry(
    fake: FakeRegistry, artifacts: Artifacts
) -> None:
    fake.on("GET", "/manifests/", answer(503, Retry_After="7"))
    assert fault_of(Unreachable, pulled, fake, artifacts).retry_after == 7


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n"],
)
def test_an_endless_body_is_given_up(artifacts: Artifacts, head: bytes) -> None:
    with Peer(endless(head, bytes(65536))) as peer:
        fact = fault_of(Misbehaved, artifacts.pull, peer.host, PLACE, TAG).fact
    assert "larger than" in fact


def test_an_artifact_that_says_it_is_huge_is_not_asked_for(
    fake: FakeRegistry, artifacts: Artifacts
) -> None:
    descriptor = {"mediaType": DOCKER.layer, "digest": f"sha256:{'ab' * 32}", "size": MAX_ARTIFACT}
    document = json.dumps(image_document(layers=[descriptor])).encode()
    fake.add(PLACE, TAG, Image(Blob.from_bytes(mediatypes.OCI_MANIFEST, document)))
    assert "2.0 MiB" in fault_of(Misbehaved, pulled, fake, artifacts).fact
    assert not fake.count("GET", "/blobs/")


def test_a_manifest_that_is_not_what_its_header_says(
    fake: FakeRegistry, artifacts: Artifacts
) -> None:
    fake.add(PLACE, TAG, GOOD)
    other = str(Digest.of(b"other"))
    fake.on("GET", "/manifests/", with_headers(Docker_Content_Digest=other))
    assert fault_of(IntegrityFault, pulled, fake, artifacts).expected == other


@pytest.mark.parametrize("pattern", ["/manifests/", "/blobs/"])
def test_a_redirect_to_another_origin_takes_no_credentials_along(
    fake: FakeRegistry, pattern: str
) -> None:
    fake.add(PLACE, TAG, GOOD)
    fake.require_bearer(ann=CANARY)
    with FakeRegistry() as other, Registries(access(fake.host, somebody())) as registries:
        other.store.repositories = fake.store.repositories
        fake.on("GET", pattern, redirect(other.url))
        assert pulled(fake, Artifacts(registries)).content == TEXT
        assert other.count("GET", pattern) == 1
        assert not other.leaked()


def test_a_realm_elsewhere_is_told_nothing(fake: FakeRegistry) -> None:
    with FakeRegistry() as other, Registries(access(fake.host, somebody())) as registries:
        challenge = f'Bearer realm="{other.url}/token",service="x"'
        fake.on("GET", "/v2/", answer(401, WWW_Authenticate=challenge))
        fault_of(Misbehaved, pulled, fake, Artifacts(registries))
        assert not other.requests


def test_each_repository_has_a_token_of_its_own(token_registry: TokenRegistry) -> None:
    token_registry.tokens.users[USER] = PASSWORD
    token_registry.tokens.anonymous = frozenset()
    places = ("tkg/tkg-compatibility", PLACE, "tkg/tkr-bom")
    storage = token_registry.registry.storage
    with RealRegistry(storage) as open_one, httpx.Client(trust_env=False) as client:
        for place in places:
            Seeder(open_one.url, client).put(place, TAG, GOOD)
    given = Credentials(USER, Secret(PASSWORD))
    with Registries(access(token_registry.host, given)) as registries:
        artifacts = Artifacts(registries)
        for place in places:
            assert artifacts.pull(token_registry.host, place, TAG).content == TEXT
    scopes = {scope for asked in token_registry.tokens.asked for scope in asked.scopes}
    assert scopes == {f"repository:{place}:pull" for place in places}


def test_oras_reads_no_login_of_this_machine_and_says_nothing(
    fake: FakeRegistry,
    artifacts: Artifacts,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"auths": {fake.host: {"auth": "YW5uOmNhbmFyeS03ZjNh"}}}))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(config.read_text())
    fake.add(PLACE, TAG, GOOD)
    fake.on("GET", "/blobs/", answer(500, "canary-words"))
    with Registries(access()) as registries:
        fault_of(Unreachable, pulled, fake, Artifacts(registries))
    # Its own credentials would come by DOCKER_CONFIG; these are what only oras would find.
    assert not fake.leaked()
    assert capfd.readouterr() == ("", "")
    assert not logging.getLogger("oras.logger").isEnabledFor(logging.ERROR)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("PUT", "{own}/v2/tkg/tkg-bom/manifests/x"),
        ("GET", "{own}/v2/tkg/other/manifests/x"),
        ("GET", "{own}/v2/tkg/tkg-bom/../other/manifests/x"),
        ("GET", "{other}/v2/tkg/tkg-bom/manifests/x"),
    ],
)
def test_oras_can_ask_for_nothing_else(fake: FakeRegistry, method: str, url: str) -> None:
    with FakeRegistry() as other, Registries(access()) as registries:
        client = _Guarded(registries.at(fake.host), PLACE, TAG)
        with pytest.raises(ValueError, match="something else"):
            client.do_request(url.format(own=fake.url, other=other.url), method)
        assert not other.requests
    assert not fake.requests


def test_docker_hub_is_asked_where_its_registry_is() -> None:
    with Registries(access()) as registries:
        client = _Guarded(registries.at("docker.io"), "library/x", "v1")
    assert client.hostname == "registry-1.docker.io"


def test_oras_is_loaded_with_this_module_alone() -> None:
    program = "import sys, mirror.create, mirror.registry.remote; print('oras' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
