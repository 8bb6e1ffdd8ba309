"""From and to a Harbor: its rights, its half-true tokens, and the rules that its projects have."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.errors import Side
from mirror.registry.credentials import Credentials, Secret
from mirror.registry.remote import Project as Target
from scripts.world.images import Image, ImageSpec, build
from tests.fakes.content import Given
from tests.fakes.harbor import Harbor
from tests.fakes.harbor_projects import Account
from tests.fakes.simple import FakeRegistry
from tests.flows.cli import Ran, run, stock
from tests.flows.test_push import made_of
from tests.mirror.registry.reach import blob_of, reach

SECRET = "canary-in-the-harbor-51c4"
# One worker, so that requests can be counted; what may pass would be tried again once.
ALONE = ("--plain-http", "-j", 1, "--retries", 1)


@pytest.fixture(scope="module")
def images() -> dict[str, Image]:
    with FakeRegistry() as somewhere:
        return stock(somewhere, 2)


@pytest.fixture(scope="module")
def bundle(images: dict[str, Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_of(images, tmp_path_factory.mktemp("bundle") / "x.tar")


@pytest.fixture
def ann(harbor: Harbor) -> Account:
    """Somebody who may push into the project `tkg`, which everybody may read."""
    harbor.project("tkg", public=True)
    return harbor.user("ann", SECRET, {"tkg": "developer"})


@pytest.fixture
def robot(harbor: Harbor, ann: Account) -> Account:
    return harbor.robot("tkg", "mirror", SECRET)


def push(
    bundle: Path, dest: str, who: Account | None, *more: object, secret: str | None = None
) -> Ran:
    login = ("--username", who.name, "--password-stdin") if who else ()
    stdin = f"{secret or who.secret}\n" if who else ""
    return run("bundle", "push", bundle, dest, *ALONE, *login, *more, stdin=stdin)


def create(references: list[str], folder: Path, *more: object, stdin: str = "") -> Ran:
    names = folder / "images.txt"
    names.write_text("\n".join(references))
    output = folder / "out.tar"
    return run("bundle", "create", "--images", names, "-o", output, *ALONE, *more, stdin=stdin)


def refused(ran: Ran, *words: str) -> None:
    """Exit code 5, all the words, no waiting for better times, and no secret."""
    assert ran.code == 5, ran.err
    for each in words:
        assert each in ran.err
    assert "failed, next in" not in ran.err
    assert SECRET not in ran.err + ran.out


def arrived(harbor: Harbor, project: str, images: dict[str, Image]) -> None:
    """Every tag of the project shows its image, by Harbor's own books."""
    artifacts = harbor.system.projects[project].artifacts
    tags = {name: digest for name, digest in artifacts.items() if "@" not in name}
    assert tags == {f"{project}/air/{n}": image.manifest.digest for n, image in images.items()}


def changing(harbor: Harbor, since: int = 0) -> list[tuple[str, int]]:
    """Requests that would change something, those for opening and mounting included."""
    seen = harbor.requests[since:]
    return [(s.method, s.status) for s in seen if s.method not in ("GET", "HEAD")]


def sessions(harbor: Harbor) -> list[Path]:
    """Uploads that were begun and neither ended nor cancelled, on the registry's disk."""
    return list(harbor.registry.storage.rglob("_uploads/*/startedat"))


# --- from a Harbor ----------------------------------------------------------------------------


def test_a_public_project_is_fetched_without_any_login(
    harbor: Harbor, ann: Account, images: dict[str, Image], tmp_path: Path
) -> None:
    for name, image in images.items():
        path, _, tag = name.partition(":")
        harbor.add(f"tkg/{path}", tag, image)
    assert create([f"{harbor.host}/tkg/{name}" for name in images], tmp_path).code == 0
    shown = run("bundle", "show", tmp_path / "out.tar", "--format", "json").json["images"]
    assert {i["digest"] for i in shown} == {i.manifest.digest for i in images.values()}
    assert changing(harbor) == []
    assert not any(s.headers.get("authorization", "").startswith("Basic") for s in harbor.requests)


@pytest.mark.parametrize(
    ("name", "words"), [("secret/x:v1", "log in"), ("nowhere/x:v1", "check the name")]
)
def test_a_private_project_asks_for_a_login_and_a_missing_one_for_its_name(
    harbor: Harbor, tmp_path: Path, name: str, words: str
) -> None:
    harbor.project("secret")
    harbor.add("secret/x", "v1", build(ImageSpec("x")))
    refused(create([f"{harbor.host}/{name}"], tmp_path), words, name)


