"""A cluster configuration as the reference design wants it, and what a check says of another one.

verdict = look("TKG-7", config(CLUSTER_PLAN="dev"))
verdict.status, verdict.summary
"""

from __future__ import annotations

import yaml

from mirror.errors import Side
from mirror.preflight.catalogue import CHECKS
from mirror.preflight.cluster import ClusterConfig
from mirror.preflight.interface import Verdict
from mirror.preflight.scene import Question, Scene, Target
from mirror.registry.access import Access

# An address, so that no test asks a resolver that is not the test's own.
DEST = "10.20.30.40/tkg"

GOOD = {
    "INFRASTRUCTURE_PROVIDER": "aws",
    "CLUSTER_NAME": "management",
    "CLUSTER_PLAN": "prod",
    "TKG_CUSTOM_IMAGE_REPOSITORY": DEST,
    "TKG_CUSTOM_IMAGE_REPOSITORY_SKIP_TLS_VERIFY": "false",
    "AWS_REGION": "us-east-1",
    "AWS_LOAD_BALANCER_SCHEME_INTERNAL": "true",
    "AWS_NODE_AZ": "us-east-1a",
    "AWS_NODE_AZ_1": "us-east-1b",
    "AWS_NODE_AZ_2": "us-east-1c",
    "AWS_VPC_ID": "vpc-1",
    "AWS_VPC_CIDR": "10.20.0.0/16",
    "AWS_PRIVATE_SUBNET_ID": "subnet-1",
    "AWS_PRIVATE_SUBNET_ID_1": "subnet-2",
    "AWS_PRIVATE_SUBNET_ID_2": "subnet-3",
    "AWS_PUBLIC_SUBNET_ID": "",
    "CLUSTER_CIDR": "100.96.0.0/11",
    "SERVICE_CIDR": "100.64.0.0/13",
    "ENABLE_MHC": "true",
    "IDENTITY_MANAGEMENT_TYPE": "oidc",
    "CNI": "antrea",
    "CONTROL_PLANE_MACHINE_TYPE": "m5.large",
    "NODE_MACHINE_TYPE": "m5.xlarge",
}


def config(**changes: str | None) -> ClusterConfig:
    """GOOD with these values, and without those that are None; each on a line of its own."""
    values = {name: value for name, value in (GOOD | changes).items() if value is not None}
    return ClusterConfig("c.yaml", values, {name: n for n, name in enumerate(values, 1)})


def text(**changes: str | None) -> str:
    """The same as a file's text."""
    return yaml.safe_dump(config(**changes).values, sort_keys=False)


def look(
    identity: str,
    cluster: ClusterConfig | None,
    dest: str = DEST,
    attested: frozenset[str] = frozenset(),
    region: str = "",
) -> Verdict:
    """What one check says of a configuration, which most of them look at and at nothing else."""
    access = Access(Side.DESTINATION)
    question = Question(
        Target.parse(dest), access, cluster=cluster, attested=attested, aws_region=region
    )
    check = next(each for each in CHECKS if each.id == identity)
    with Scene(question) as scene:
        return check.look(scene)
