"""From a version number to BOM files, a plan and a bundle."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from bom.model import BomKind
from bom.parse import read_document
from mirror.oci.digest import Digest
from scripts.world.images import ImageSpec, build
from scripts.world.registry import Registry
from scripts.world.seed import Seeder
from tests.fakes.behaviours import answer, flip_byte
from tests.fakes.registries import PASSWORD, USER
from tests.fakes.release import (
    DEFAULT_TKR,
    OTHER_TKR,
    file_image,
    offer,
    put,
    tagged,
    tkg_bom,
    tkg_compatibility,
    tkr_bom,
    tkr_compatibility,
)
from tests.fakes.simple import FakeRegistry
from tests.fakes.token_server import TokenRegistry
from tests.flows.cli import Ran, run

FILES = {
    "tkg-bom-v1.6.0.yaml",
    "tkg-compatibility-v15.yaml",
    "tkr-compatibility-v19.yaml",
    f"tkr-bom-{DEFAULT_TKR}.yaml",
}
OTHER_BOM = f"tkr-bom-{OTHER_TKR}.yaml"
UNLISTED = "v1.99.0+vmware.1-tkg.1"


@pytest.fixture
def offered(fake: FakeRegistry) -> FakeRegistry:
    """A whole release: its BOMs, and the images of their components."""
    offer(fake)
    for path, tag in (
        ("harbour/buoy", "v1.0.0_vmware.1"),
        ("etcd", f"v3.5.4_{tagged(DEFAULT_TKR)}"),
        ("etcd", f"v3.5.4_{tagged(OTHER_TKR)}"),
        ("tkr-aws", tagged(DEFAULT_TKR)),
    ):
        fake.add(f"tkg/{path}", tag, build(ImageSpec(f"{path}:{tag}", own=(300,))))
    return fake


def fetch(fake: FakeRegistry, folder: Path, *more: object, version: str = "v1.6.0") -> Ran:
    command = ("bom", "fetch", "--tkg-version", version, "-o", folder)
    return run(*command, *source(fake), *more)


def release(command: str, fake: FakeRegistry, *more: object) -> Ran:
    """``bundle plan`` or ``create`` of the release."""
    return run("bundle", command, "--tkg-version", "v1.6.0", *source(fake), *more)


def source(fake: FakeRegistry) -> tuple[object, ...]:
    return ("--source-repo", f"{fake.host}/tkg", "--plain-http", "--retries", 0)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def held(bundle: Path) -> set[str]:
    assert run("bundle", "verify", bundle).code == 0
    shown = run("bundle", "show", bundle, "--format", "json").json
    return {f"{each['path']}:{each['tag']}" for each in shown["images"]}


# --- bom fetch ----------------------------------------------------------------------------


def test_fetch_writes_just_the_bytes_that_were_read(offered: FakeRegistry, tmp_path: Path) -> None:
    ran = fetch(offered, tmp_path)
    assert ran.code == 0, ran.err
    assert names(tmp_path) == FILES
    assert (tmp_path / "tkg-bom-v1.6.0.yaml").read_text() == tkg_bom()
    assert set(ran.out.splitlines()) == {str(tmp_path / name) for name in FILES}
    for name in FILES:
        assert read_document(tmp_path / name)
    assert "default" in ran.err


def test_the_json_of_fetch_names_files_images_and_digests(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    document = fetch(offered, tmp_path, "--format", "json").json
    assert document.keys() == {"schema", "files"}
    assert document["schema"] == "tkg-mirror/fetch/v1"
    for file in document["files"]:
        assert file.keys() == {"file", "reference", "digest", "size"}
        assert Path(file["file"]).stat().st_size == file["size"]
        name, _, tag = file["reference"].rpartition(":")
        repository = offered.store.repositories[name.partition("/")[2]]
        assert repository.tags[tag] == str(Digest.parse(file["digest"]))


def test_what_was_fetched_plans_the_same_images_as_the_version(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    assert fetch(offered, tmp_path).code == 0
    boms = [part for path in tmp_path.glob("*-bom-*") for part in ("--bom", path)]
    by_file = run("bundle", "plan", *boms, *source(offered), "--format", "json").json
    by_version = release("plan", offered, "--format", "json").json
    of_file, of_version = (
        {image["reference"]: image["digest"] for image in document["images"]}
        for document in (by_file, by_version)
    )
    compatibility = {name for name in of_version if "compatibility" in name}
    assert len(compatibility) == 2
    assert of_file == {k: v for k, v in of_version.items() if k not in compatibility}
    assert by_file["boms"] == by_version["boms"]


def test_an_unlisted_tkr_is_code_3_with_all_of_them_and_writes_nothing(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    folder = tmp_path / "new"
    more = ("--tkr", UNLISTED, "--tkr", OTHER_TKR, "--tkr", "v1.98.0_x")
    ran = fetch(offered, folder, *more)
    assert ran.code == 3
    for text in (UNLISTED, "v1.98.0_x", DEFAULT_TKR, OTHER_TKR):
        assert text in ran.err
    assert not folder.exists()
    assert fetch(offered, folder, *more, "--format", "json").json["error"]["name"] == "unresolved"


def test_a_version_that_is_not_listed_is_code_3_with_those_that_are(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    ran = fetch(offered, tmp_path, version="v1.7.0")
    assert ran.code == 3
    assert "v1.5.4, v1.6.0" in ran.err
    assert not names(tmp_path)


def test_a_file_with_other_content_is_code_9_and_needs_force(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    assert fetch(offered, tmp_path).code == 0
    mine = tmp_path / "tkg-bom-v1.6.0.yaml"
    mine.write_text("mine")
    refused = fetch(offered, tmp_path, "--all-tkrs")
    assert refused.code == 9
    assert names(tmp_path) == FILES
    assert mine.read_text() == "mine"
    assert fetch(offered, tmp_path, "--all-tkrs", "--force").code == 0
    assert mine.read_text() == tkg_bom()
    assert names(tmp_path) == {*FILES, OTHER_BOM}


def test_a_file_in_place_of_the_folder_is_refused_before_anybody_is_asked(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    (tmp_path / "x").write_text("")
    assert fetch(offered, tmp_path / "x").code == 9
    assert not offered.requests


def test_no_name_in_an_archive_decides_where_a_file_lands(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    for name in ("passwd", "a/b/c", ".bashrc", "tkr-compatibility-v19.yaml"):
        offered.add("tkg/tkg-bom", "v1.6.0", file_image({name: tkg_bom().encode()}))
        assert fetch(offered, tmp_path).code == 0
        assert names(tmp_path) == FILES
    offered.add("tkg/tkg-bom", "v1.6.0", file_image({"../../x": tkg_bom().encode()}))
    assert fetch(offered, tmp_path).code == 4


def test_escapes_in_what_a_registry_says_do_not_reach_the_terminal(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    nasty = file_image({"\x1b[2Ja": b"x", "\x1b[2Jb": b"y"})
    offered.add("tkg/tkg-bom", "v1.6.0", nasty)
    ran = fetch(offered, tmp_path)
    assert ran.code == 4
    assert "\x1b" not in ran.err


def test_real_registries_give_it_with_a_token_for_each_repository(
    token_registry: TokenRegistry, tmp_path: Path
) -> None:
    token_registry.tokens.users[USER] = PASSWORD
    token_registry.tokens.anonymous = frozenset()
    listed = tkr_compatibility({"v1.6.0": [DEFAULT_TKR]})
    texts = {
        "tkg-compatibility:v9": tkg_compatibility(version="v9"),
        "tkg-compatibility:v15": tkg_compatibility(),
        "tkg-bom:v1.6.0": tkg_bom(),
        "v18/tkr-compatibility:v19": listed,
        f"tkr-bom:{tagged(DEFAULT_TKR)}": tkr_bom(),
    }
    storage = token_registry.registry.storage
    with Registry(storage) as open_one, httpx.Client(trust_env=False) as client:
        for place, text in texts.items():
            path, _, tag = place.partition(":")
            image = file_image({"x.yaml": text.encode()})
            Seeder(open_one.url, client).put(f"tkg/{path}", tag, image)
    ran = run(
        *("bom", "fetch", "--tkg-version", "v1.6.0", "-o", tmp_path / "boms", "--plain-http"),
        *("--source-repo", f"{token_registry.host}/tkg", "--username", USER, "--password-stdin"),
        stdin=PASSWORD + "\n",
    )
    assert ran.code == 0, ran.err
    assert names(tmp_path / "boms") == FILES
    assert not token_registry.tokens.wrong()


def test_without_a_source_repo_it_is_read_where_tkg_is_now(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    now = "projects.packages.broadcom.com/tkg"
    ran = run(
        *("bom", "fetch", "--tkg-version", "v1.6.0", "-o", tmp_path, "--plain-http"),
        *("--rewrite", f"{now}={offered.host}/tkg", "--format", "json"),
    )
    assert ran.code == 0, ran.err
    assert all(file["reference"].startswith(f"{now}/") for file in ran.json["files"])


def test_a_fips_release_is_at_its_own_path(fake: FakeRegistry, tmp_path: Path) -> None:
    version, tkr = "v1.6.0-fips.1", "v1.23.8+vmware.2-fips.1-tkg.1"
    listed = tkg_compatibility(("tkg-bom", version), version="v3")
    put(fake, "tkg/fips/tkg-compatibility", "v3", "x.yaml", listed)
    put(fake, "tkg/tkg-bom", version, "x.yaml", tkg_bom(version, tkr))
    text = tkr_compatibility({version: [tkr]})
    put(fake, "tkg/v18/tkr-compatibility", "v19", "x.yaml", text)
    put(fake, "tkg/tkr-bom", tagged(tkr), "x.yaml", tkr_bom(tkr))
    more = ("--compatibility-path", "fips/tkg-compatibility")
    assert fetch(fake, tmp_path, *more, version=version).code == 0
    assert f"tkr-bom-{tkr}.yaml" in names(tmp_path)


# --- bundle plan and create ---------------------------------------------------------------


def test_a_bundle_by_version_holds_the_release_and_what_it_was_read_from(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    bundle = tmp_path / "x.tar"
    ran = release("create", offered, "-o", bundle)
    assert ran.code == 0, ran.err
    assert held(bundle) == {
        "tkg-compatibility:v15",
        "v18/tkr-compatibility:v19",
        "tkg-bom:v1.6.0",
        f"tkr-bom:{tagged(DEFAULT_TKR)}",
        "harbour/buoy:v1.0.0_vmware.1",
        f"etcd:v3.5.4_{tagged(DEFAULT_TKR)}",
        f"tkr-aws:{tagged(DEFAULT_TKR)}",
    }
    shown = run("bundle", "show", bundle, "--format", "json").json
    assert {(each["kind"], each["release"]) for each in shown["boms"]} == {
        (BomKind.TKG, "v1.6.0"),
        (BomKind.TKR, DEFAULT_TKR),
    }
    # TKr packages that the source lacks are no failure.
    assert "tkr-repository-aws" in ran.err


def test_what_was_read_is_what_is_carried_though_the_tag_moves_meanwhile(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    tags = offered.store.repositories["tkg/tkg-bom"].tags
    before = tags["v1.6.0"]
    other = build(ImageSpec("other"))

    def move(_request: object, go: object) -> object:
        offered.add("tkg/tkg-bom", "v1.6.0", other)
        return go()  # type: ignore[operator]

    offered.on("GET", "tkr-bom/manifests", move, nth=1)  # type: ignore[arg-type]
    document = release("plan", offered, "--format", "json").json
    assert tags["v1.6.0"] == other.manifest.digest
    [digest] = [i["digest"] for i in document["images"] if i["path"] == "tkg-bom"]
    assert digest == before


def test_a_plan_tells_of_bad_tkrs_and_missing_images_at_once(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    offered.on("GET", "harbour/buoy/manifests", answer(404))
    ran = release("plan", offered, "--tkr", UNLISTED, "--tkr", OTHER_TKR, "-o", tmp_path / "p")
    assert ran.code == 3
    assert UNLISTED in ran.err
    assert "harbour/buoy" in ran.err
    assert "2 images cannot be resolved" in ran.err
    assert not (tmp_path / "p").exists()


def test_a_plan_by_version_can_be_created_from(offered: FakeRegistry, tmp_path: Path) -> None:
    plan, bundle = tmp_path / "plan.json", tmp_path / "x.tar"
    assert release("plan", offered, "--all-tkrs", "-o", plan).code == 0
    ran = run("bundle", "create", "--plan", plan, "--plain-http", "-o", bundle)
    assert ran.code == 0, ran.err
    assert f"tkr-bom:{tagged(OTHER_TKR)}" in held(bundle)


@pytest.mark.parametrize(("command", "name"), [("create", "x.tar"), ("plan", "none/plan.json")])
def test_what_stands_in_the_way_of_the_output_is_seen_before_anybody_is_asked(
    offered: FakeRegistry, tmp_path: Path, command: str, name: str
) -> None:
    (tmp_path / "x.tar").touch()
    ran = release(command, offered, "-o", tmp_path / name)
    assert ran.code == 9, ran.err
    assert offered.requests == []


def test_keep_going_carries_the_tkrs_that_could_be_read(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    offered.on("GET", "tkr-bom/blobs", flip_byte(20), nth=1)
    bundle = tmp_path / "x.tar"
    more = ("--all-tkrs", "-j", 1, "-o", bundle, "--keep-going", "--format", "json")
    ran = release("create", offered, *more)
    assert ran.code == 8, ran.err
    failed = [each for each in ran.json["images"] if each["status"] == "failed"]
    assert [each["reference"].rpartition("/")[2] for each in failed] == [
        f"tkr-bom:{tagged(DEFAULT_TKR)}"
    ]
    assert f"tkr-bom:{tagged(OTHER_TKR)}" in held(bundle)
    # What that BOM names was never tried, so a run of what failed alone would forget it.
    result = tmp_path / "result.json"
    result.write_text(ran.out)
    rest = ("--all-tkrs", "-o", tmp_path / "rest.tar", "--only-failed", result)
    again = release("create", offered, *rest)
    assert again.code == 3
    assert "run the same command again, whole" in again.err


def test_only_failed_of_a_release_carries_what_had_failed(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    rule = offered.on("GET", "etcd/blobs", flip_byte(9))
    more = ("--keep-going", "--format", "json")
    ran = release("create", offered, "-o", tmp_path / "x.tar", *more)
    assert ran.code == 8
    offered.rules.remove(rule)
    result = tmp_path / "result.json"
    result.write_text(ran.out)
    rest = tmp_path / "rest.tar"
    again = release("create", offered, "-o", rest, "--only-failed", result)
    assert again.code == 0, again.err
    assert held(rest) == {f"etcd:v3.5.4_{tagged(DEFAULT_TKR)}"}


def test_components_are_chosen_from_all_that_is_wanted(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    def planned(*more: object) -> set[str]:
        document = release("plan", offered, "--format", "json", *more).json
        return {image["path"] for image in document["images"]}

    assert planned("--component", "etcd") == {"etcd"}
    assert planned("--component", "tk?-compatibility") == {
        "tkg-compatibility",
        "v18/tkr-compatibility",
    }
    assert "harbour/buoy" not in planned("--exclude-component", "buoy")
    assert "etcd" in planned("--exclude-component", "buoy")
    extra = tmp_path / "extra.txt"
    extra.write_text(f"{offered.host}/tkg/harbour/buoy:v1.0.0_vmware.1\n")
    assert planned("--component", "etcd", "--images", extra) == {"etcd"}
    ran = release("plan", offered, "--component", "etdc")
    assert ran.code == 3
    assert "etcd" in ran.err


def test_a_component_of_a_tkr_that_could_not_be_read_is_told_by_its_cause(
    offered: FakeRegistry,
) -> None:
    ran = release("plan", offered, "--tkr", UNLISTED, "--component", "etcd")
    assert ran.code == 3
    assert UNLISTED in ran.err


def test_a_list_stands_beside_a_release(offered: FakeRegistry, tmp_path: Path) -> None:
    offered.add("more/x", "v1", build(ImageSpec("more")))
    extra = tmp_path / "extra.txt"
    extra.write_text(f"{offered.host}/more/x:v1\n")
    document = release("plan", offered, "--images", extra, "--format", "json").json
    assert {"more/x", "etcd"} <= {image["path"] for image in document["images"]}


def test_infrastructures_are_chosen_with_bom_files_too(
    offered: FakeRegistry, tmp_path: Path
) -> None:
    assert fetch(offered, tmp_path).code == 0
    boms = [part for path in tmp_path.glob("*-bom-*") for part in ("--bom", path)]

    def absent(*more: object) -> set[str]:
        ran = run("bundle", "plan", *boms, *source(offered), "--format", "json", *more)
        return {name.split("/")[-1].partition(":")[0] for name in ran.json["absent"]}

    everything = {"tkr-repository-aws", "tkr-repository-vsphere-nonparavirt"}
    assert absent() == {*everything, "tkr-vsphere-nonparavirt"}
    assert absent("--infrastructure", "aws") == {"tkr-repository-aws"}


def test_a_name_and_password_need_just_one_registry(offered: FakeRegistry, tmp_path: Path) -> None:
    own = f"{offered.host}/tkg"
    login = ("--username", USER, "--password-stdin")
    rewrite = ("--rewrite", f"{own}/tkr-bom=elsewhere.example/tkr-bom")
    ran = fetch(offered, tmp_path, *login, *rewrite)
    assert ran.code == 2
    assert "elsewhere.example" in ran.err
    assert not offered.requests


def test_the_result_of_a_release_that_failed_is_a_document(
    fake: FakeRegistry, tmp_path: Path
) -> None:
    for ran in (
        fetch(fake, tmp_path, "--format", "json"),
        release("plan", fake, "--format", "json"),
        release("create", fake, "-o", tmp_path / "x.tar", "--format", "json"),
    ):
        assert ran.code == 3
        assert json.loads(ran.out)["error"]["name"] == "not-found"
