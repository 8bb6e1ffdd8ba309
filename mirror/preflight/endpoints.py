"""AWS: can the services that TKG calls be reached from this machine, on private addresses?

Needs no account and no SDK: an interface endpoint with private DNS makes the service's own public
name resolve to addresses of the VPC, and takes TCP connections there.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from mirror.preflight.interface import Check, Verdict, failed, passed, skipped, warned
from mirror.preflight.scene import Scene
from mirror.registry.lookup import NoAddress, addresses
from mirror.settings import ENDPOINT_ADDRESSES, ENDPOINTS_AT_A_TIME
from mirror.text import printable

# tko-on-aws-airgap.md, "VPC Architectures": VPCs without internet must have these.
REQUIRED = (
    "sts",
    "ssm",
    "ec2",
    "ec2messages",
    "elasticloadbalancing",
    "secretsmanager",
    "ssmmessages",
)
# "Optional; recommended". The guide makes a gateway endpoint of it: a route to what stays a
# public address, so that neither its address nor its silence from here says anything.
S3 = "s3"
PORT = 443
# us-east-1, us-gov-west-1, us-isob-east-1: letters, and one number at the end.
REGION = re.compile(r"[a-z]{2,8}(-[a-z]{2,16}){1,3}-[0-9]{1,2}", re.ASCII)

# AWS's partitions and their domains, as its SDKs list them (partitions.json, dnsSuffix).
_DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "eusc-": "amazonaws.eu",
}

# What a VPC may have and the internet has not: RFC 1918, and RFC 6598, which AWS allows too.
_PRIVATE = tuple(
    ipaddress.IPv4Network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)


class Endpoint(NamedTuple):
    """One service and what was found out; ``fault`` is empty where it can be used."""

    service: str
    host: str
    at: tuple[str, ...] = ()
    fault: str = ""


def host(service: str, region: str) -> str:
    """``sts.us-east-1.amazonaws.com``, or the same in another partition's domain."""
    domains = (domain for prefix, domain in _DOMAINS.items() if region.startswith(prefix))
    return f"{service}.{region}.{next(domains, 'amazonaws.com')}"


def reachable(scene: Scene) -> Verdict:
    """AWS-1. The design says must for all but s3; from this machine, which should be in the VPC."""
    region = scene.question.aws_region
    if not region:
        return skipped("nobody asked for it", fix="--aws-endpoints REGION, in the VPC")
    services = (*REQUIRED, S3)
    with ThreadPoolExecutor(ENDPOINTS_AT_A_TIME, "endpoint") as pool:
        found = list(pool.map(lambda each: _tried(scene, each, region), services))
    bad = [each for each in found if each.fault and each.service != S3]
    detail = "\n".join(map(_told, found))
    if bad:
        names = ", ".join(each.service for each in bad)
        fail = "fails" if len(bad) == 1 else "fail"
        what = f"{len(bad)} of {len(REQUIRED)} endpoints of {region} {fail} from here: {names}"
        return failed(f"{what} ({bad[0].fault})", detail, fix=_fix(bad[0], region))
    s3 = found[-1]
    if s3.fault:
        return warned(f"the endpoint of s3 in {region}: {s3.fault}", detail, fix=_fix(s3, region))
    what = f"all {len(REQUIRED)} endpoints of {region} take connections on private addresses"
    return passed(what, detail)


def _told(endpoint: Endpoint) -> str:
    shown = ", ".join(endpoint.at) or "no address"
    return f"{endpoint.host}: {shown}: {endpoint.fault or 'well'}"


def _tried(scene: Scene, service: str, region: str) -> Endpoint:
    """Resolve a service's name, and connect to each of its addresses if all of them are private."""
    name = host(service, region)
    try:
        found = addresses(name, PORT, scene.seconds())
    except NoAddress as cause:
        return Endpoint(service, name, fault=f"{name} does not resolve: {cause}")
    # TKG on AWS is IPv4 alone; so is what an interface endpoint resolves to by default.
    at = tuple(each for each in found if ":" not in each)[:ENDPOINT_ADDRESSES]
    public = [each for each in at if not _private(each)]
    fault = ""
    if not at:
        fault = f"{name} has no IPv4 address"
    elif public and service != S3:
        fault = f"{name} is {public[0]}, which is no private address"
    elif not public:
        fault = next(_refusals(scene, at), "")
    return Endpoint(service, name, at, fault)


def _private(address: str) -> bool:
    return any(ipaddress.IPv4Address(address) in network for network in _PRIVATE)


def _refusals(scene: Scene, at: tuple[str, ...]) -> Iterator[str]:
    """Addresses that take no connection: there is one in each zone, and a client picks any."""
    for address in at:
        try:
            socket.create_connection((address, PORT), scene.seconds()).close()
        except OSError as cause:
            yield f"no connection to {address}:{PORT}: {printable(cause.strerror or str(cause))}"


def _fix(endpoint: Endpoint, region: str) -> str:
    if endpoint.at and endpoint.fault.startswith("no connection"):
        return f"let the endpoint's security group take TCP {PORT} from the VPC's range"
    if endpoint.service == S3:
        kind = "--vpc-endpoint-type Gateway --route-table-ids rtb-..."
    else:
        kind = "--vpc-endpoint-type Interface --private-dns-enabled --subnet-ids subnet-..."
    name = f"com.amazonaws.{region}.{endpoint.service}"
    if any(region.startswith(prefix) for prefix in _DOMAINS):
        # Other partitions name services differently, and not all alike.
        name = f"(see describe-vpc-endpoint-services for {endpoint.service})"
    command = f"aws ec2 create-vpc-endpoint --vpc-id vpc-... --service-name {name} {kind}"
    return f"{command}; the VPC needs DNS support and DNS hostnames"


CHECKS = (Check("AWS-1", "endpoints of AWS are there, on private addresses", reachable),)
