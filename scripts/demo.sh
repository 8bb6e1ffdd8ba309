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

step "A source registry with one made-up image for every reference of the sample BOMs"
registry source
source=$host
boms=(--bom scripts/samples/tkg-bom-v0.9.0.yaml --bom "scripts/samples/tkr-bom-v1.30.1+example.1-tkg.1.yaml")
"$bin/python" -m scripts.world --registry "$source" --prefix tkg --mb 40 \
    --bom scripts/samples/tkg-bom-*.yaml scripts/samples/tkr-bom-*.yaml
where=(--source-repo "$source/tkg" --rewrite "registry.example.com/extra=$source/extra" --plain-http)

step "The connected side: what would move, then one file with all of it"
run "$bin/tkg-mirror" bundle plan "${boms[@]}" "${where[@]}"
run "$bin/tkg-mirror" bundle create "${boms[@]}" "${where[@]}" -o "$work/tkg.tar"
run "$bin/tkg-mirror" bundle verify "$work/tkg.tar"
run "$bin/tkg-mirror" bundle show "$work/tkg.tar"

step "The offline side: an empty registry, a push, and a second push that moves nothing"
registry private
run "$bin/tkg-mirror" bundle push "$work/tkg.tar" "$host/air/gap" --plain-http
run "$bin/tkg-mirror" bundle push "$work/tkg.tar" "$host/air/gap" --plain-http

step "A stranger to this tool pulls one image back"
run skopeo copy --quiet --src-tls-verify=false "docker://$host/air/gap/pause:3.10" "dir:$work/pause"
there=$(skopeo inspect --tls-verify=false --raw "docker://$source/tkg/pause:3.10" | sha256sum)
here=$(sha256sum <"$work/pause/manifest.json")
[ "$there" = "$here" ] || { echo "pause:3.10 is not what the source has"; exit 1; }
echo "pause:3.10 is byte for byte what the source has: sha256:${here%% *}"