def test_a_private_project_opens_to_its_guest(harbor: Harbor, tmp_path: Path) -> None:
    harbor.project("secret")
    harbor.add("secret/x", "v1", build(ImageSpec("x")))
    harbor.user("guest", SECRET, {"secret": "guest"})
    login = ("--username", "guest", "--password-stdin")
    ran = create([f"{harbor.host}/secret/x:v1"], tmp_path, *login, stdin=SECRET + "\n")
    assert ran.code == 0, ran.err


def test_an_image_that_is_missing_in_an_open_project_is_an_input_fault(
    harbor: Harbor, ann: Account, tmp_path: Path
) -> None:
    ran = create([f"{harbor.host}/tkg/x:v1"], tmp_path)
    assert ran.code == 3
    assert "repository tkg/x not found" in ran.err


# --- to a Harbor ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["user", "robot"])
def test_who_may_push_pushes_everything_and_a_second_push_moves_nothing(
    harbor: Harbor, ann: Account, robot: Account, bundle: Path, images: dict[str, Image], kind: str
) -> None:
    who = {"user": ann, "robot": robot}[kind]
    ran = push(bundle, f"{harbor.host}/tkg/air", who)
    assert ran.code == 0, ran.err
    arrived(harbor, "tkg", images)
    before = len(harbor.requests)
    again = push(bundle, f"{harbor.host}/tkg/air", who, "--format", "json")
    assert (again.code, again.json["bytes"]["moved"]) == (0, 0)
    assert changing(harbor, before) == []
    assert SECRET not in ran.err + ran.out + again.err + again.out


def test_many_workers_push_the_same(
    harbor: Harbor, ann: Account, bundle: Path, images: dict[str, Image]
) -> None:
    ran = push(bundle, f"{harbor.host}/tkg/air", ann, "-j", 8)
    assert ran.code == 0, ran.err
    arrived(harbor, "tkg", images)


def test_tokens_that_grant_too_much_in_any_order_are_fetched_once_a_scope(
    harbor: Harbor, bundle: Path
) -> None:
    harbor.project("tkg")
    assert push(bundle, f"{harbor.host}/tkg/air", harbor.admin).code == 0
    asked = [s.path for s in harbor.requests if s.path.startswith("/service/token")]
    assert len(asked) == len(set(asked))
    assert not any("delete" in path for path in asked)
    assert harbor.count("DELETE", "/manifests/|/blobs/sha256") == 0


def test_tokens_that_end_in_the_middle_are_renewed(
    harbor: Harbor, ann: Account, bundle: Path, images: dict[str, Image]
) -> None:
    """Harbor asks for Basic where it refuses a token: the password still goes nowhere else."""
    harbor.limit_tokens(uses=5)
    ran = push(bundle, f"{harbor.host}/tkg/air", ann)
    assert ran.code == 0, ran.err
    assert any(s.status == 401 and "authorization" in s.headers for s in harbor.requests)
    arrived(harbor, "tkg", images)
    own = [seen for seen in harbor.requests if seen.path.startswith("/v2/")]
    assert not any(s.headers.get("authorization", "").startswith("Basic") for s in own)


def test_cookies_are_never_sent_back_and_every_put_states_its_length(
    harbor: Harbor, ann: Account, bundle: Path
) -> None:
    assert push(bundle, f"{harbor.host}/tkg/air", ann).code == 0
    assert not any("cookie" in seen.headers for seen in harbor.requests)
    sent = [seen for seen in harbor.requests if seen.method == "PUT"]
    assert all(seen.headers["content-length"] == str(seen.size) for seen in sent)
    sizes = harbor.system.projects["tkg"].sizes.values()
    assert min(sizes) > 0, "Harbor books 0 bytes for a body without a length"


# --- who may not ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["nobody", "user", "robot", "admin"])
def test_a_missing_project_is_to_be_created_and_nobody_is_sent_to_log_in(
    harbor: Harbor, ann: Account, robot: Account, bundle: Path, kind: str
) -> None:
    who = {"nobody": None, "user": ann, "robot": robot, "admin": harbor.admin}[kind]
    ran = push(bundle, f"{harbor.host}/nowhere/air", who)
    refused(ran, "there is no such project", "create the project", f"{harbor.host}/nowhere/air")
    assert "log in" not in ran.err
    assert changing(harbor) == []


def test_each_image_for_a_missing_project_has_that_as_its_reason(
    harbor: Harbor, ann: Account, bundle: Path
) -> None:
    ran = push(bundle, f"{harbor.host}/nowhere/air", ann, "--keep-going", "--format", "json")
    assert ran.code == 5
    reasons = [image["reason"] for image in ran.json["images"]]
    assert ["there is no such project" in reason for reason in reasons] == [True, True]


