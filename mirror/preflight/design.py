"""TKG: the cluster configuration against the reference design.

The design is tko-on-aws-airgap.md (vmware-tanzu-labs/tanzu-validated-solutions), whose decisions
are numbered TKG-CLS-00n; names, defaults and what TKG refuses are of tanzu-framework v0.28.3. What
the design advises is a warning; what TKG refuses, or what cannot be without internet, is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mirror.preflight.cluster import ClusterConfig
from mirror.preflight.endpoints import REGION
from mirror.preflight.flaws import Flaw, judged, of_aws_file, of_file
from mirror.preflight.interface import Check, Verdict, skipped
from mirror.preflight.wording import counted

INTERNAL = "AWS_LOAD_BALANCER_SCHEME_INTERNAL"
_TRUE = frozenset({"true", "True", "TRUE"})
_ZONES = ("AWS_NODE_AZ", "AWS_NODE_AZ_1", "AWS_NODE_AZ_2")
_PRIVATE = ("AWS_PRIVATE_SUBNET_ID", "AWS_PRIVATE_SUBNET_ID_1", "AWS_PRIVATE_SUBNET_ID_2")
_PUBLIC = ("AWS_PUBLIC_SUBNET_ID", "AWS_PUBLIC_SUBNET_ID_1", "AWS_PUBLIC_SUBNET_ID_2")
_PROD, _DEV = ("prod", "prodcc"), ("dev", "devcc")


@of_aws_file
def internal(config: ClusterConfig) -> Verdict:
    """TKG-6. TKG-CLS-002. A failure: the default is an internet-facing load balancer, and AWS
    makes none in a VPC without an internet gateway.

    The template asks ``== True`` (aws-overlay.yaml), so 1 and t do not count.
    """
    good = config.get(INTERNAL) in _TRUE
    found = "" if config.get(INTERNAL) else f"{config.found(INTERNAL)} (default false)"
    flaw = Flaw(INTERNAL, "true", f'{INTERNAL}: "true"', found, grave=True)
    place = config.place(INTERNAL)
    return judged(config, [] if good else [flaw], f"{place}: the API's load balancer is internal")


@of_file
def plan(config: ClusterConfig) -> Verdict:
    """TKG-7. TKG-CLS-004 advises prod. Without a plan TKG refuses the file (validate.go)."""
    said = config.get("CLUSTER_PLAN")
    flaw = Flaw("CLUSTER_PLAN", "prod", "CLUSTER_PLAN: prod", grave=not said)
    flaws = [] if said in _PROD else [flaw]
    return judged(config, flaws, f"{config.place('CLUSTER_PLAN')}: the plan is {said}")


@of_aws_file
def zones(config: ClusterConfig) -> Verdict:
    """TKG-8. TKG-CLS-005 advises an odd number; TKG knows one zone or three. A zone of another
    region is a failure: TKG refuses it for a new VPC, AWS for one that exists.

    What is left out is the region with a, b or c behind it (helpers.star), if there is such one.
    """
    region = config.get("AWS_REGION")
    if region and not REGION.fullmatch(region):
        # A zone's name, most often; no zone can be told from such a one.
        write = f"AWS_REGION: {_near(region)}"
        flaw = Flaw("AWS_REGION", "a region such as us-east-1", write, grave=True)
        return judged(config, [flaw], "")
    flaws = list(_zones(config, region))
    named = ", ".join(config.get(name) for name in _ZONES)
    return judged(config, flaws, f"three availability zones of {region}: {named}")


def _near(text: str) -> str:
    """The region of a zone's name, or else an example."""
    found = REGION.match(text)
    return found[0] if found else "us-east-1"


