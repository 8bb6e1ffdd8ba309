"""Harbor's JSON as values: every type is checked, and what does not fit is not there. Pure.

Shapes as measured on v2.9.5 and read in the source up to v2.15.2. Raises nothing: a function gives
None, or an empty value, for an answer that is not what it should be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mirror.registry.probe import Answer
from mirror.text import printable

ROOT = "/api/v2.0"
UNLIMITED = -1
# Without these nothing is pulled or pushed; the others serve people, jobs and scans.
VITAL = frozenset({"core", "database", "redis", "registry", "registryctl"})
SCANNER = "trivy"
# Characters of a name or value that is kept; Harbor's longest project name has 255.
_LONGEST = 255
# Entries of a list or object that are looked at.
_MOST = 500
_NUMBER = re.compile(r"[0-9]{1,18}")


class Project(NamedTuple):
    """One project, as ``/projects`` lists it."""

    name: str
    identity: int
    proxy_cache: bool
    metadata: Mapping[str, str]
    """Its settings; Harbor writes truth as the texts ``true`` and ``1``."""

    def on(self, setting: str) -> bool:
        """Whether a setting is switched on."""
        return self.metadata.get(setting, "").lower() in ("true", "1")

    @property
    def retention(self) -> str:
        """The number of its retention policy, or nothing."""
        number = self.metadata.get("retention_id", "")
        return number if _NUMBER.fullmatch(number) and int(number) else ""


class Quota(NamedTuple):
    """Bytes; ``hard`` may be UNLIMITED."""

    hard: int
    used: int


class Rule(NamedTuple):
    """One enabled rule of a retention policy: which tags it keeps."""

    template: str
    """``latestPushedK``, ``nDaysSinceLastPull``, ``always`` and so on."""
    everything: bool
    """True where it keeps every tag of every repository."""


class Retention(NamedTuple):
    """What a retention policy keeps, and when it runs; a tag that no rule keeps is deleted."""

    rules: tuple[Rule, ...]
    schedule: str
    """Six fields of cron; empty where it runs only by hand."""


class Component(NamedTuple):
    """One part of Harbor and how it is."""

    name: str
    healthy: bool


def project(value: object) -> Project | None:
    """One element of a list of projects, or the answer about one."""
    found = _object(value)
    name, identity, origin = found.get("name"), found.get("project_id"), found.get("registry_id")
    if not isinstance(name, str) or len(name) > _LONGEST or type(identity) is not int:
        return None
    return Project(
        name, identity, type(origin) is int and origin > 0, _texts(found.get("metadata"))
    )


def projects(value: object) -> tuple[Project, ...] | None:
    """A list of projects; None where it is no list."""
    if not isinstance(value, list):
        return None
    return tuple(found for each in value[:_MOST] if (found := project(each)))


def quota(value: object) -> Quota | None:
    """What a project's summary says about its quota; None where it says nothing."""
    found = _object(_object(value).get("quota"))
    hard = _object(found.get("hard")).get("storage")
    used = _object(found.get("used")).get("storage")
    if type(hard) is not int or type(used) is not int or hard < UNLIMITED or used < 0:
        return None
    return Quota(hard, used)


def read_only(value: object) -> bool | None:
    """What systeminfo says about read-only mode; it does so only to whoever has logged in."""
    found = _object(value).get("read_only")
    return found if isinstance(found, bool) else None


def components(value: object) -> tuple[Component, ...]:
    """Every component that ``/health`` names."""
    found = _object(value).get("components")
    return tuple(_components(found)) if isinstance(found, list) else ()


def _components(found: list[Any]) -> Iterator[Component]:
    for each in found[:_MOST]:
        name, status = _object(each).get("name"), _object(each).get("status")
        if isinstance(name, str) and isinstance(status, str):
            yield Component(printable(name, 40), status == "healthy")


def immutable(value: object) -> int | None:
    """How many rules for immutable tags are enabled; None where this is no list of rules."""
    if not isinstance(value, list):
        return None
    return sum(isinstance(each, dict) and each.get("disabled") is not True for each in value)


def retention(value: object) -> Retention | None:
    """A retention policy; None where this is none."""
    found = _object(value)
    rules = found.get("rules")
    if not isinstance(rules, list):
        return None
    enabled = (_object(each) for each in rules[:_MOST])
    kept = tuple(_rule(each) for each in enabled if each and each.get("disabled") is not True)
    cron = _object(_object(found.get("trigger")).get("settings")).get("cron")
    return Retention(kept, printable(cron, 60) if isinstance(cron, str) else "")


def _rule(value: dict[str, Any]) -> Rule:
    template = value.get("template")
    name = printable(template, 40) if isinstance(template, str) else "of no known kind"
    scopes = _object(value.get("scope_selectors")).get("repository")
    everything = name == "always" and _all(value.get("tag_selectors")) and _all(scopes)
    return Rule(name, everything)


def _all(selectors: object) -> bool:
    """True where a rule's selectors leave nothing out."""
    if not isinstance(selectors, list) or not selectors:
        return False
    return all(
        _object(each).get("pattern") == "**"
        and _object(each).get("decoration") in ("matches", "repoMatches")
        for each in selectors
    )


def account(answer: Answer) -> str:
    """Who ``/users/current`` says one is; 412 is its word for a robot (measured)."""
    if answer.status == 412:
        return "a robot account"
    if answer.status != 200:
        # With OIDC the CLI secret may be good for images and not for the API.
        return "its API answers as to a stranger"
    return "an administrator" if answer.object().get("sysadmin_flag") is True else "a user"


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> dict[str, str]:
    pairs = list(_object(value).items())[:_MOST]
    return {
        name: printable(text, _LONGEST)
        for name, text in pairs
        if isinstance(name, str) and isinstance(text, str)
    }
