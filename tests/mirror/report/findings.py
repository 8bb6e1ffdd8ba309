"""A whole examination as values, with every way in which a finding can come out.

found = examination()                               # a registry with a bit of everything
found = examination(finding("NET-3", failed(...)))  # and one that is made up
"""

from __future__ import annotations

from datetime import UTC, datetime

from mirror.preflight.interface import (
    Check,
    Finding,
    Status,
    Verdict,
    failed,
    passed,
    skipped,
    untold,
    warned,
)
from mirror.preflight.run import Examination
from mirror.report.circumstances import Circumstances, Given

REGISTRY = "harbor.corp.example:8443/tkg"

BY = Circumstances(
    datetime(2026, 11, 28, 9, 30, 5, tzinfo=UTC),
    "0.1.0",
    "tkg-mirror preflight harbor.corp.example:8443/tkg --bundle tkg.tar --cluster-config prod.yaml"
    " --ca-file ca.pem --waive 'TLS-6=self-signed until the CA of the data centre is there, ticket"
    " 4711' --attest outside-tkg --report report.html",
    (
        Given(
            "bundle", "tkg.tar", "d628f4e246b8cfcbd377deb643bab8dc5b8f5273381e41179dd396278ceb728e"
        ),
        Given(
            "cluster configuration",
            "prod.yaml",
            "779fcbc80551ce2946db6028c7b957e0946b32cb7d7ba1b52964b5aa79797491",
        ),
        Given(
            "CA file", "ca.pem", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        ),
    ),
    ("--strict",),
)

