"""What calls itself Harbor may answer anything: there is a verdict, and never a traceback."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mirror.preflight import harbor_api
from mirror.preflight.interface import Status
from scripts.world.images import ImageSpec, build
from tests.fakes.message import Reply
from tests.fakes.simple import FakeRegistry
from tests.mirror.preflight.registries import expecting, look, paths, pretend_harbor, raw

ANN = ("ann", "a password")
KEYS = (
    "name",
    "project_id",
    "registry_id",
    "metadata",
    "public",
    "retention_id",
    "prevent_vul",
    "read_only",
    "components",
    "status",
    "quota",
    "hard",
    "used",
    "storage",
    "rules",
    "trigger",
    "settings",
    "cron",
    "tag_selectors",
    "scope_selectors",
    "repository",
    "template",
    "disabled",
    "sysadmin_flag",
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["tkg", "true", "always", "**", "healthy", "core", "7", "-1"])
    | st.text(max_size=10)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=15,
)
PATHS = (
    "/projects",
    "/projects/tkg",
    "/projects/tkg/summary",
    "/projects/tkg/immutabletagrules",
    "/retentions/7",
    "/systeminfo",
    "/health",
    "/users/current",
)
TRUE_PROJECT = {"name": "tkg", "project_id": 1, "metadata": {"public": "true", "retention_id": "7"}}


@settings(max_examples=60, deadline=None)
@given(JSON)
@example({"quota": {"hard": {"storage": True}, "used": {"storage": 0}}})
@example([{"name": "tkg", "project_id": 10**400}])
def test_every_json_value_is_read_without_a_fault(value: Any) -> None:
    harbor_api.project(value)
    harbor_api.projects(value)
    harbor_api.quota(value)
    harbor_api.read_only(value)
    harbor_api.components(value)
    harbor_api.immutable(value)
    harbor_api.retention(value)


@settings(max_examples=60, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(("quota", "hard", "used"), JSON)))
def test_a_quota_has_bytes_or_is_none(value: dict[str, Any]) -> None:
    found = harbor_api.quota({"quota": {"hard": value["hard"], "used": value["used"]}})
    if found is not None:
        assert type(found.hard) is int
        assert found.hard >= harbor_api.UNLIMITED
        assert found.used >= 0


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.sampled_from(PATHS), JSON), st.booleans(), st.booleans())
def test_every_answer_of_the_api_gives_a_verdict(
    fake: FakeRegistry, told: dict[str, Any], true_project: bool, login: bool
) -> None:
    fake.rules.clear()
    answers = pretend_harbor(fake)
    answers |= told
    if true_project:
        answers["/projects"] = [TRUE_PROJECT]
    images = paths("antrea")
    found = look(fake.host, login=ANN if login else None, expected=images, create=True)
    assert len(found) == 9
    for verdict in found.values():
        assert verdict.summary.isprintable()
        assert verdict.fix or verdict.status not in (Status.WARN, Status.FAIL)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        raw(""),
        raw("{"),
        raw("[" * 100_000),
        raw('{"a": 1' + "0" * 5000 + "}"),
        raw('"\\ud800"'),
        raw(json.dumps([TRUE_PROJECT | {"name": "x" * 60_000}])),
        raw("\xff\xfe"),
        raw("{}", status=500),
        raw("[]", status=302),
        raw("[]", status=401),
        Reply(200, {"Content-Encoding": "gzip"}, b"{}"),
    ],
    ids=range(11),
)
def test_bodies_that_are_no_json_give_a_verdict(fake: FakeRegistry, path: str, body: Reply) -> None:
    answers = pretend_harbor(fake)
    answers["/projects"] = [TRUE_PROJECT]
    answers[path] = body
    found = look(fake.host, login=ANN)
    assert len(found) == 9
    assert not any(verdict.status is Status.PASS for verdict in _about(path, found))


def _about(path: str, found: dict[str, Any]) -> list[Any]:
    names = {"/projects": ("REG-5", "REG-8"), "/health": ("REG-10",), "/retentions/7": ("REG-9",)}
    return [found[name] for name in names.get(path, ())]


def test_escape_sequences_of_a_harbor_are_not_shown(fake: FakeRegistry) -> None:
    answers = pretend_harbor(fake)
    answers["/projects"] = [
        TRUE_PROJECT
        | {"metadata": {"public": "true", "prevent_vul": "true", "severity": "\x1b[2Jhigh\n"}}
    ]
    answers["/health"] = {"components": [{"name": "co\x1b[2Jre", "status": "ill"}]}
    found = look(fake.host)
    assert "\x1b" not in json.dumps([[v.summary, v.detail, v.fix] for v in found.values()])
    assert all("\x1b" not in verdict.summary + verdict.fix for verdict in found.values())


def test_more_projects_than_anybody_has_are_not_all_read() -> None:
    listed = [TRUE_PROJECT | {"name": f"p{n}"} for n in range(100_000)]
    found = harbor_api.projects(listed)
    assert found is not None
    assert len(found) <= 500


def test_a_bundle_is_counted_against_a_pretended_quota(fake: FakeRegistry) -> None:
    answers = pretend_harbor(fake)
    answers["/projects"] = [TRUE_PROJECT]
    answers["/projects/tkg/summary"] = {"quota": {"hard": {"storage": -1}, "used": {"storage": 0}}}
    images = {"app:v1": build(ImageSpec("app", own=(500,)))}
    assert look(fake.host, login=ANN, expected=expecting(images))["REG-7"].status is Status.PASS
