from __future__ import annotations

import pytest

from mirror.preflight.interface import Status
from tests.mirror.preflight.tkg import config, look

WARN, FAIL, PASS, SKIP = Status.WARN, Status.FAIL, Status.PASS, Status.SKIP


def says(identity: str, **changes: str | None) -> tuple[Status, str, str]:
    verdict = look(identity, config(**changes))
    return verdict.status, verdict.summary, verdict.fix.removeprefix("in c.yaml write: ")


@pytest.mark.parametrize("word", ["false", "1", "t", "yes", "", None])
def test_an_api_that_the_internet_could_reach(word: str | None) -> None:
    status, summary, fix = says("TKG-6", AWS_LOAD_BALANCER_SCHEME_INTERNAL=word)
    assert status is FAIL
    assert "expected true" in summary
    assert fix == 'AWS_LOAD_BALANCER_SCHEME_INTERNAL: "true"'


def test_nobody_else_has_that_load_balancer() -> None:
    assert says("TKG-6", INFRASTRUCTURE_PROVIDER="vsphere")[0] is SKIP


def test_a_file_that_does_not_say_for_what_it_is() -> None:
    cluster = config(**{n: None for n in config().values if n.startswith(("AWS", "INFRA"))})
    verdict = look("TKG-6", cluster)
    assert verdict.status is SKIP
    assert "INFRASTRUCTURE_PROVIDER: aws" in verdict.fix


@pytest.mark.parametrize("plan", ["dev", "devcc", "Prod", "own"])
def test_a_control_plane_of_one_node(plan: str) -> None:
    status, summary, fix = says("TKG-7", CLUSTER_PLAN=plan)
    assert (status, fix) == (WARN, "CLUSTER_PLAN: prod")
    assert repr(plan) in summary


def test_tkg_refuses_a_file_without_a_plan() -> None:
    assert says("TKG-7", CLUSTER_PLAN=None)[0] is FAIL


def test_the_plan_of_class_based_clusters_is_prod_too() -> None:
    assert says("TKG-7", CLUSTER_PLAN="prodcc")[0] is PASS


def test_one_zone_is_not_three() -> None:
    status, summary, fix = says("TKG-8", AWS_NODE_AZ_1=None, AWS_NODE_AZ_2="")
    assert status is WARN
    assert "and 1 more" in summary
    assert fix == "AWS_NODE_AZ_1: us-east-1b; AWS_NODE_AZ_2: us-east-1c"


def test_the_same_zone_twice_counts_once() -> None:
    status, summary, fix = says("TKG-8", AWS_NODE_AZ_2="us-east-1a")
    assert (status, fix) == (WARN, "AWS_NODE_AZ_2: us-east-1c")
    assert "another zone than AWS_NODE_AZ" in summary


def test_a_zone_of_another_region() -> None:
    status, summary, _fix = says("TKG-8", AWS_NODE_AZ_1="eu-west-1a")
    assert status is FAIL
    assert "a zone of us-east-1" in summary


@pytest.mark.parametrize(
    "zone", ["us-east-1", "us-east-10a", "us-east-1A", "us-east-1-", "us-east-1a "]
)
def test_what_begins_like_the_region_and_is_none_of_its_zones(zone: str) -> None:
    """TKG compares the beginning alone, and AWS refuses it when machines are made."""
    assert says("TKG-8", AWS_NODE_AZ_1=zone)[0] is FAIL


def test_a_local_zone_is_one_of_the_region() -> None:
    assert says("TKG-8", AWS_NODE_AZ_1="us-east-1-bos-1a")[0] is PASS


@pytest.mark.parametrize(
    ("region", "better"),
    [("us-east-1a", "us-east-1"), ("us-gov-west-1-x", "us-gov-west-1"), ("home", "us-east-1")],
)
def test_a_zone_for_a_region_is_told_alone_and_spoils_no_zone(region: str, better: str) -> None:
    status, summary, fix = says("TKG-8", AWS_REGION=region)
    assert (status, fix) == (FAIL, f"AWS_REGION: {better}")
    assert "more" not in summary


def test_a_login_in_a_region_is_not_repeated() -> None:
    assert "c4nary" not in " ".join(says("TKG-8", AWS_REGION="ann:c4nary@x")[1:])


def test_no_region() -> None:
    status, _summary, fix = says("TKG-8", AWS_REGION=None)
    assert (status, fix) == (WARN, "AWS_REGION: us-east-1")


def test_tkg_would_make_a_vpc_with_the_internet() -> None:
    status, summary, fix = says("TKG-9", AWS_VPC_ID=None)
    assert (status, fix) == (FAIL, "AWS_VPC_ID: vpc-...")
    assert "offline VPC" in summary


@pytest.mark.parametrize("number", ["", "_1", "_2"])
def test_a_private_subnet_is_missing(number: str) -> None:
    name = f"AWS_PRIVATE_SUBNET_ID{number}"
    status, summary, fix = says("TKG-9", **{name: None})
    assert (status, fix) == (FAIL, f"{name}: subnet-...")
    assert f"{name}: expected" in summary


