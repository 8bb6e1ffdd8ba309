from __future__ import annotations

import base64
import copy
import json
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import InputFault, MachineFault
from mirror.events import Event, Noticed
from mirror.registry.credentials import Credentials, CredentialStore, Secret, _decode
from tests.mirror.oci.documents import steady
from tests.mirror.registry.reach import CANARY, fault_of, somebody

HOST = "reg.example:5000"
HUB = "https://index.docker.io/v1/"


def entry(name: str = "ann", secret: str = CANARY) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{name}:{secret}".encode()).decode()}


def stored(path: Path, content: dict[str, Any] | bytes) -> CredentialStore:
    """A store that reads just this file."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    path.mkdir(exist_ok=True)
    (path / "config.json").write_bytes(raw)
    return CredentialStore(environment={"DOCKER_CONFIG": str(path), "HOME": str(path)})


def pair(found: Credentials | None) -> tuple[str, str] | None:
    return (found.username, found.secret.reveal()) if found else None


# --- secrets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("show", [repr, str, format, ascii, lambda s: f"{s!s} {s!r}", "%s".__mod__])
def test_a_secret_prints_as_stars(show: Callable[[object], str]) -> None:
    for thing in (Secret(CANARY), somebody(), CredentialStore({HOST: somebody()})):
        assert CANARY not in show(thing)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(somebody(), protocol)


@pytest.mark.parametrize("act", [copy.copy, copy.deepcopy, vars, json.dumps])
def test_a_secret_is_not_written_down_in_another_way(act: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        act(Secret(CANARY))


def test_credentials_do_not_become_a_dictionary() -> None:
    with pytest.raises(TypeError):
        asdict(somebody())


def test_the_environment_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TKG_MIRROR_PASSWORD", CANARY)
    assert CANARY not in repr(CredentialStore())


def test_bytes_of_the_environment_that_are_no_text_are_sent_as_they_are() -> None:
    name = b"\xe9".decode("utf-8", "surrogateescape")
    assert Credentials(name, Secret("x")).basic() == "Basic " + base64.b64encode(b"\xe9:x").decode()


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        HOST,
        f"https://{HOST}",
        f"https://{HOST}/v2/",
        f"{HOST}/tkg",
        f"{HOST}/tkg/a/b",
    ],
)
def test_an_entry_is_found_under_each_of_its_names(tmp_path: Path, key: str) -> None:
    store = stored(tmp_path, {"auths": {"other": entry("x"), key: entry()}})
    assert pair(store.lookup(HOST, "tkg/a/b")) == ("ann", CANARY)


def test_the_entry_nearest_to_the_repository_counts(tmp_path: Path) -> None:
    auths = {HOST: entry("host"), f"{HOST}/tkg": entry("tkg"), f"{HOST}/tkg/a": entry("a")}
    store = stored(tmp_path, {"auths": auths})
    found = [store.lookup(HOST, name) for name in ("tkg/a", "tkg/a/b", "tkg/b", "tkgx", "")]
    assert [one and one.username for one in found] == ["a", "a", "tkg", "host", "host"]


@pytest.mark.parametrize("key", [HUB, "docker.io", "index.docker.io", "https://index.docker.io"])
@pytest.mark.parametrize("host", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_has_many_names(tmp_path: Path, key: str, host: str) -> None:
    store = stored(tmp_path, {"auths": {key: entry()}})
    assert pair(store.lookup(host, "library/x")) == ("ann", CANARY)


@pytest.mark.parametrize(
    "host", ["reg.example", "reg.example:5001", "evil.reg.example:5000", "5000"]
)
def test_another_host_gets_nothing(tmp_path: Path, host: str) -> None:
    assert stored(tmp_path, {"auths": {HOST: entry()}}).lookup(host, "tkg") is None


def test_an_identity_token_is_told_from_a_password(tmp_path: Path) -> None:
    auths = {HOST: entry("<token>"), "other": entry("x", "y") | {"identitytoken": CANARY}}
    store = stored(tmp_path, {"auths": auths})
    for host in (HOST, "other"):
        found = store.lookup(host, "tkg")
        assert found is not None
        assert found.identity
        assert found.secret.reveal() == CANARY


@pytest.mark.parametrize("secret", ["a:b", "", "ä€", "x\0\0"])
def test_a_password_may_hold_colons_and_more(tmp_path: Path, secret: str) -> None:
    store = stored(tmp_path, {"auths": {HOST: entry(secret=secret)}})
    assert pair(store.lookup(HOST, "tkg")) == ("ann", secret.rstrip("\0"))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"auths": {}},
        {"auths": None},
        {"auths": []},
        {"auths": {HOST: None}},
        {"auths": {HOST: {}}},
        {"auths": {HOST: {"auth": ""}}},
        {"auths": {HOST: {"auth": 7}}},
        {"credHelpers": []},
        {"credHelpers": {HOST: ""}},
        {"credsStore": ""},
    ],
)
def test_an_entry_without_credentials_is_nobody(tmp_path: Path, document: dict[str, Any]) -> None:
    assert stored(tmp_path, document).lookup(HOST, "tkg") is None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"auths":{"reg.example:5000":{"auth":"' + CANARY.encode(),
        b'{"canary-7f3a":1,"canary-7f3a":2}',
        b"canary-7f3a",
        b"[]",
        b"\xff",
        b"",
        b'{"a":' + b"[" * 10_000,
        json.dumps({"auths": {HOST: {"auth": CANARY}}}).encode(),
        json.dumps(
            {"auths": {HOST: {"auth": base64.b64encode(CANARY.encode()).decode()}}}
        ).encode(),
        json.dumps({"auths": {HOST: {"auth": "/" * 8}}}).encode(),
        json.dumps({"auths": {HOST: {"auth": "ä"}}}).encode(),
    ],
    ids=range(11),
)
def test_a_damaged_file_is_named_and_not_quoted(tmp_path: Path, raw: bytes) -> None:
    fault = fault_of(InputFault, stored(tmp_path, raw).lookup, HOST, "tkg")
    assert "config.json" in fault.fact


def test_a_damaged_entry_of_another_host_is_not_our_matter(tmp_path: Path) -> None:
    auths = {"other": {"auth": "!"}, HOST: entry()}
    assert pair(stored(tmp_path, {"auths": auths}).lookup(HOST, "tkg")) == ("ann", CANARY)


def test_files_that_are_absent_or_unreadable(tmp_path: Path) -> None:
    assert CredentialStore(environment={}).lookup(HOST, "tkg") is None
    named = CredentialStore(config=tmp_path / "absent", environment={})
    assert "absent" in fault_of(InputFault, named.lookup, HOST, "tkg").fact
    fault_of(MachineFault, CredentialStore(config=tmp_path).lookup, HOST, "tkg")
    (tmp_path / "long").write_bytes(b" " * (5 << 20))
    long = CredentialStore(config=tmp_path / "long")
    assert "larger" in fault_of(InputFault, long.lookup, HOST, "tkg").fact


def test_the_order_of_the_places(tmp_path: Path) -> None:
    places = ["docker/config.json", "named.json", "run/containers/auth.json"]
    places.append("home/.config/containers/auth.json")
    for place in [*places, "given.json"]:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(json.dumps({"auths": {HOST: entry(place)}}))
    environment = {
        "DOCKER_CONFIG": str(tmp_path / "docker"),
        "REGISTRY_AUTH_FILE": str(tmp_path / "named.json"),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "HOME": str(tmp_path / "home"),
    }
    for place in places:
        found = CredentialStore(environment=environment).lookup(HOST, "tkg")
        assert found is not None
        assert found.username == place
        (tmp_path / place).unlink()
    assert CredentialStore(environment=environment).lookup(HOST, "tkg") is None
    config = tmp_path / "given.json"
    found = CredentialStore(config=config, environment=environment).lookup(HOST, "tkg")
    assert found is not None
    assert found.username == "given.json"


def test_what_is_given_for_this_run_goes_before_all_files(tmp_path: Path) -> None:
    given = somebody("me")
    assert CredentialStore({HOST: given}, tmp_path / "absent").lookup(HOST, "tkg") is given


def test_what_is_given_for_one_host_is_not_shown_to_another() -> None:
    store = CredentialStore({HOST: somebody("me")}, environment={})
    assert store.lookup("other." + HOST, "tkg") is None


@steady
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.text("ab:/+=", max_size=9)
)
def test_any_coded_text_is_credentials_or_an_input_fault(text: str, garbage: str) -> None:
    for coded in (base64.b64encode(text.encode()).decode(), text, garbage):
        try:
            found = _decode({"auth": coded}, Path("x"), "y")
        except InputFault:
            continue
        assert found is None or isinstance(found, Credentials)


# --- helpers ----------------------------------------------------------------------------------


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make `docker-credential-fake` of a few lines of shell; returns its list of questions."""
    asked = tmp_path / "asked"

    def make(script: str) -> Path:
        program = tmp_path / "bin" / "docker-credential-fake"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nread -r host; echo "$1 $host" >> "{asked}"\n{script}\n')
        program.chmod(0o755)
        return asked

    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return make


