"""TKG: do the variables about the registry say what was checked?

Names and defaults are those of tanzu-framework v0.28.3, providers/config_default.yaml and
tkg/constants/config_variables.go.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from bom.errors import ReferenceFault, shown
from mirror.preflight.cluster import NO, ClusterConfig
from mirror.preflight.flaws import NOT_GIVEN, Flaw, judged, of_file
from mirror.preflight.interface import Check, Verdict, passed, warned
from mirror.preflight.scene import Scene, Target
from mirror.text import printable
from mirror.tkg import REPOSITORY, SKIP_VERIFY

# What YAML 1.1 reads as no as well, where it stands without quotes; TKG's reader is of that time.
_OTHER_NO = frozenset({"n", "N", "no", "No", "NO", "off", "Off", "OFF"})


def names_it(scene: Scene) -> Verdict:
    """TKG-2. Images are pulled from what this variable says, whatever was checked here.

    It fails where TKG would ask another place: there is none that answers behind the gap. The
    deployment guide (tko-aws-airgap.md, "Prepare an Internet-Restricted Environment") exports the
    variable instead of writing it, so what is exported counts where the file has none.
    """
    config = scene.question.cluster
    if config is None:
        return NOT_GIVEN
    written = REPOSITORY in config.values
    value = config.get(REPOSITORY) if written else os.environ.get(REPOSITORY, "")
    where = config.place(REPOSITORY) if written or not value else "the environment"
    expected = str(scene.target)
    flaws = list(_misnamed(value, scene.target, plain_http=scene.question.access.plain_http))
    told = printable(shown(value)) if value else config.found(REPOSITORY)
    found = told if where != "the environment" else f"{told} in the environment"
    lines = [
        Flaw(REPOSITORY, expected, f"{REPOSITORY}: {expected}", f"{found}: {why}", grave)
        for why, grave in flaws
    ]
    return judged(config, lines, f"{where}: {REPOSITORY} is {expected}")


def _misnamed(value: str, target: Target, *, plain_http: bool) -> Iterator[tuple[str, bool]]:
    """Why this is not the registry that was checked, and whether TKG would fail on that.

    TKG takes everything before the first slash as the host (tkg/kind/utils.go), and puts a slash
    and an image's path behind the whole.
    """
    if not value:
        yield "so TKG would pull from VMware's own registry", True
        return
    if "://" in value:
        yield "it has a scheme", True
        return
    if value.endswith("/"):
        yield "it ends with a slash", True
    if ":" in value.rpartition("/")[2] and "/" in value.strip("/"):
        yield "it has a tag", True
        return
    try:
        named = Target.parse(value, plain_http=plain_http)
    except ReferenceFault as fault:
        yield fault.reason, True
        return
    if (named.host, named.port, named.project) != (target.host, target.port, target.project):
        yield "another place than was checked", True
    elif value.removesuffix("/") != str(target):
        # The same place; but containerd's settings and every reference carry this spelling.
        yield "the same place in another spelling", False


@of_file
def verifies(config: ClusterConfig) -> Verdict:
    """TKG-3. A warning, as it works; and whoever sits between can then hand out any image.

    TKG reads this one in three ways: EqualFold "true" (carvelhelpers/registry.go), ParseBool
    (managementcomponents/helper.go) and a template's "== True". Only a plain no is no for all.
    """
    value = config.get(SKIP_VERIFY)
    off = not value or value in NO or value in _OTHER_NO
    fix = f"{SKIP_VERIFY}: false"
    flaws = [] if off else [Flaw(SKIP_VERIFY, "false: certificates are verified", fix)]
    said = "is false" if value else "is not set, which means false"
    return judged(config, flaws, f"{config.place(SKIP_VERIFY)}: {SKIP_VERIFY} {said}")


@of_file
def unshadowed(config: ClusterConfig) -> Verdict:
    """TKG-4. TKG takes a variable from the environment before it looks into the file.

    (tkgconfigreaderwriter/readerwriter.go: AutomaticEnv, an empty one too.) Values stay untold:
    they may be keys of an account.
    """
    names = [
        name for name in config.lines if name in os.environ and os.environ[name] != config.get(name)
    ]
    if not names:
        return passed("no variable of the file is exported here with another value")
    listed = ", ".join(names)
    what = f"this shell exports {listed}, which TKG takes before the line of {config.file}"
    detail = "\n".join(f"{config.place(name)}: {name} is not what counts" for name in names)
    return warned(what, detail, fix=f"in the shell that installs TKG: unset {' '.join(names)}")


CHECKS = (
    Check("TKG-2", "TKG_CUSTOM_IMAGE_REPOSITORY names this registry and project", names_it),
    Check("TKG-3", "TKG verifies the registry's certificate", verifies),
    Check("TKG-4", "no exported variable hides one of the file", unshadowed),
)
