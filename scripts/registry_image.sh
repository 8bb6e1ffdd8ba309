#!/bin/sh
# Makes the image registry:2 out of the docker-registry program of this machine, for places where no
# other registry can be reached. It needs a running docker engine and no network.
#
#   scripts/registry_image.sh [NAME]
set -eu

name=${1:-registry:2}
program=$(command -v docker-registry) || {
    echo "docker-registry is not on PATH: apt-get install docker-registry" >&2
    exit 1
}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir -p "$root/bin" "$root/etc/docker/registry" "$root/var/lib/registry" "$root/tmp"
cp -L "$program" "$root/bin/registry"
# The program and the libraries it names, each at the path it is looked for. A static one names none.
{ ldd "$program" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
cat > "$root/etc/docker/registry/config.yml" <<CONFIG
version: 0.1
storage:
  filesystem:
    rootdirectory: /var/lib/registry
  delete:
    enabled: true
http:
  addr: :5000
CONFIG

# An import and not a build: it takes a tar as it is, and asks neither BuildKit nor a base image.
tar -C "$root" --owner=0 --group=0 -c . | docker import \
    --change 'ENTRYPOINT ["/bin/registry"]' \
    --change 'CMD ["serve", "/etc/docker/registry/config.yml"]' \
    --change 'EXPOSE 5000' \
    --change 'VOLUME /var/lib/registry' \
    - "$name" >/dev/null
echo "made $name from $program"