def _zones(config: ClusterConfig, region: str) -> Iterator[Flaw]:
    first = config.get(_ZONES[0])
    guess = region or first[:-1] or "us-east-1"
    if not region:
        yield Flaw("AWS_REGION", "the region of the zones", f"AWS_REGION: {guess}")
    seen = dict[str, str]()
    spare = [f"{guess}{letter}" for letter in "abcdef"]
    given = {config.get(name) for name in _ZONES}
    free = iter([zone for zone in spare if zone not in given] + spare)
    for name in _ZONES:
        zone = config.get(name)
        if not zone:
            yield Flaw(name, "one of three zones", f"{name}: {next(free)}")
        elif region and not _in_region(zone, region):
            fix = f"{name}: {next(free)}"
            yield Flaw(name, f"a zone of {region} (AWS_REGION)", fix, grave=True)
        elif zone in seen:
            yield Flaw(name, f"another zone than {seen[zone]}", f"{name}: {next(free)}")
        seen.setdefault(zone, name)


def _in_region(zone: str, region: str) -> bool:
    """True for ``us-east-1a`` and the local zone ``us-east-1-bos-1a``, but not for ``us-east-1``.

    TKG itself asks only how the name begins; AWS knows no zone that is called as its region.
    """
    rest = zone.removeprefix(region)
    return zone.startswith(region) and re.fullmatch("[a-z]|-[a-z0-9-]*[a-z0-9]", rest) is not None


@of_aws_file
def subnets(config: ClusterConfig) -> Verdict:
    """TKG-9. The design makes VPCs first, offline ones with private subnets only. A failure: the
    VPC that TKG makes itself has internet and NAT gateways and none of the endpoints.

    TKG refuses an existing VPC without its private subnets, one for the dev plan and three for
    prod. It wants public ones too, unless the first of them is written out as empty
    (SetAndValidateDefaultAWSVPCConfiguration); neither guide says so.
    """
    vpc, write = config.get("AWS_VPC_ID"), "AWS_VPC_ID: vpc-..."
    missing = [] if vpc else [Flaw("AWS_VPC_ID", "the id of the offline VPC", write, grave=True)]
    flaws = [*missing, *_private(config), *_public(config)]
    private = counted(len(_needed(config)), "private subnet")
    return judged(config, flaws, f"{vpc} with {private}, and no public one")


def _needed(config: ClusterConfig) -> tuple[str, ...]:
    return _PRIVATE[:1] if config.get("CLUSTER_PLAN") in _DEV else _PRIVATE


def _private(config: ClusterConfig) -> Iterator[Flaw]:
    seen = dict[str, str]()
    for name in _needed(config):
        subnet = config.get(name)
        if not subnet:
            yield Flaw(name, "a private subnet of the VPC", f"{name}: subnet-...", grave=True)
        elif subnet in seen:
            # A subnet is in one zone, so that two zones have one subnet cannot be.
            expected = f"another subnet than {seen[subnet]}"
            yield Flaw(name, expected, f"{name}: subnet-...", grave=True)
        seen.setdefault(subnet, name)


def _public(config: ClusterConfig) -> Iterator[Flaw]:
    first, *others = _PUBLIC
    if not config.get(first):
        if first not in config.values:
            expected = 'an empty text, "", without which TKG asks for a subnet'
            yield Flaw(first, expected, f'{first}: ""', grave=True)
        for name in others:
            if config.get(name):
                expected = f"no public subnet, least of all without {first}"
                yield Flaw(name, expected, f'{name}: ""', grave=True)
        return
    for name in filter(config.get, _PUBLIC):
        yield Flaw(name, "no public subnet", f'{name}: ""')


@of_file
def health_checks(config: ClusterConfig) -> Verdict:
    """TKG-10. TKG-CLS-007. On by default: ENABLE_MHC where it says yes switches on both of the
    others, and where it says no switches them off (add_mhc.yaml).
    """
    both, parts = "ENABLE_MHC", ("ENABLE_MHC_CONTROL_PLANE", "ENABLE_MHC_WORKER_NODE")
    flaws = []
    if not config.flag(both):
        if config.get(both):
            flaws.append(Flaw(both, "true", f"{both}: true"))
        else:
            off = [name for name in parts if not config.flag(name, default=True)]
            flaws += [Flaw(name, "true", f"{name}: true") for name in off]
    return judged(config, flaws, "machine health checks are on, for control plane and workers")