@pytest.mark.parametrize("project", ["tkg", "secret"])
def test_a_wrong_password_that_harbor_takes_for_none_is_named_as_the_cause(
    harbor: Harbor, ann: Account, bundle: Path, project: str
) -> None:
    harbor.project("secret")
    ran = push(bundle, f"{harbor.host}/{project}/air", ann, secret="wrong-" + "x" * 9)
    refused(ran, "check name and password", "401")
    # At most once with the token and once with what the second challenge asks for.
    assert len(changing(harbor)) <= 2
    assert harbor.system.projects[project].used == 0


def test_nobody_may_push_into_a_public_project(harbor: Harbor, ann: Account, bundle: Path) -> None:
    refused(push(bundle, f"{harbor.host}/tkg/air", None), "log in", "action: push")
    refused(push(bundle, f"{harbor.host}/tkg/air", harbor.user("eve", SECRET)), "an account that")
    assert harbor.system.projects["tkg"].used == 0


def test_read_only_is_told_in_harbors_words_and_not_tried_again(
    harbor: Harbor, ann: Account, bundle: Path
) -> None:
    harbor.system.read_only = True
    ran = push(bundle, f"{harbor.host}/tkg/air", ann)
    refused(ran, "The system is in read only mode", "next: its words are the reason")
    assert changing(harbor) == [("POST", 403)]


def test_a_proxy_cache_takes_nothing_whatever_its_token_claims(
    harbor: Harbor, bundle: Path
) -> None:
    harbor.project("hub", public=True, proxy_cache=True)
    ran = push(bundle, f"{harbor.host}/hub/air", harbor.admin)
    refused(ran, "can not push artifact to a proxy project")
    assert changing(harbor) == [("POST", 403)]


# --- quotas -----------------------------------------------------------------------------------


def test_a_full_quota_ends_the_push_at_the_put_and_is_not_tried_again(
    harbor: Harbor, ann: Account, bundle: Path
) -> None:
    harbor.system.projects["tkg"].quota = 5000
    ran = push(bundle, f"{harbor.host}/tkg/air", ann)
    refused(ran, "DENIED: adding", "will exceed the configured upper limit of 4.9 KiB")
    assert harbor.count("PUT", "/blobs/uploads/", 403) == 1
    assert not any(":" in name for name in harbor.system.projects["tkg"].artifacts)
    harbor.system.projects["tkg"].quota = 1 << 20
    assert push(bundle, f"{harbor.host}/tkg/air", ann).code == 0


def test_a_body_larger_than_a_server_reads_on_after_its_refusal_still_shows_the_words(
    harbor: Harbor, ann: Account, tmp_path: Path
) -> None:
    harbor.system.projects["tkg"].quota = 1 << 20
    large = made_of({"large:v1": build(ImageSpec("large", own=(3 << 20,)))}, tmp_path / "l.tar")
    refused(push(large, f"{harbor.host}/tkg/air", ann), "will exceed the configured upper limit")


@pytest.mark.parametrize("kind", ["user", "robot"])
def test_an_upload_that_may_not_be_cancelled_is_left_without_a_word(
    harbor: Harbor, ann: Account, robot: Account, bundle: Path, kind: str
) -> None:
    """Cancelling needs the right to delete: neither robots nor developers have it."""
    harbor.system.projects["tkg"].quota = 5000
    ran = push(bundle, f"{harbor.host}/tkg/air", {"user": ann, "robot": robot}[kind])
    refused(ran, "will exceed")
    assert harbor.count("DELETE", "/blobs/uploads/", 401) > 0
    assert sessions(harbor)
    assert "cancel" not in ran.err
    assert "delete" not in ran.err


def test_an_upload_that_may_be_cancelled_leaves_no_session(harbor: Harbor, bundle: Path) -> None:
    harbor.project("tkg", quota=5000)
    refused(push(bundle, f"{harbor.host}/tkg/air", harbor.admin), "will exceed")
    assert harbor.count("DELETE", "/blobs/uploads/", 204) == 1
    assert not sessions(harbor)


# --- rules of projects ------------------------------------------------------------------------


def test_immutable_tags_take_a_first_push_and_leave_a_second_one_in_peace(
    harbor: Harbor, bundle: Path, images: dict[str, Image]
) -> None:
    harbor.project("fixed", immutable=True)
    assert push(bundle, f"{harbor.host}/fixed/air", harbor.admin).code == 0
    arrived(harbor, "fixed", images)
    before = len(harbor.requests)
    again = push(bundle, f"{harbor.host}/fixed/air", harbor.admin, "--format", "json")
    assert (again.code, again.json["bytes"]["moved"]) == (0, 0)
    assert changing(harbor, before) == []
    assert push(bundle, f"{harbor.host}/fixed/air", harbor.admin, "--overwrite").code == 0


