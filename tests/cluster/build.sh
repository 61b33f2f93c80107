#!/usr/bin/env bash
# Builds what the cluster test runs: kube-apiserver, kube-controller-manager, the Rollouts controller,
# Argo CD and kustomize from their Go modules, Kargo from a checkout (its go.mod points at modules of its
# own that no proxy serves). About twenty minutes and 8 GB of caches on two cores; later runs find the
# programs and are done at once.
#
#   KARGO_SRC     a checkout of akuity/kargo at v1.11.2; cloned where it is not given
#   CLUSTER_HOME  where all of it goes [~/.cache/image-factory-cluster]
set -euo pipefail
home=${CLUSTER_HOME:-$HOME/.cache/image-factory-cluster}
kubernetes=v1.34.4 rollouts=v1.9.1 kargo=v1.11.2
# As tests/argocd, and the kustomize that this Argo CD's image holds.
argocd=v3.5.3 gitops_engine=v0.0.0-20260914071520-c9c369efcc5b kustomize=v5.8.1
bin=$home/bin
mkdir -p "$bin"
export CGO_ENABLED=0

skip() { echo "skipped: $*" >&2; exit 77; }
command -v go >/dev/null || skip "the cluster test needs Go"
command -v jq >/dev/null || skip "the cluster test needs jq"

# A module of our own that needs one program of another module, with that module's own replacements.
# What a module replaces by a folder of its own (Kubernetes' staging modules) is published beside it, as
# v0 of the same number or as the version that is given.
program() { # module version package output [linker's flags] [version of the folders]
  local module=$1 version=$2 package=$3 output=$4 folder=$home/build/$4 source
  [ -x "$bin/$output" ] && return
  mkdir -p "$folder"
  source=$(cd "$folder" && go mod download -json "$module@$version" | jq -r .Dir)
  (
    cd "$folder"
    {
      echo "module build"
      echo "go $(go mod edit -json "$source/go.mod" | jq -r .Go)"
      echo "require $module $version"
      go mod edit -json "$source/go.mod" | jq -r '.Require[] | "require \(.Path) \(.Version) // indirect"'
      go mod edit -json "$source/go.mod" | jq -r --arg beside "${6:-v0.${version#v1.}}" \
        '.Replace[]? | "replace \(.Old.Path) => \(if .New.Version then .New.Path else .Old.Path end) \(.New.Version // $beside)"'
    } | sed '/k8s.io\/[a-z-]* v0.0.0 /d' >go.mod
    cp "$source/go.sum" go.sum
    GOFLAGS=-mod=mod go build -ldflags "-s -w ${5:-}" -o "$bin/$output" "$package"
  )
}

of_kubernetes="-X k8s.io/component-base/version.gitVersion=$kubernetes -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34"
program k8s.io/kubernetes $kubernetes k8s.io/kubernetes/cmd/kube-apiserver kube-apiserver "$of_kubernetes"
program k8s.io/kubernetes $kubernetes k8s.io/kubernetes/cmd/kube-controller-manager kube-controller-manager "$of_kubernetes"
program github.com/argoproj/argo-rollouts $rollouts github.com/argoproj/argo-rollouts/cmd/rollouts-controller rollouts-controller
if [ ! -d "$home/crds/rollouts" ]; then
  source=$(go mod download -json github.com/argoproj/argo-rollouts@$rollouts | jq -r .Dir)
  mkdir -p "$home/crds/rollouts"
  cp "$source"/manifests/crds/*-crd.yaml "$home/crds/rollouts/"
fi
if [ ! -x "$bin/kargo" ] || [ ! -x "$bin/kargo-cli" ] || [ ! -d "$home/crds/kargo" ]; then
  source=${KARGO_SRC:-$home/src/kargo}
  if [ ! -d "$source" ]; then
    git clone -q --depth 1 -b $kargo https://github.com/akuity/kargo "$source" ||
      skip "there is no checkout of Kargo $kargo, and it cannot be cloned: set KARGO_SRC"
  fi
  (cd "$source" && go build -ldflags "-s -w -X github.com/akuity/kargo/pkg/x/version.version=$kargo" \
    -o "$bin/kargo" ./cmd/controlplane && go build -ldflags "-s -w" -o "$bin/kargo-cli" ./cmd/cli)
  mkdir -p "$home/crds/kargo"
  cp "$source"/charts/kargo/resources/crds/*.yaml "$home/crds/kargo/"
  cp "$source"/charts/kargo/templates/kubernetes-webhooks-server/webhooks.yaml "$home/crds/webhooks.yaml"
fi
# Only the part `walk` runs Argo CD, so that part alone is skipped without it.
if program sigs.k8s.io/kustomize/kustomize/v5 $kustomize sigs.k8s.io/kustomize/kustomize/v5 kustomize &&
  program github.com/argoproj/argo-cd/v3 $argocd github.com/argoproj/argo-cd/v3/cmd argocd \
    "-X github.com/argoproj/argo-cd/v3/common.version=${argocd#v}" $gitops_engine; then
  if [ ! -f "$home/argocd/install.yaml" ]; then
    source=$(go mod download -json github.com/argoproj/argo-cd/v3@$argocd | jq -r .Dir)
    mkdir -p "$home/argocd"
    install "$source/hack/git-verify-wrapper.sh" "$bin/"
    install -m 644 "$source/manifests/install.yaml" "$home/argocd/"
  fi
else
  echo "skipped: the part walk, since Argo CD $argocd cannot be built" >&2
fi
for program in etcd docker-registry; do
  command -v $program >/dev/null || skip "the cluster test needs $program (Debian: etcd-server, docker-registry)"
done
