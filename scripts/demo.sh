#!/usr/bin/env bash
# The whole journey on one machine: a made-up source registry, one bundle, a second registry.
# Usage: scripts/demo.sh BIN, where BIN holds python and tkg-mirror.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$1
work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

run() { printf '\n$ %s\n' "$*"; "$@"; }
step() { printf '\n== %s\n' "$1"; }

# Starts a registry on a port of its own choice and leaves its address in $host.
registry() {
    "$bin/python" -m scripts.world.registry --storage "$work/$1" --port 0 >"$work/$1.out" &
    pids+=($!)
    until host=$(grep -om1 '127\.0\.0\.1:[0-9]*' "$work/$1.out"); do
        kill -0 "${pids[-1]}" || exit 1
        sleep 0.1
    done
}

step "A source registry with a made-up TKG release: BOMs, package bundles, signatures, Windows images"
registry source
source=$host
"$bin/python" -m scripts.world.tkg --registry "$source" --list "$work/expected.json"
# One image of its BOM names a registry that is no more.
where=(--source-repo "$source/tkg" --rewrite "projects.registry.vmware.com/tkg=$source/tkg" --plain-http)
release=(--tkg-version v1.6.0 --tkr v1.23.8+vmware.2-tkg.1)

step "What BOM files say"
boms=(scripts/samples/tkg-bom-*.yaml scripts/samples/tkr-bom-*.yaml)
run "$bin/tkg-mirror" bom images "${boms[@]}"

step "The connected side: what would move, then one file with all of it"
run "$bin/tkg-mirror" bundle plan "${release[@]}" "${where[@]}"
run "$bin/tkg-mirror" bundle create "${release[@]}" "${where[@]}" -o "$work/tkg.tar"
run "$bin/tkg-mirror" bundle verify "$work/tkg.tar"
run "$bin/tkg-mirror" bundle show "$work/tkg.tar"

step "The offline side: an empty registry, a push, and a second push that moves nothing"
registry private
run "$bin/tkg-mirror" bundle push "$work/tkg.tar" "$host/air/gap" --plain-http
run "$bin/tkg-mirror" bundle push "$work/tkg.tar" "$host/air/gap" --plain-http

step "A stranger to this tool pulls one image back"
run skopeo copy --quiet --src-tls-verify=false "docker://$host/air/gap/etcd:v3.5.4_vmware.6" "dir:$work/etcd"
there=$(skopeo inspect --tls-verify=false --raw "docker://$source/tkg/etcd:v3.5.4_vmware.6" | sha256sum)
here=$(sha256sum <"$work/etcd/manifest.json")
[ "$there" = "$here" ] || { echo "etcd is not what the source has"; exit 1; }
echo "etcd is byte for byte what the source has: sha256:${here%% *}"