@of_file
def identity(config: ClusterConfig) -> Verdict:
    """TKG-11. TKG-CLS-006 advises it; without it people share the administrator's kubeconfig."""
    name = "IDENTITY_MANAGEMENT_TYPE"
    said = config.get(name)
    found = "" if said else f"{config.found(name)} (default none)"
    fix = f"{name}: oidc (or ldap), with its OIDC_ (or LDAP_) variables"
    flaws = [] if said in ("oidc", "ldap") else [Flaw(name, "oidc or ldap", fix, found)]
    return judged(config, flaws, f"{config.place(name)}: identity management is {said}")


@of_file
def network(config: ClusterConfig) -> Verdict:
    """TKG-12. Antrea by default, and the design's choice; Calico where somebody chose it. TKG
    refuses what it does not know, and with none leaves the cluster without a network.
    """
    said = config.get("CNI", "antrea")
    flaws = []
    if said not in ("antrea", "calico"):
        grave = said != "none"
        flaws.append(Flaw("CNI", "antrea, the design's choice", "CNI: antrea", grave=grave))
    note = "the design chose antrea (TKG-AG-00N)" if said == "calico" else ""
    return judged(config, flaws, f"{config.place('CNI')}: the CNI is {said}", note)


_SIZE = re.compile(r"[a-z0-9-]+\.(nano|micro|small|medium|(?:[0-9]+)?x?large|metal[a-z0-9-]*)")
_SMALL = ("nano", "micro", "small", "medium")
_DEFAULTS = {"CONTROL_PLANE_MACHINE_TYPE": "t3.large", "NODE_MACHINE_TYPE": "m5.large"}
# Each of these takes the place of the others for its nodes (OverrideAWSNodeSizeWithOptions).
_OVERRIDES = {
    "CONTROL_PLANE_MACHINE_TYPE": ("CONTROLPLANE_SIZE", "SIZE"),
    "NODE_MACHINE_TYPE": ("WORKER_SIZE", "SIZE"),
}


@of_file
def sizes(config: ClusterConfig) -> Verdict:
    """TKG-13. TKG-CLS-003: large and above, as all packages need room."""
    counting = _machines(config) if config.infrastructure == "aws" else _sizes(config)
    if not counting or config.infrastructure == "azure":
        return skipped(f"{config.file} has no size of AWS or vSphere")
    small = [(name, size) for name, size in counting if not _large(size)]
    better = "m5.large" if config.infrastructure == "aws" else "large"
    flaws = [Flaw(name, "large or above", f"{name}: {better}", repr(size)) for name, size in small]
    shown = ", ".join(f"{name} {size}" for name, size in counting)
    return judged(config, flaws, f"instance sizes: {shown}")


def _large(size: str) -> bool:
    if size in ("large", "extra-large"):
        return True
    found = _SIZE.fullmatch(size)
    return found is not None and found[1] not in _SMALL


def _machines(config: ClusterConfig) -> list[tuple[str, str]]:
    """The variable that decides about each kind of node on AWS, and its instance type."""
    found = []
    for name, default in _DEFAULTS.items():
        names = (*_OVERRIDES[name], name)
        deciding = next((each for each in names if config.get(each)), name)
        found.append((deciding, config.get(deciding, default)))
    more = ("NODE_MACHINE_TYPE_1", "NODE_MACHINE_TYPE_2")
    return found + [(name, config.get(name)) for name in more if config.get(name)]


def _sizes(config: ClusterConfig) -> list[tuple[str, str]]:
    """Sizes of vSphere. Where there is none, a dozen VSPHERE_ variables say it in numbers."""
    names = ("SIZE", "CONTROLPLANE_SIZE", "WORKER_SIZE")
    return [(name, config.get(name)) for name in names if config.get(name)]


CHECKS = (
    Check("TKG-6", "the API server's load balancer is internal", internal),
    Check("TKG-7", "the plan is prod", plan),
    Check("TKG-8", "three availability zones of the region", zones),
    Check("TKG-9", "an existing VPC, with private subnets only", subnets),
    Check("TKG-10", "machine health checks are on", health_checks),
    Check("TKG-11", "identity management is on", identity),
    Check("TKG-12", "the CNI is Antrea, unless another one was chosen", network),
    Check("TKG-13", "instances are large or above", sizes),
)