def test_an_immutable_tag_of_another_image_is_taken_and_stays_what_it_is(
    harbor: Harbor, bundle: Path, images: dict[str, Image]
) -> None:
    harbor.project("fixed", immutable=True)
    theirs = harbor.add("fixed/air/app-1", "v1", build(ImageSpec("somebody else's")))
    ran = push(bundle, f"{harbor.host}/fixed/air", harbor.admin)
    assert ran.code == 6
    assert theirs in ran.err
    assert images["app-1:v1"].manifest.digest in ran.err
    assert changing(harbor) == []
    forced = push(bundle, f"{harbor.host}/fixed/air", harbor.admin, "--overwrite")
    refused(forced, "configured as immutable", "a rule of the project")
    assert harbor.system.projects["fixed"].artifacts["fixed/air/app-1:v1"] == theirs


def test_an_immutable_tag_whose_answer_was_lost_is_not_put_again(
    harbor: Harbor, bundle: Path, images: dict[str, Image]
) -> None:
    """What was done and not heard of would be refused if it were asked for again."""
    harbor.project("fixed", immutable=True)
    harbor.lose("PUT", "/manifests/v1")
    ran = push(bundle, f"{harbor.host}/fixed/air", harbor.admin)
    assert ran.code == 0, ran.err
    assert not harbor.count("PUT", "/manifests/", 412)
    arrived(harbor, "fixed", images)


def test_a_project_that_wants_signatures_fails_the_push_that_cannot_be_read_back(
    harbor: Harbor, bundle: Path, images: dict[str, Image]
) -> None:
    """Harbor takes the image and gives it to nobody: no cluster could pull it either."""
    project = harbor.project("signed")
    project.content_trust = True
    first = push(bundle, f"{harbor.host}/signed/air", harbor.admin)
    refused(first, "412", "not signed", "a rule of the project")
    second = push(bundle, f"{harbor.host}/signed/air", harbor.admin)
    refused(second, "412", "a rule of the project")
    project.signed |= {digest for image in images.values() for digest in image.everything()}
    assert push(bundle, f"{harbor.host}/signed/air", harbor.admin).code == 0


def test_unscanned_images_cannot_be_fetched_and_no_login_is_asked_for(
    harbor: Harbor, ann: Account, tmp_path: Path
) -> None:
    harbor.add("tkg/x", "v1", build(ImageSpec("x")))
    harbor.system.projects["tkg"].prevent_vulnerable = True
    ran = create([f"{harbor.host}/tkg/x:v1"], tmp_path)
    refused(ran, "vulnerability scanning", "a rule of the project")
    assert "log in" not in ran.err


# --- mounts -----------------------------------------------------------------------------------


def test_what_another_project_of_ones_own_holds_is_mounted(harbor: Harbor, tmp_path: Path) -> None:
    shared = (("base", 3000),)
    pair = {f"{name}/app:v1": build(ImageSpec(name, bases=shared)) for name in ("one", "two")}
    for name in ("one", "two"):
        harbor.project(name)
    roles = {"one": "developer", "two": "developer"}
    ran = push(
        made_of(pair, tmp_path / "p.tar"),
        harbor.host,
        harbor.user("bob", SECRET, roles),
        "--format",
        "json",
    )
    assert ran.code == 0, ran.err
    assert ran.json["bytes"]["mounted"] > 3000
    assert harbor.count("POST", r"/two/app/.*mount=.*from=one", 201) == 1


def test_a_mount_from_a_private_project_is_refused_and_the_blob_is_sent_instead(
    harbor: Harbor, robot: Account
) -> None:
    image = build(ImageSpec("x", own=(2000,)))
    harbor.project("secret")
    harbor.add("secret/x", "v1", image)
    content = image.blobs[1].read()
    blob, given = blob_of(content), Credentials(robot.name, Secret(SECRET))
    with reach(harbor.host, side=Side.DESTINATION, given=given) as client:
        target = Target(client)
        assert not target.mount(blob, "tkg/x", "secret/x")
        assert not target.holds(blob, "tkg/x")
        target.write(blob, "tkg/x", Given(content))
        assert target.holds(blob, "tkg/x")
    assert harbor.count("POST", "mount=", 401) > 0
    assert harbor.system.projects["tkg"].sizes == {str(blob.digest): len(content)}
