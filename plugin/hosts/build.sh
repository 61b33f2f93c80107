#!/usr/bin/env bash
# Builds the hosts' packages from this checkout: build.sh [go|javascript|python]…, all of them by default.
#   go          plugin/hosts/go, which embeds the module
#   javascript  target/hosts/image-factory-VERSION.tgz
#   python      target/hosts/image_factory-VERSION-py3-none-any.whl
# It needs Rust's stable toolchain, and npm or Python for their packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(cd ../.. && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
packages=$root/target/hosts
mkdir -p "$packages"

(($#)) || set -- go javascript python
cargo build --quiet --package image-factory
module=$target/module/wasm32-unknown-unknown/wasm/image_factory.wasm

for host in "$@"; do
  case $host in
    go)
      cp "$module" go/plugin.wasm
      ;;
    javascript)
      cargo run --quiet --package image-factory-npm
      cp "$root/LICENSE" javascript/
      (cd javascript && npm pack --silent --pack-destination "$packages")
      ;;
    python)
      cp "$module" python/src/image_factory/plugin.wasm
      cp "$root/LICENSE" python/
      rm -rf python/build
      python3 -m venv "$target/hosts-python"
      "$target/hosts-python/bin/python" -m pip wheel --quiet --no-deps --wheel-dir "$packages" ./python
      ;;
    *)
      echo "there is no host \`$host\`; try go, javascript or python" >&2
      exit 2
      ;;
  esac
done
