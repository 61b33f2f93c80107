package argocd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/sync/common"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/argo-cd/gitops-engine/pkg/utils/kube/kubetest"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

// What is applied is remembered, and no more is done with it.
type applying struct {
	kubetest.MockKubectlCmd
	to kubetest.MockResourceOps
}

func (a *applying) ManageResources(*rest.Config) (kube.ResourceOperations, func(), error) {
	return &a.to, func() {}, nil
}

// Argo CD's own sync, with our health checks, where the Warehouse of one image fails: all that belongs to
// another image is applied, and the sync ends. Were the other image's objects in a later wave, they would
// wait for ever.
func TestAFailingWarehouseHoldsBackNoOtherImage(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "factory.yaml", "pipelines: true\ngit: {url: https://github.com/acme/factory.git, branch: main}\n")
	write(t, dir, "images.yaml", `- {name: postgres, registry: docker.io, repository: library/postgres, allowTags: ^17$}
- name: web
  registry: ghcr.io
  repository: acme/web
  source: {provider: github, repo: acme/web, branch: main, workflow: build.yml}
`)
	printed, err := exec.Command(program(t), "generate", "--output", "json", dir).Output()
	must(t, err)
	for _, waves := range []bool{false, true} {
		t.Run(fmt.Sprintf("waves=%t", waves), func(t *testing.T) { syncBesideAFailure(t, printed, waves) })
	}
}

func syncBesideAFailure(t *testing.T, printed []byte, waves bool) {
	var objects sync.ReconciliationResult
	web := 0
	failing := false
	for decoder := json.NewDecoder(bytes.NewReader(printed)); ; {
		target := &unstructured.Unstructured{}
		if err := decoder.Decode(&target.Object); err == io.EOF {
			break
		} else {
			must(t, err)
		}
		target.SetNamespace("image-factory")
		var live *unstructured.Unstructured
		if target.GetKind() == "Warehouse" && target.GetName() == "postgres" {
			failing = true
			live = target.DeepCopy()
			live.Object["status"] = map[string]any{"conditions": []any{
				map[string]any{"type": "Healthy", "status": "False", "reason": "DiscoveryFailed", "message": "no such repository"},
			}}
		} else if isOf(target, "web") {
			web++
			if waves {
				target.SetAnnotations(map[string]string{"argocd.argoproj.io/sync-wave": "1"})
			}
		}
		objects.Target, objects.Live = append(objects.Target, target), append(objects.Live, live)
	}
	if !failing || web != 3 {
		t.Fatalf("no Warehouse of postgres, or not the Warehouse and two Stages of web but %d objects", web)
	}

	// Discovery is all that the sync asks an API server for.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		kind := func(kind string) metav1.APIResource {
			name := strings.ToLower(kind) + "s"
			return metav1.APIResource{Name: name, SingularName: strings.ToLower(kind), Kind: kind, Namespaced: true, Verbs: metav1.Verbs{"get", "list", "watch", "create", "update", "patch", "delete"}}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(metav1.APIResourceList{
			TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: "kargo.akuity.io/v1alpha1",
			APIResources: []metav1.APIResource{kind("Warehouse"), kind("Stage")},
		})
	}))
	defer server.Close()
	cluster := &applying{}
	config := &rest.Config{Host: server.URL}
	context, cleanup, err := sync.NewSyncContext("revision", objects, config, config, cluster, "image-factory",
		sync.WithHealthOverride(lua.ResourceHealthOverrides(healthChecks(t))), sync.WithLogr(logr.Discard()))
	must(t, err)
	defer cleanup()
	// As Argo CD's controller: again and again, until the operation has ended.
	var phase common.OperationPhase
	var message string
	for range 4 {
		context.Sync()
		if phase, message, _ = context.GetState(); phase.Completed() {
			break
		}
	}
	applied := 0
	for _, target := range objects.Target {
		if isOf(target, "web") && cluster.to.GetLastResourceCommand(kube.GetResourceKey(target)) == "apply" {
			applied++
		}
	}
	if waves {
		if applied != 0 || phase == common.OperationSucceeded {
			t.Errorf("with waves %d objects of web were applied, and the sync is %s: %s", applied, phase, message)
		}
		return
	}
	if applied != web || phase != common.OperationSucceeded {
		t.Errorf("%d of %d objects of web were applied, and the sync is %s: %s", applied, web, phase, message)
	}
}

// isOf tells whether an object is there for an image.
func isOf(object *unstructured.Unstructured, image string) bool {
	return strings.HasSuffix(object.GetName(), "-"+image)
}
