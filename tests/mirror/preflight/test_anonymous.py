"""REG-1 before real registries, a Harbor, and registries that will not answer."""

from __future__ import annotations

import pytest

from mirror.preflight.anonymous import CHECKS
from mirror.preflight.interface import Status, Verdict
from mirror.preflight.run import Rules, examine
from mirror.settings import PREFLIGHT_SECONDS
from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from tests.fakes.auth import Bearer
from tests.fakes.behaviours import answer, hang_up, stall
from tests.fakes.harbor import Harbor
from tests.fakes.message import Reply, json_reply
from tests.fakes.registries import ReadOnly, Source
from tests.fakes.simple import FakeRegistry
from tests.fakes.token_server import TokenRegistry
from tests.mirror.preflight.strangers import examined, fares, scene_of

(REG_1,) = CHECKS
HTML = {"Content-Type": "text/html"}


def pulls(dest: str, *paths: str) -> Verdict:
    return examined(dest, *paths)["REG-1"]


def held(source: Source) -> str:
    """``path:tag`` of an image below ``tkg``."""
    entry = next(each for each in source.entries if each.repository.startswith("tkg/"))
    return f"{entry.repository.removeprefix('tkg/')}:{entry.tag}"


# --- real registries ----------------------------------------------------------------------


def test_an_image_of_an_open_registry_is_read_by_anybody(source: Source) -> None:
    image = held(source)
    found = pulls(f"{source.host}/tkg", image)
    assert (found.status, fares(found)) == (Status.PASS, "yyyyy")
    assert found.summary == f"anybody can pull, without any token: tkg/{image} was read"


def test_an_open_registry_with_nothing_in_it_is_open_all_the_same(registry: Registry) -> None:
    found = pulls(f"{registry.host}/tkg")
    assert (found.status, fares(found)) == (Status.PASS, "yyyyy")
    assert "anybody may pull; tkg/tkg-compatibility:v1 is not there yet" in found.summary


def test_a_registry_that_asks_for_a_password_lets_nobody_pull(locked_registry: Registry) -> None:
    found = pulls(f"{locked_registry.host}/tkg")
    assert (found.status, fares(found)) == (Status.FAIL, "nnnnn")
    assert "asks for a login (Basic)" in found.summary
    assert "auth.htpasswd" in found.fix


def test_a_token_that_anybody_gets_is_as_good_as_none(token_registry: TokenRegistry) -> None:
    found = pulls(f"{token_registry.host}/tkg")
    assert (found.status, fares(found)) == (Status.PASS, "yyyyy")
    assert "not there yet" in found.summary


def test_a_token_without_a_right_is_none(token_registry: TokenRegistry) -> None:
    token_registry.tokens.anonymous = frozenset()
    found = pulls(f"{token_registry.host}/tkg")
    assert (found.status, fares(found)) == (Status.FAIL, "nnnnn")
    assert "gives no right to tkg/tkg-compatibility" in found.summary
    assert "auth.token" in found.fix


def test_maintenance_and_caches_are_no_obstacle(
    read_only: ReadOnly, cache_of_source: Registry, source: Source
) -> None:
    assert pulls(f"{read_only.registry.host}/tkg").status is Status.PASS
    assert "was read" in pulls(f"{cache_of_source.host}/tkg", held(source)).summary


# --- Harbor -------------------------------------------------------------------------------


