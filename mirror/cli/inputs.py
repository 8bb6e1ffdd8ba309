"""From what a command was given to what the verbs take: image sets, access to registries."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from bom.images import ImageSet, images_of_boms, images_of_list, merge
from bom.limits import MAX_FILE_BYTES
from bom.parse import read_bom
from bom.reference import Reference
from mirror import planfile
from mirror.cli.options import Inputs, RegistryOptions
from mirror.cli.values import allowed_hosts
from mirror.errors import InputFault, MachineFault, Side, UsageFault
from mirror.events import Listener, silent
from mirror.oci.digest import Digest
from mirror.registry.connection import Access
from mirror.registry.credentials import Credentials, CredentialStore, Secret
from mirror.registry.tls import TlsOptions
from mirror.report import earlier
from mirror.report.earlier import Earlier
from mirror.rewrite import Rewrites
from mirror.settings import MAX_PLAN, Carry


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the inputs ask for: images, pins of a plan, and where to fetch instead."""

    images: ImageSet
    rewrites: Rewrites
    pins: Mapping[Reference, Digest] = field(default_factory=dict)
    members: Mapping[Reference, tuple[Digest, ...]] | None = None
    """From a plan: its imgpkg bundles. A plan lists what comes along with images already."""
    platforms: tuple[str, ...] | None = None
    """From a plan: those that its indexes keep."""

    def carry(self, asked: Carry) -> Carry:
        """What comes along; UsageFault where a plan was made for other platforms."""
        if self.platforms is None:
            return asked
        if asked.platforms and asked.platforms != self.platforms:
            fact = f"it has {', '.join(self.platforms) or 'all'}, and --platform names others"
            hint = "leave --platform out, or make another plan with it"
            raise UsageFault("a plan already says which platforms", fact=fact, hint=hint)
        return replace(asked, platforms=self.platforms)

    def failed_in(self, run: Earlier) -> Wanted:
        """Only what failed in an earlier run of the same inputs; InputFault for one of others."""
        run.check_named([image.reference for image in self.images.images])
        left = tuple(image for image in self.images.images if run.concerns(image.reference))
        return replace(self, images=replace(self.images, images=left))

    @property
    def hosts(self) -> set[str]:
        """The registries that will be asked."""
        return {self.rewrites.apply(image.reference).host for image in self.images.images}


def read_inputs(inputs: Inputs) -> Wanted:
    """Read every BOM, list or plan named; UsageFault where options contradict each other."""
    rewrites = Rewrites.parse(inputs.rewrite or [])
    if inputs.plan:
        if inputs.bom or inputs.images or inputs.source_repo:
            raise UsageFault(
                "a plan already says which images", fact="--plan stands with --rewrite alone"
            )
        planned = planfile.parse(_read(inputs.plan, MAX_PLAN), inputs.plan)
        return Wanted(planned.images, rewrites, planned.pins, planned.members, planned.platforms)
    if not (inputs.bom or inputs.images):
        raise UsageFault("nothing to carry", fact="give --bom FILE, --images FILE or --plan FILE")
    sets = []
    if inputs.bom:
        boms = [read_bom(path) for path in inputs.bom]
        sets.append(images_of_boms(boms, source_repo=inputs.source_repo, own_images=True))
    if inputs.images:
        text = _decode(_read(inputs.images, MAX_FILE_BYTES), inputs.images)
        sets.append(images_of_list(text, inputs.images, source_repo=inputs.source_repo))
    return Wanted(merge(sets), rewrites)


def read_earlier(name: str | None, *, stdin_taken: bool) -> Earlier | None:
    """The result that ``--only-failed`` names, if it was given; - is standard input."""
    if name is None:
        return None
    if name == "-" and stdin_taken:
        raise UsageFault("standard input cannot be both", fact="--only-failed - stands alone")
    return earlier.parse(_read(name, MAX_PLAN), name)


def access(
    options: RegistryOptions,
    side: Side,
    hosts: Collection[str],
    *,
    stdin_taken: bool = False,
    listener: Listener = silent,
) -> Access:
    """How to reach the registries of one side, which are ``hosts``."""
    if options.key_file and not options.cert_file:
        raise UsageFault("a key without its certificate", fact="--key-file needs --cert-file")
    if options.password_stdin and stdin_taken:
        raise UsageFault(
            "standard input cannot be both", fact="--password-stdin stands with --images -"
        )
    return Access(
        side,
        options.settings(),
        options.plain_http,
        TlsOptions(
            tuple(options.ca_file or ()),
            options.cert_file,
            options.key_file,
            options.insecure_skip_tls_verify,
        ),
        CredentialStore(_given(options, hosts), options.registry_config, listener=listener),
        allowed_hosts(options.allow_host or ()),
    )


def _given(options: RegistryOptions, hosts: Collection[str]) -> dict[str, Credentials]:
    """Credentials of this run: a name and, from standard input or the environment, its secret.

    They are for one registry. With several it is not for this tool to guess which.
    """
    if options.password_stdin and not options.username:
        raise UsageFault("a password without a name", fact="--password-stdin needs --username")
    if not options.username:
        return {}
    if len(hosts) != 1:
        raise UsageFault(
            "a name and password are for one registry",
            fact=f"these images come from {', '.join(sorted(hosts))}",
            hint="log in to each with docker login, or give --registry-config FILE",
        )
    if options.password_stdin:
        secret = _stdin().readline().rstrip("\r\n")
    else:
        secret = os.environ.get("TKG_MIRROR_PASSWORD", "")
    if not secret:
        raise UsageFault(
            "a name without a password", fact="--username needs --password-stdin", hint=_HOW_TO_GIVE
        )
    return {host: Credentials(options.username, Secret(secret)) for host in hosts}


_HOW_TO_GIVE = "give it as a line on standard input, or in TKG_MIRROR_PASSWORD"


def _stdin() -> TextIO:
    """Standard input, which the caller may have closed: Python then has none."""
    if sys.stdin is None:
        raise UsageFault("standard input is closed", fact="something is to be read from it")
    return sys.stdin


def _read(name: str, limit: int) -> bytes:
    try:
        if name == "-":
            raw = _stdin().buffer.read(limit + 1)
        else:
            with Path(name).open("rb") as file:
                raw = file.read(limit + 1)
    except FileNotFoundError:
        raise InputFault("no such file", fact=name) from None
    except IsADirectoryError:
        raise InputFault("a folder, not a file", fact=name) from None
    except OSError as cause:
        raise MachineFault.from_os("cannot read an input", cause) from cause
    if len(raw) > limit:
        raise InputFault("too large to be what it should be", fact=f"{name}: over {limit} bytes")
    return raw


def _decode(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise InputFault("not a list of references", fact=f"{name}: {cause.reason}") from None