GOOD = f'echo \'{{"ServerURL":"x","Username":"ann","Secret":"{CANARY}"}}\''


@pytest.mark.parametrize(
    ("document", "host", "asked"),
    [
        ({"credHelpers": {HOST: "fake"}, "auths": {HOST: entry("x")}}, HOST, HOST),
        ({"credsStore": "fake"}, HOST, HOST),
        ({"credsStore": "fake"}, "docker.io", HUB),
        ({"credsStore": "fake", "auths": {HOST: {}}}, HOST, HOST),
    ],
)
def test_a_helper_is_asked_once_for_each_address(
    tmp_path: Path,
    helper: Callable[[str], Path],
    document: dict[str, Any],
    host: str,
    asked: str,
) -> None:
    questions = helper(GOOD)
    store = stored(tmp_path / "docker", document)
    with ThreadPoolExecutor(4) as crew:
        found = list(crew.map(lambda n: pair(store.lookup(host, f"tkg/{n}")), range(8)))
    assert found == [("ann", CANARY)] * 8
    assert questions.read_text() == f"get {asked}\n"


def test_a_helper_may_give_an_identity_token(tmp_path: Path, helper: Callable[[str], Path]) -> None:
    helper(GOOD.replace("ann", "<token>"))
    found = stored(tmp_path / "docker", {"credsStore": "fake"}).lookup(HOST, "tkg")
    assert found is not None
    assert found.identity