def test_the_dev_plan_needs_one_subnet() -> None:
    changes = {"AWS_PRIVATE_SUBNET_ID_1": None, "AWS_PRIVATE_SUBNET_ID_2": None}
    assert says("TKG-9", CLUSTER_PLAN="dev", **changes)[0] is PASS


def test_two_zones_cannot_have_one_subnet() -> None:
    status, summary, _fix = says("TKG-9", AWS_PRIVATE_SUBNET_ID_1="subnet-1")
    assert status is FAIL
    assert "another subnet than AWS_PRIVATE_SUBNET_ID" in summary


def test_public_subnets_are_no_part_of_the_design() -> None:
    status, _summary, fix = says("TKG-9", AWS_PUBLIC_SUBNET_ID="subnet-9")
    assert (status, fix) == (WARN, 'AWS_PUBLIC_SUBNET_ID: ""')


def test_tkg_refuses_a_second_public_subnet_without_the_first() -> None:
    status, summary, _fix = says("TKG-9", AWS_PUBLIC_SUBNET_ID_1="subnet-9")
    assert status is FAIL
    assert "AWS_PUBLIC_SUBNET_ID_1" in summary


def test_tkg_asks_for_a_public_subnet_unless_it_is_written_as_empty() -> None:
    status, _summary, fix = says("TKG-9", AWS_PUBLIC_SUBNET_ID=None)
    assert (status, fix) == (FAIL, 'AWS_PUBLIC_SUBNET_ID: ""')


def test_health_checks_that_are_switched_off() -> None:
    assert says("TKG-10", ENABLE_MHC="false")[::2] == (WARN, "ENABLE_MHC: true")


@pytest.mark.parametrize("part", ["ENABLE_MHC_CONTROL_PLANE", "ENABLE_MHC_WORKER_NODE"])
def test_health_checks_that_are_switched_off_for_some(part: str) -> None:
    assert says("TKG-10", ENABLE_MHC=None, **{part: "false"})[::2] == (WARN, f"{part}: true")
    assert says("TKG-10", ENABLE_MHC="true", **{part: "false"})[0] is PASS


def test_health_checks_are_on_by_default() -> None:
    assert says("TKG-10", ENABLE_MHC=None)[0] is PASS


@pytest.mark.parametrize("word", ["none", "", None, "saml"])
def test_people_would_share_the_administrators_account(word: str | None) -> None:
    status, _summary, fix = says("TKG-11", IDENTITY_MANAGEMENT_TYPE=word)
    assert status is WARN
    assert fix.startswith("IDENTITY_MANAGEMENT_TYPE: oidc")


def test_ldap_is_identity_management_too() -> None:
    assert says("TKG-11", IDENTITY_MANAGEMENT_TYPE="ldap")[0] is PASS


@pytest.mark.parametrize(
    ("cni", "status"),
    [("none", WARN), ("cilium", FAIL), ("Antrea", FAIL), ("calico", PASS), (None, PASS)],
)
def test_a_cni(cni: str | None, status: Status) -> None:
    assert says("TKG-12", CNI=cni)[0] is status


def test_calico_passes_with_a_word_about_the_design() -> None:
    assert "TKG-AG-00N" in look("TKG-12", config(CNI="calico")).detail


@pytest.mark.parametrize("size", ["t3.medium", "t3.small", "t2.nano", "huge", "large", "m5.Large"])
def test_an_instance_that_is_too_small_or_none(size: str) -> None:
    status, summary, fix = says("TKG-13", NODE_MACHINE_TYPE=size)
    expected = PASS if size == "large" else WARN
    assert status is expected
    if status is WARN:
        assert repr(size) in summary
        assert fix == "NODE_MACHINE_TYPE: m5.large"


@pytest.mark.parametrize(
    "size", ["t3.large", "m5.xlarge", "m5d.24xlarge", "m5.metal", "u-6tb1.metal"]
)
def test_an_instance_that_is_large(size: str) -> None:
    assert says("TKG-13", NODE_MACHINE_TYPE=size)[0] is PASS


@pytest.mark.parametrize(
    "name", ["SIZE", "CONTROLPLANE_SIZE", "WORKER_SIZE", "NODE_MACHINE_TYPE_2"]
)
def test_another_variable_decides_about_the_size(name: str) -> None:
    status, summary, _fix = says("TKG-13", **{name: "t3.small"})
    assert status is WARN
    assert f"{name}: expected large" in summary


def test_a_large_control_plane_outweighs_a_small_size() -> None:
    changes = {"SIZE": "t3.small", "CONTROLPLANE_SIZE": "m5.large", "WORKER_SIZE": "m5.large"}
    assert says("TKG-13", **changes)[0] is PASS


def test_sizes_of_vsphere() -> None:
    assert says("TKG-13", INFRASTRUCTURE_PROVIDER="vsphere", SIZE="medium")[0] is WARN
    assert says("TKG-13", INFRASTRUCTURE_PROVIDER="vsphere", SIZE="extra-large")[0] is PASS
    assert says("TKG-13", INFRASTRUCTURE_PROVIDER="vsphere")[0] is SKIP
    assert says("TKG-13", INFRASTRUCTURE_PROVIDER="azure", SIZE="Standard_D2s_v3")[0] is SKIP