def test_a_public_project_with_an_image(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    harbor.add("tkg/pause", "3.9", build(ImageSpec("pause")))
    found = pulls(f"{harbor.host}/tkg", "pause:3.9")
    assert (found.status, fares(found)) == (Status.PASS, "yyyyy")
    assert "with a token that anybody gets: tkg/pause:3.9 was read" in found.summary


def test_a_public_project_without_an_image_passes_by_the_right_in_the_token(
    harbor: Harbor,
) -> None:
    harbor.project("tkg", public=True)
    found = pulls(f"{harbor.host}/tkg")
    assert (found.status, fares(found)) == (Status.PASS, "yyyyy")
    assert "anybody may pull; tkg/tkg-compatibility:v1 is not there yet" in found.summary


def test_a_private_project_is_told_from_a_missing_one(harbor: Harbor) -> None:
    harbor.project("tkg")
    private = pulls(f"{harbor.host}/tkg")
    assert (private.status, fares(private)) == (Status.FAIL, "nnnnn")
    assert "the project tkg is private" in private.summary
    assert "make the project public: Projects > tkg" in private.fix
    missing = pulls(f"{harbor.host}/nobody")
    assert (missing.status, fares(missing)) == (Status.FAIL, "nnnnn")
    assert "there is no project nobody (project nobody not found)" in missing.summary
    assert "REG-5" in missing.fix


def test_a_rule_that_stops_everybody_is_not_a_login(harbor: Harbor) -> None:
    project = harbor.project("tkg", public=True)
    harbor.add("tkg/pause", "3.9", build(ImageSpec("pause")))
    project.content_trust = True
    found = pulls(f"{harbor.host}/tkg", "pause:3.9")
    assert found.status is Status.WARN
    assert "a rule of the project forbids tkg/pause:3.9" in found.summary
    assert "REG-8" in found.fix


def test_harbor_without_a_project_cannot_be_asked(harbor: Harbor) -> None:
    found = pulls(harbor.host)
    assert found.unknown
    assert f"{harbor.host}/PROJECT" in found.fix


def test_an_image_with_a_project_in_its_path_is_preferred(harbor: Harbor) -> None:
    harbor.project("tkg", public=True)
    harbor.add("tkg/pause", "3.9", build(ImageSpec("pause")))
    assert pulls(harbor.host, "pause:3.9", "tkg/pause:3.9").status is Status.PASS


def test_an_image_without_a_tag_is_asked_for_by_its_digest(fake: FakeRegistry) -> None:
    digest = fake.add("tkg/pause", "", build(ImageSpec("pause")))
    found = pulls(f"{fake.host}/tkg", f"pause@{digest}")
    assert f"tkg/pause@{digest} was read" in found.summary


# --- what is no answer --------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("pattern", ["^/v2/$", "/manifests/", "^/token"])
def test_an_answer_that_may_be_another_later_is_not_told(
    fake: FakeRegistry, status: int, pattern: str
) -> None:
    fake.require_bearer()
    fake.on("*", pattern, answer(status, Retry_After="7"))
    found = examined(f"{fake.host}/tkg")
    assert found["REG-1"].unknown
    first = found["API-1"] if pattern == "^/v2/$" else found["REG-1"]
    assert str(status) in first.summary
    assert first.fix == "run it again in 7 s"


@pytest.mark.parametrize("pattern", ["/manifests/", "^/token"])
def test_no_answer_at_all_is_not_told(fake: FakeRegistry, pattern: str) -> None:
    fake.require_bearer()
    fake.on("*", pattern, hang_up())
    found = pulls(f"{fake.host}/tkg")
    assert found.unknown
    assert "gave no answer" in found.summary


@pytest.mark.parametrize("pattern", ["/manifests/", "^/token"])
def test_a_redirect_is_not_followed(fake: FakeRegistry, pattern: str) -> None:
    fake.require_bearer()
    fake.on("GET", pattern, answer(307, Location="https://elsewhere.example/x"))
    found = pulls(f"{fake.host}/tkg")
    assert found.unknown
    assert "a redirect to https://elsewhere.example/x" in found.summary


def test_a_404_that_is_not_the_registrys_says_nothing(fake: FakeRegistry) -> None:
    fake.on("*", "/manifests/", lambda _request, _go: Reply(404, HTML, b"<h1>no</h1>"))
    found = pulls(f"{fake.host}/tkg")
    assert found.unknown
    assert "hidden from strangers" in found.summary


def test_a_404_with_a_token_that_does_not_say_what_it_is_for_says_nothing(
    fake: FakeRegistry,
) -> None:
    fake.require_bearer()
    found = pulls(f"{fake.host}/tkg")
    assert found.unknown
    assert "the token does not say" in found.summary


def test_a_token_service_elsewhere_is_not_asked(fake: FakeRegistry) -> None:
    with FakeRegistry() as other:
        other.gate = Bearer(f"{other.url}/token")
        fake.gate = Bearer(f"{other.url}/token")
        found = pulls(f"{fake.host}/tkg")
        assert other.requests == []
    assert (found.unknown, fares(found)) == (True, "?????")
    assert f"but at http://{other.host}/token" in found.summary


# --- what a hostile one might want --------------------------------------------------------


def test_a_token_that_comes_back_in_an_answer_is_not_shown(fake: FakeRegistry) -> None:
    fake.require_bearer()

    def echo(request: object, go: object) -> Reply:
        token = request.headers.get("authorization", "")  # type: ignore[attr-defined]
        body = {"errors": [{"code": "DENIED", "message": f"not for {token}"}]}
        return json_reply(body, status=403) if token else go()  # type: ignore[operator]

    fake.on("*", "/manifests/", echo)
    found = pulls(f"{fake.host}/tkg")
    assert "not for Bearer ***" in found.summary
    sent = [s.headers["authorization"] for s in fake.requests if "authorization" in s.headers]
    assert sent
    assert not any(each.removeprefix("Bearer ") in str(found) for each in sent)


def test_words_of_a_registry_cannot_rewrite_the_screen(fake: FakeRegistry) -> None:
    words = b'{"errors": [{"message": "\\u001b[2J\\u202egood\\nPASS"}]}'
    fake.on("*", "/manifests/", answer(403, body=words))
    found = pulls(f"{fake.host}/tkg")
    assert "([2Jgood PASS)" in found.summary


def test_a_thousand_challenges_do_not_make_a_thousand_requests(fake: FakeRegistry) -> None:
    lines = ", ".join(f'Bearer realm="{fake.url}/token{n}"' for n in range(1000))
    fake.on("*", "^/v2/", answer(401, WWW_Authenticate=lines))
    pulls(f"{fake.host}/tkg")
    assert len(fake.requests) < 20


def test_nothing_of_the_machine_goes_along(
    fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    fake.on("*", "", lambda _request, go: cookie(go()))
    fake.add("tkg/tkg-compatibility", "v1", build(ImageSpec("x")))
    assert pulls(f"{fake.host}/tkg").status is Status.PASS
    assert fake.leaked() == []


def cookie(reply: Reply) -> Reply:
    return Reply(reply.status, {**reply.headers, "Set-Cookie": "sid=secret"}, reply.body)


def test_every_type_of_manifest_is_accepted(registry: Registry, harbor: Harbor) -> None:
    """Distribution 2.8 answers 404 for an OCI manifest that is not asked for (measured)."""
    harbor.project("tkg", public=True)
    for docker in (False, True):
        harbor.add("tkg/pause", f"v{docker}", build(ImageSpec("pause", docker=docker)))
        assert "was read" in pulls(f"{harbor.host}/tkg", f"pause:v{docker}").summary


def test_a_page_in_the_place_of_a_manifest_is_no_image(fake: FakeRegistry) -> None:
    fake.on("GET", "/manifests/", lambda _request, _go: Reply(200, HTML, b"<h1>Log in</h1>"))
    found = pulls(f"{fake.host}/tkg")
    assert (found.status, fares(found)) == (Status.FAIL, "nnnnn")
    assert "answered 200 and a web page" in found.summary


def test_a_registry_that_keeps_silent_is_not_waited_for_beyond_its_time(
    fake: FakeRegistry,
) -> None:
    fake.on("*", "/manifests/", stall())
    # All of the time but a tenth of a second is over when the check begins.
    times = iter([0.0])
    with scene_of(f"{fake.host}/tkg", clock=lambda: next(times, PREFLIGHT_SECONDS - 0.1)) as scene:
        (finding,) = examine(scene, [REG_1._replace(needs=())], Rules()).findings
    assert finding.verdict.unknown
    assert "gave no answer within 0.5 s" in finding.verdict.summary


@pytest.mark.parametrize("body", [b"{}", b"OK", b"[" * 20_000, b""])
def test_a_200_without_a_manifest_is_no_pull(fake: FakeRegistry, body: bytes) -> None:
    for headers in ({"Content-Type": "application/json"}, {}):
        fake.on("*", "/manifests/", lambda _request, _go, h=headers: Reply(200, h, body))  # type: ignore[misc]
        found = examined(f"{fake.host}/tkg")["REG-1"]
        assert found.status is Status.FAIL
        assert "200 and no manifest" in found.summary
        assert "host and port" in found.fix
        fake.rules.clear()
