"""A preflight of a registry that is nearly fit: the sample that the README shows.

    python -m scripts.preflight_sample --bundle tkg.tar --cluster-config prod.yaml --ca-file ca.pem

All arguments go to `tkg-mirror preflight registry.internal/tkg`, which runs in a folder with these
three files. The registry is a real one with TLS on 10.20.0.7, and a name server knows it, both in
a network namespace that ends with the command; making one needs root. One image is not there, and
the API server's load balancer would face the internet.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from scripts.world.process import die_with_parent
from scripts.world.registry import PROGRAM, Registry
from scripts.world.seed import seed_world

ROOT = Path(__file__).parent.parent
NAME, ADDRESS, NAME_SERVER = "registry.internal", "10.20.0.7", "10.20.0.2"
MISSING = "tkg/etcd"

_SERVICE = f"""\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: STORAGE}}}}
http: {{addr: '{ADDRESS}:443', tls: {{certificate: cert.pem, key: key.pem}}}}
"""
# Everything that the design asks for, but for AWS_LOAD_BALANCER_SCHEME_INTERNAL.
_CLUSTER = f"""\
CLUSTER_NAME: management
CLUSTER_PLAN: prod
INFRASTRUCTURE_PROVIDER: aws
AWS_REGION: us-west-2
AWS_VPC_ID: vpc-0a1b2c3d4e5f60718
AWS_NODE_AZ: us-west-2a
AWS_NODE_AZ_1: us-west-2b
AWS_NODE_AZ_2: us-west-2c
AWS_VPC_CIDR: 10.20.0.0/16
AWS_PUBLIC_SUBNET_ID: ""
AWS_PUBLIC_SUBNET_ID_1: ""
AWS_PUBLIC_SUBNET_ID_2: ""
AWS_PRIVATE_SUBNET_ID: subnet-0a1b2c3d4e5f60711
AWS_PRIVATE_SUBNET_ID_1: subnet-0a1b2c3d4e5f60712
AWS_PRIVATE_SUBNET_ID_2: subnet-0a1b2c3d4e5f60713
IDENTITY_MANAGEMENT_TYPE: ldap
LDAP_HOST: ldap.internal:636
TKG_CUSTOM_IMAGE_REPOSITORY: {NAME}/tkg
TKG_CUSTOM_IMAGE_REPOSITORY_CA_CERTIFICATE: CA
"""
_KEY = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
_AUTHORITY = (
    f"{_KEY} -days 3650 -keyout ca.key -out ca.pem -subj /CN=CA"
    " -addext keyUsage=critical,keyCertSign,cRLSign"
)
_CERTIFICATE = (
    f"{_KEY} -days 365 -CA ca.pem -CAkey ca.key -keyout key.pem -out cert.pem -subj /CN={NAME}"
    f" -addext subjectAltName=DNS:{NAME} -addext extendedKeyUsage=serverAuth"
    " -addext basicConstraints=critical,CA:FALSE -addext authorityKeyIdentifier=keyid"
)


def main() -> None:
    """Make the world on loopback, and go on with it in a namespace."""
    if sys.argv[1:2] == ["--inside"]:
        sys.exit(_inside(sys.argv[2:]))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _prepare(work)
        line = ["unshare", "--net", "--mount", sys.executable, "-m", "scripts.preflight_sample"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([*line, "--inside", *sys.argv[1:]], cwd=work, env=environment)
        sys.exit(done.returncode)


def _prepare(work: Path) -> None:
    """A bundle, a storage that it was pushed into, certificates and a cluster configuration."""
    boms = sorted((ROOT / "scripts" / "samples").glob("tk*-bom-*.yaml"))
    bundle = str(work / "tkg.tar")
    with Registry() as source, Registry(work / "storage") as registry:
        seed_world(source.url, boms, prefix="tkg", megabytes=1)
        inputs = [*(f"--bom={bom}" for bom in boms), f"--source-repo={source.host}/tkg"]
        moved = f"--rewrite=registry.example.com/extra={source.host}/extra"
        _mirror("bundle", "create", *inputs, moved, "--plain-http", "-o", bundle)
        _mirror("bundle", "push", bundle, f"{registry.host}/tkg", "--plain-http")
    shutil.rmtree(work / "storage/docker/registry/v2/repositories" / MISSING)
    for line in (_AUTHORITY, _CERTIFICATE):
        subprocess.run(line.split(), cwd=work, check=True, capture_output=True)
    authority = base64.b64encode((work / "ca.pem").read_bytes()).decode()
    (work / "prod.yaml").write_text(_CLUSTER.replace("CA\n", f"{authority}\n"))
    (work / "service.yml").write_text(_SERVICE.replace("STORAGE", str(work / "storage")))
    (work / "resolv.conf").write_text(f"nameserver {NAME_SERVER}\n")
    (work / "hosts").write_text("127.0.0.1 localhost\n")


def _mirror(*arguments: str) -> None:
    line = [sys.executable, "-m", "mirror", *arguments]
    subprocess.run(line, cwd=ROOT, check=True, capture_output=True)


def _inside(arguments: list[str]) -> int:
    """In the namespace: addresses, a name server, the registry, and the preflight itself."""
    for line in (
        "ip link set lo up",
        f"ip address add {ADDRESS}/24 dev lo",
        f"ip address add {NAME_SERVER}/24 dev lo",
        "mount --bind resolv.conf /etc/resolv.conf",
        "mount --bind hosts /etc/hosts",
    ):
        subprocess.run(line.split(), check=True)
    threading.Thread(target=_answer_names, daemon=True).start()
    program = [PROGRAM, "serve", "service.yml"]
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(
        program, stdout=nowhere, stderr=nowhere, preexec_fn=die_with_parent()
    ) as registry:
        _wait_for_it()
        command = [sys.executable, "-m", "mirror", "preflight", f"{NAME}/tkg", *arguments]
        code = subprocess.run(command).returncode
        registry.terminate()
    return code


def _wait_for_it() -> None:
    line = ["openssl", "s_client", "-connect", f"{ADDRESS}:443"]
    for _attempt in range(200):
        if subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0:
            return
    sys.exit("the registry does not answer")


def _answer_names() -> None:
    """One A record, and no other name in the world."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((NAME_SERVER, 53))
        while True:
            asked, who = server.recvfrom(4096)
            query = dns.message.from_wire(asked)
            answer = dns.message.make_response(query)
            question = query.question[0]
            if question.name.to_text() != f"{NAME}.":
                answer.set_rcode(dns.rcode.NXDOMAIN)
            elif question.rdtype == dns.rdatatype.A:
                answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", ADDRESS))
            server.sendto(answer.to_wire(), who)


if __name__ == "__main__":
    main()
