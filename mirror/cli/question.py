"""From the options of ``preflight`` to its question."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from mirror.cli.access import access
from mirror.cli.expectation import read_expected
from mirror.cli.options import RegistryOptions
from mirror.cli.preflight_options import ActionOptions, ExpectedOptions, JudgingOptions
from mirror.cli.values import region
from mirror.errors import Side
from mirror.events import Listener, silent
from mirror.preflight.authority import authorities
from mirror.preflight.cluster import ClusterConfig, read_cluster
from mirror.preflight.scene import Expected, Question, Target
from mirror.registry.tls import certificates, context


class Given(NamedTuple):
    """The files that were handed in, read; ``stdin`` where one of them was standard input."""

    expected: Expected | None
    cluster: ClusterConfig | None
    aws_region: str
    stdin: bool
    deep: bool

    @classmethod
    def read(cls, wanted: ExpectedOptions) -> Given:
        """Read them all before anything is asked; raises the fault of the first wrong one."""
        return cls(
            read_expected(wanted.bundle, wanted.bom, wanted.plan, deep=wanted.deep),
            read_cluster(wanted.cluster_config) if wanted.cluster_config else None,
            region(wanted.aws_endpoints) if wanted.aws_endpoints is not None else "",
            wanted.plan == "-",
            wanted.deep,
        )


def question(
    target: Target,
    given: Given,
    judging: JudgingOptions,
    action: ActionOptions,
    registry: RegistryOptions,
    listener: Listener = silent,
) -> Question:
    """What is to be found out about ``target``.

    Raises InputFault for a CA file or client certificate of no use: that is told before anything
    is asked, and is no finding about the registry.
    """
    hosts = {target.authority}
    reach = access(registry, Side.DESTINATION, hosts, stdin_taken=given.stdin, listener=listener)
    reach = replace(reach, tls=reach.tls._replace(authorities=authorities(given.cluster)))
    context(reach.tls)
    for path in reach.tls.ca_files:
        # Its checks read them more strictly than a handshake does.
        certificates(path, pem=True)
    return Question(
        target,
        reach,
        expected=given.expected,
        cluster=given.cluster,
        attested=frozenset(each.value for each in judging.attest or ()),
        fips=judging.fips,
        deep=given.deep,
        aws_region=given.aws_region,
        create_project=action.create_project,
    )
