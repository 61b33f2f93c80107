#!/usr/bin/env bash
# Builds the packages of all hosts from this checkout, makes the conformance kit, and runs the tests and
# the pages of each host. What a machine lacks comes from its package manager and the languages' own;
# what cannot be had is skipped with a word.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(cd ../.. && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
kustomize=sigs.k8s.io/kustomize/kustomize/v5@v5.7.1

reachable() { # from the registries of all three languages
  npm view --silent esbuild version && python3 -m pip index versions pytest && go list -m $kustomize
}
(cd go && reachable) >/dev/null 2>&1 || { echo "skipped: the hosts' tests need npm, PyPI and Go's module proxy" >&2; exit 0; }

lacking=()
command -v chromium >/dev/null || lacking+=(chromium)
python3 -c 'import ensurepip' 2>/dev/null || lacking+=(python3-venv)
python3 -c 'import yaml' 2>/dev/null || lacking+=(python3-yaml)
if ((${#lacking[@]})); then
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${lacking[@]}" >/dev/null; } ||
    { echo "skipped: the hosts' tests need ${lacking[*]}" >&2; exit 0; }
fi

./build.sh
cargo run --quiet --package image-factory-harness --example kit -- "$target/kit"
cp go/plugin.wasm "$target/kit/"
export IMAGE_FACTORY_KIT=$target/kit

echo "== Go"
(cd go && go vet ./... && go test -count=1 ./...)

echo "== JavaScript"
(cd javascript && npm ci --silent --no-audit --no-fund && npm run --silent types && npm test)

echo "== Python"
python=$target/hosts-python/bin/python
"$python" -m pip install --quiet --force-reinstall --no-deps "$root"/target/hosts/image_factory-*.whl
"$python" -m pip install --quiet wasmtime extism jsonschema mypy pytest
(cd python && "$python" -m mypy src && "$python" -m pytest -q tests)

echo "== playground"
(cd playground && npm ci --silent --no-audit --no-fund && npm run --silent build && npm test)

echo "== kustomize"
GOBIN=$target/hosts-bin go install $kustomize
export PATH=$target/hosts-bin:$PATH
./krm.sh "$target/debug/image-factory"

echo "== pages"
python3 pages.py plugin/hosts/{go,javascript,python,rust}/README.md docs/embedding.md#without-code-a-krm-function