WAIVED = "self-signed until the CA of the data centre is there, ticket 4711"
_MISSING = "\n".join(
    f"{REGISTRY}/tkg-core-packages/package-{n}:v1.{n}.0_vmware.1: 404 MANIFEST_UNKNOWN"
    for n in range(23)
)
_NO_TIME = "cannot be told before REG-3 is mended"
_NO_AWS = "no region was given"
# Id, title, requirement, verdict.
_ROWS: tuple[tuple[str, str, str, Verdict], ...] = (
    ("NET-1", "its address is well formed", "", passed("harbor.corp.example, port 8443")),
    (
        "NET-2",
        "name servers know its name",
        "",
        warned(
            "harbor.corp.example is only in this machine's /etc/hosts",
            "/etc/hosts: 10.20.0.7\n10.0.0.2: NXDOMAIN\n10.0.0.3: NXDOMAIN",
            fix="add an A record harbor.corp.example -> 10.20.0.7 to the DNS that the nodes use",
        ),
    ),
    (
        "NET-3",
        "every address is RFC 1918",
        "R2",
        failed(
            "192.0.2.7 is not RFC 1918 (documentation range); clients may pick it",
            "10.20.0.7: RFC 1918\n192.0.2.7: TEST-NET-1, RFC 5737",
            fix="remove 192.0.2.7 from the DNS records of harbor.corp.example, or give the registry"
            " an address in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
        ),
    ),
    ("NET-4", "it has no IPv6 address", "", passed("harbor.corp.example has no AAAA record")),
    ("NET-5", "no network overlaps it", "R2", passed("10.20.0.7 is outside pods and services")),
    ("NET-6", "every address answers", "R2", passed("10.20.0.7:8443 in 2 ms from 10.20.1.15")),
    ("NET-7", "no proxy is in between", "", passed("no proxy is set for harbor.corp.example")),
    (
        "TLS-1",
        "TKG's clients trust it",
        "R3",
        passed("they trust it with the CA file that you gave"),
    ),
    ("TLS-2", "the chain is complete", "R3", passed("2 certificates, leaf and intermediate")),
    ("TLS-3", "its certificate has its name", "R3", passed("DNS:harbor.corp.example")),
    (
        "TLS-4",
        "its certificate is valid for a while",
        "R3",
        warned(
            "the leaf certificate expires in 19 days, on 2026-12-17",
            "CN=harbor.corp.example: 2025-12-17 to 2026-12-17\n"
            "CN=Corp Issuing CA 3: 2022-01-01 to 2032-01-01",
            fix="renew it; on Harbor: replace harbor.crt and run ./prepare && docker compose up -d",
        ),
    ),
    ("TLS-5", "keys and signatures are strong", "R3", passed("RSA 3072, SHA-256")),
    (
        "TLS-6",
        "the certificate is one for servers",
        "R3",
        failed(
            "the leaf is its own authority, and must be replaced on every node when it is renewed",
            "CN=harbor.corp.example, self-signed, CA:TRUE",
            fix="have it signed by a CA, and give that CA to TKG",
        ),
    ),
    ("TLS-7", "it speaks TLS 1.2", "", passed("TLS 1.2 and 1.3, ECDHE with AES-GCM")),
    ("TLS-8", "the CA variable is well formed", "", skipped("no cluster configuration names one")),
    ("CLK-1", "its clock agrees", "", passed("0.4 s behind this machine")),
    ("API-1", "it speaks the distribution API", "", passed("GET /v2/ answered 401 registry/2.0")),
    ("API-2", "its product is known", "", passed("Harbor v2.9.5, since /api/v2.0/ping said Pong")),
    (
        "API-3",
        "it sends logins well",
        "R4",
        passed("realm https://harbor.corp.example:8443/service"),
    ),
    (
        "REG-1",
        "everybody may pull",
        "R4",
        failed(
            "the project tkg is private: docker, containerd, imgpkg and crane are all refused",
            'GET /v2/tkg/tkg-bom/manifests/v1.6.0, anonymous token: 401 Basic realm="harbor"',
            fix="make the project public: Harbor > Projects > tkg > Configuration > Public",
        ),
    ),
    ("REG-2", "nobody else may push", "", passed("an anonymous push is refused with 401")),
    (
        "REG-3",
        "the login is good",
        "",
        untold("no login was given", fix="log in with docker login, or give --username"),
    ),
    ("REG-4", "the login may push", "", untold(_NO_TIME)),
    ("REG-5", "the project is there", "R4", untold(_NO_TIME)),
    ("REG-6", "it takes writes", "", untold(_NO_TIME)),
    ("REG-7", "there is room", "", untold(_NO_TIME)),
    (
        "REG-8",
        "no policy stops a pull",
        "",
        passed("neither content trust nor vulnerability gates"),
    ),
    ("REG-9", "no rule removes or locks tags", "", passed("no retention and no immutable tags")),
    ("REG-10", "its parts are healthy", "", passed("9 components are healthy")),
    (
        "IMG-1",
        "every image is there",
        "R5",
        failed(
            "23 of 87 images are missing",
            _MISSING,
            fix="tkg-mirror bundle push tkg.tar harbor.corp.example:8443/tkg --ca-file ca.pem",
        ),
    ),
    ("IMG-2", "digests are equal", "R5", passed("64 images have the digests of tkg.tar")),
    ("IMG-3", "every platform is there", "R5", passed("3 indexes, 7 manifests")),
    ("IMG-4", "every blob is there", "R5", passed("295 blobs, 1.8 MiB")),
    ("IMG-5", "members of bundles are there", "R5", passed("14 members of 3 imgpkg bundles")),
    ("TKG-1", "it is outside TKG", "R1", passed("you vouch for it (--attest outside-tkg)")),
    (
        "TKG-2",
        "the repository is this one",
        "",
        failed(
            "TKG_CUSTOM_IMAGE_REPOSITORY names another registry",
            "prod.yaml:12: https://harbor.old.example/tkg",
            fix="TKG_CUSTOM_IMAGE_REPOSITORY: harbor.corp.example:8443/tkg",
        ),
    ),
    ("TKG-3", "the CA variable is this CA", "R3", passed("prod.yaml:13 is the CA of ca.pem")),
    ("TKG-4", "networks do not overlap", "", passed("100.96.0.0/11 and 100.64.0.0/13")),
    ("TKG-5", "load balancers are internal", "", passed("AWS_LOAD_BALANCER_SCHEME_INTERNAL: true")),
    ("AWS-1", "AWS endpoints are private", "", skipped(_NO_AWS, fix="give --aws-region REGION")),
    ("AWS-2", "there are three zones", "", skipped(_NO_AWS, fix="give --aws-region REGION")),
)


def finding(
    name: str, verdict: Verdict, *, requirement: str = "", waived: str = "", title: str = "a title"
) -> Finding:
    """One finding, counted as rules would count it."""
    check = Check(name, title, lambda _scene: verdict, requirement)
    return Finding(check, verdict, Status.WARN if waived else verdict.status, waived)


def examination(*findings: Finding, attested: str = "outside-tkg") -> Examination:
    """One of these findings, or else of a registry with a bit of everything."""
    waivers = {each.check.id: each.waived for each in findings if each.waived}
    notices: tuple[str, ...] = ()
    if not findings:
        findings = tuple(
            finding(name, verdict, requirement=requirement, title=title)
            for name, title, requirement, verdict in _ROWS
        )
        findings = tuple(_as_ruled(each) for each in findings)
        waivers = {"TLS-6": WAIVED, "NET-4": "IPv6 is on its way"}
        notices = ("nothing had to be waived for NET-4",)
    return Examination(
        REGISTRY, findings, 3.21, 57, waivers, frozenset([attested] * bool(attested)), notices
    )


def _as_ruled(each: Finding) -> Finding:
    """TLS-6 is waived, and TLS-4 a warning that --strict counts as a failure."""
    if each.check.id == "TLS-6":
        return Finding(each.check, each.verdict, Status.WARN, WAIVED)
    if each.check.id == "TLS-4":
        return Finding(each.check, each.verdict, Status.FAIL)
    return each
