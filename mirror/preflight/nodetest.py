"""One line of shell that asks, on a TKG node, what only a node can tell.

Preflight proves what it sees from where it runs. A node has another resolver, other routes and
another trust store. The line needs a POSIX shell, curl and openssl, which the images of TKG's nodes
have (Photon, Ubuntu, Amazon Linux), and leaves nothing behind. It has no login and asks for none.
"""

from __future__ import annotations

import base64
import shlex

from mirror.errors import InputFault
from mirror.preflight.cluster import ClusterConfig
from mirror.preflight.scene import Awaited, Question, Target
from mirror.registry.tls import certificates
from mirror.registry.wire import ACCEPT_MANIFESTS
from mirror.tkg import CA

# Asked for where no image is known: the first one that an installation pulls.
_FIRST = "tkg-compatibility"
_PROXY_CA = "TKG_PROXY_CA_CERT"

# Arguments: 1 URL, 2 host, 3 host:port, 4 CAs as base64 of PEM or nothing, 5 repository,
# 6 tag or digest, 7 types of manifests. No single quote, as the whole is put into a pair of them.
#
# curl's exit code says which of resolving (6), connecting (7) and TLS failed; -q and --noproxy
# keep out what a person's ~/.curlrc and environment say, since containerd does not read them. The
# node's own trust is put before the CAs: to curl, --cacert is instead of that, to TKG besides.
# What the registry said is printed as ASCII alone: it may hold escapes of terminals. A realm of its
# is given as --url: one that begins with a dash would be an option of curl.
_SCRIPT = r"""
umask 077; unset CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR;
t=$(mktemp -d) || exit 1; trap "rm -rf \"$t\"" EXIT; trap "exit 1" HUP INT TERM;
say() { printf "%s\n" "$*" | tr -cd "\12\40-\176"; };
no() { say "FAIL: $*"; exit 1; };
err() { tr "\n" " " <"$t/err"; };
get() {
 u=$1; shift;
 got=$(curl -q -g -sS --noproxy "*" --proto "=${u%%:*}" --connect-timeout 10 --max-time 30
 ${ca:+--cacert "$ca"} -D "$t/head" -o "$t/body" -w "%{http_code} %{remote_ip}" --url "$u" "$@"
 2>"$t/err");
 rc=$?; code=${got%% *}; return $rc;
};
field() {
 tr -d "\r" <"$t/head" | sed -n "s/^[Ww][Ww][Ww]-[Aa]uthenticate: *[Bb]earer //p" | head -n 1
 | sed -n "s/^\(.*[ ,]\)\{0,1\}$1=\"\{0,1\}\([^\",]*\).*/\2/p";
};
for c in curl openssl; do command -v $c >/dev/null || no "this node has no $c"; done;
ca=;
if [ -n "$4" ]; then
 ca=$t/ca;
 cat /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt >"$ca" 2>/dev/null;
 printf %s "$4" | openssl base64 -d -A >>"$ca" || no "the CA does not decode";
fi;
get "$1/v2/";
case $rc in
 0) ;;
 6) no "this node does not resolve $2: $(err)";;
 7) no "this node does not connect to $3: $(err)";;
 28) no "this node gets no answer from $3 in time: $(err)";;
 35|51|58|60|77|83)
 say "$3 presents: $(timeout 10 openssl s_client -connect "$3" -servername "$2" </dev/null
 2>/dev/null | openssl x509 -noout -subject -issuer -enddate 2>/dev/null | tr "\n" " ")";
 no "this node and $3 do not agree on TLS: $(err)";;
 *) no "no answer from $1/v2/: $(err)";;
esac;
say "ok: this node connects to $3 at ${got#* }, which answers $code";
auth="X-Node-Test: 1";
if [ "$code" = 401 ]; then
 realm=$(field realm); service=$(field service);
 [ -n "$realm" ] || no "$3 asks for a login, and nodes have none";
 get "$realm" -G --data-urlencode "service=$service"
 --data-urlencode "scope=repository:$5:pull" --proto "=${1%%:*}"
 || no "no answer from the token service at $realm: $(err)";
 token=;
 for n in token access_token; do
 [ -n "$token" ] || token=$(tr -d "\n" <"$t/body"
 | sed -n "s/.*\"$n\" *: *\"\([^\"]*\)\".*/\1/p");
 done;
 [ -n "$token" ] || no "the token service at $realm gives nobody a token without a login: $code";
 say "ok: this node gets a token without a login";
 auth="Authorization: Bearer $token";
elif [ "$code" != 200 ]; then
 no "$1/v2/ answers $code, which is not what a registry says";
fi;
get "$1/v2/$5/manifests/$6" -H "$auth" -H "Accept: $7" || no "no answer for $5: $(err)";
case $code in
 200) grep -q schemaVersion "$t/body" || no "$3 answers for $5 $6 with what is no image";
 say "PASS: this node can pull $3/$5";;
 404) say "PASS: this node may pull from $3, which has no $5 $6 yet";;
 401|403) no "$3 gives $5 to nobody without a login: $code";;
 *) no "$3 answers $code for $5 $6";;
esac
"""


def command(question: Question) -> str:
    """The line for one registry; raises InputFault for CAs that are none.

    What it pulls is the first image that is expected, or what an installation begins with.
    """
    target, scheme = question.target, "http" if question.access.plain_http else "https"
    image = question.expected.images[0] if question.expected and question.expected.images else None
    repository, name = _asked(target, image)
    arguments = (
        f"{scheme}://{target.authority}",
        target.host,
        _authority(target),
        base64.b64encode(_authorities(question)).decode("ascii"),
        repository,
        name,
        ACCEPT_MANIFESTS,
    )
    script = " ".join(_SCRIPT.split())
    return shlex.join(("sh", "-c", script, "node-test", *arguments))


def _authority(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{host}:{target.port}"


def _asked(target: Target, image: Awaited | None) -> tuple[str, str]:
    if image is None:
        return target.repository(_FIRST), "latest"
    return target.repository(image.path), str(image.tag or image.digest)


def _authorities(question: Question) -> bytes:
    """PEM of the CAs that were named, else of those that TKG would be given by the file.

    Of certificates alone: whatever else stands beside them in a file goes nowhere. A proxy's CA
    takes the place of the registry's (providers/ytt/lib/helpers.star, tkg_image_repo_ca_cert).
    """
    files = question.access.tls.ca_files
    if files:
        return b"".join(certificates(path, pem=True) for path in files)
    config = question.cluster or ClusterConfig("", {})
    name = _PROXY_CA if config.get(_PROXY_CA) else CA
    return _decoded(config, name) if config.get(name) else b""


def _decoded(config: ClusterConfig, name: str) -> bytes:
    # Imported here: cryptography is needed only where there is a CA.
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        pem = base64.b64decode(config.get(name), validate=True)
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        fact = f"{config.place(name)}: {name} is no base64 of PEM in one line"
        hint = f"write {name}: and what base64 -w0 FILE prints"
        raise InputFault("not a CA", fact=fact, hint=hint) from None
    return b"".join(each.public_bytes(Encoding.PEM) for each in found)
