#!/usr/bin/env bash
# The main job on this sample: analyze the Dockerfiles of its managed images, then render Warehouses.
#
# The two source repositories stand in sources/. Here they become local git repositories, and git is
# told to find github.com and gitlab.com there, so the whole path runs without the internet.
# Nothing outside a temporary folder is written.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo build --quiet --manifest-path "$root/Cargo.toml" --package image-factory
factory=${CARGO_TARGET_DIR:-$root/target}/debug/image-factory

for host in github.com/acme/shop gitlab.com/acme/platform; do
  repository=$work/git/$host.git
  mkdir -p "$repository"
  cp -R "$here/sources/acme/${host##*/}/." "$repository"
  git -C "$repository" init --quiet --initial-branch=main
  git -C "$repository" add --all
  git -C "$repository" -c user.name=sample -c user.email=sample@example.com commit --quiet --message=sample
done
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.file://$work/git/.insteadOf" GIT_CONFIG_VALUE_0=https://

mkdir "$work/factory"
cp "$here/images.yaml" "$here/factory.yaml" "$work/factory"

echo "== image-factory analyze --all" >&2
"$factory" analyze --all "$work/factory"
echo "== state" >&2
(cd "$work/factory" && find state -type f | sort) >&2
echo "== image-factory generate" >&2
"$factory" generate "$work/factory"