@pytest.mark.parametrize(
    "script",
    [
        f"echo {CANARY} >&2; exit 1",
        f"echo {CANARY}",
        f"echo '[\"{CANARY}\"]'",
        f'echo \'{{"Secret":"{CANARY}"}}\'',
        f"printf '\\377{CANARY}' >&2; exit 1",
        "exit 0",
        "kill -9 $$",
    ],
)
def test_a_helper_that_fails_has_none_and_is_not_quoted(
    tmp_path: Path,
    helper: Callable[[str], Path],
    capfd: pytest.CaptureFixture[str],
    script: str,
) -> None:
    helper(script)
    assert stored(tmp_path / "docker", {"credsStore": "fake"}).lookup(HOST, "tkg") is None
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "")


def test_a_helper_that_is_not_installed_has_none(
    tmp_path: Path, helper: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    store = stored(tmp_path / "docker", {"credsStore": "absent-helper"})
    assert store.lookup(HOST, "tkg") is None
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("document", [{"credsStore": "gone"}, {"credHelpers": {HOST: "gone"}}])
def test_a_helper_that_is_not_installed_is_told_once(
    tmp_path: Path, helper: Callable[[str], Path], document: dict[str, Any]
) -> None:
    heard = list[Event]()
    store = replace(stored(tmp_path / "docker", document), listener=heard.append)
    with ThreadPoolExecutor(4) as crew:
        assert set(crew.map(lambda n: store.lookup(HOST, f"tkg/{n}"), range(8))) == {None}
    (notice,) = heard
    assert isinstance(notice, Noticed)
    for part in ("docker-credential-gone", "config.json", HOST, "without credentials"):
        assert part in notice.text


@pytest.mark.parametrize(
    "script", [GOOD, "echo 'credentials not found in native keychain'; exit 1"]
)
def test_a_helper_that_answers_is_not_told(
    tmp_path: Path, helper: Callable[[str], Path], script: str
) -> None:
    helper(script)
    heard = list[Event]()
    store = replace(stored(tmp_path / "docker", {"credsStore": "fake"}), listener=heard.append)
    store.lookup(HOST, "tkg")
    assert not heard


@pytest.mark.parametrize(
    "name",
    ["../fake", "/bin/sh", "fake/../x", "-fake", "Fake", "fake x", "fake\n", ".", 7, ["fake"]],
)
def test_a_helper_whose_name_is_a_path_is_not_run(
    tmp_path: Path, helper: Callable[[str], Path], name: object
) -> None:
    questions = helper(GOOD)
    store = stored(tmp_path / "docker", {"credHelpers": {HOST: name}})
    fault_of(InputFault, store.lookup, HOST, "tkg")
    assert not questions.exists()
