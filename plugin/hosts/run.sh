#!/usr/bin/env bash
# Builds the packages of all hosts from this checkout, makes the conformance kit, and runs the tests of
# each host on it. What is missing on a machine is installed by the languages' own package clients.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(cd ../.. && pwd)
target=${CARGO_TARGET_DIR:-$root/target}

cargo build --quiet --package image-factory
module=$target/module/wasm32-unknown-unknown/wasm/image_factory.wasm
cp "$module" go/plugin.wasm
cp "$module" python/src/image_factory/plugin.wasm
cargo run --quiet --package image-factory-harness --example kit -- "$target/kit"
export IMAGE_FACTORY_KIT=$target/kit/kit.jsonl

echo "== Go"
(cd go && go vet ./... && go test ./...)

echo "== JavaScript"
cargo run --quiet --package image-factory-npm
(cd javascript && npm install --silent --no-audit --no-fund && npm run --silent types && npm test)

echo "== Python"
python3 -m venv "$target/hosts-python"
python=$target/hosts-python/bin/python
rm -rf python/dist python/build
"$python" -m pip wheel --quiet --no-deps --wheel-dir python/dist ./python
"$python" -m pip install --quiet --force-reinstall --no-deps python/dist/*.whl
"$python" -m pip install --quiet wasmtime extism jsonschema mypy pytest
(cd python && "$python" -m mypy src && "$python" -m pytest -q tests)

echo "== kustomize"
GOBIN=$target/hosts-bin go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
KUSTOMIZE=$target/hosts-bin/kustomize ./krm.sh "$target/debug/image-factory"

echo "== playground"
command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }
(cd playground && npm install --silent --no-audit --no-fund && npm run --silent build && npm test)
