#!/usr/bin/env bash
# `image-factory krm` as a generator of the real kustomize, from the PATH: it builds what `generate` prints.
set -euo pipefail
program=$(realpath "$1")
sample=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../image-factory" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$sample" "$work/image-factory"
cd "$work"
printf 'generators:\n  - factory.yaml\n' >kustomization.yaml
cat >factory.yaml <<YAML
apiVersion: image-factory.dev/v1
kind: Generate
metadata:
  name: factory
  annotations:
    config.kubernetes.io/function: |
      exec: {path: $program, args: [krm]}
spec:
  dir: image-factory
YAML
build() { kustomize build --enable-alpha-plugins --enable-exec .; }
objects() { python3 -c 'import json, sys, yaml; print(json.dumps(sorted(map(repr, (json.dumps(it, sort_keys=True) for it in yaml.safe_load_all(sys.stdin) if it)))))'; }
build >built.yaml
"$program" generate image-factory >printed.yaml
[ "$(objects <built.yaml)" = "$(objects <printed.yaml)" ] || { diff built.yaml printed.yaml; exit 1; }
echo "kustomize builds $(grep -c '^kind:' built.yaml) objects, as generate prints them"

# A mistake fails the build, and kustomize shows where it is.
echo '- nmae: a' >image-factory/images.yaml
if build >/dev/null 2>errors.txt; then echo "a wrong images.yaml was built" >&2; exit 1; fi
grep -q 'images.yaml:1' errors.txt || { cat errors.txt; exit 1; }
echo "a mistake fails the build with its place"
