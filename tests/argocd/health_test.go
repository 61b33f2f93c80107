package argocd

import (
	"os"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// The health checks, in Argo CD's own Lua.
func TestHealthOfKargosKinds(t *testing.T) {
	vm := lua.VM{ResourceOverrides: healthChecks(t)}

	type condition = map[string]any
	is := func(kind, status, reason, message string) any {
		return condition{"type": kind, "status": status, "reason": reason, "message": message}
	}
	for _, c := range []struct {
		name, kind string
		conditions []any
		want       string
	}{
		{"new", "Warehouse", nil, "Progressing: Kargo has not looked at it yet"},
		{"looking", "Warehouse", []any{
			is("Healthy", "Unknown", "Pending", "later"), is("Ready", "False", "DiscoveryInProgress", ""), is("Reconciling", "True", "ScheduledDiscovery", "looks"),
		}, "Healthy: looks"},
		{"fine", "Warehouse", []any{is("Healthy", "True", "", ""), is("Ready", "True", "", "")}, "Healthy: "},
		{"failing", "Warehouse", []any{is("Ready", "False", "DiscoveryFailure", "no"), is("Healthy", "False", "DiscoveryFailed", "no such repository")}, "Degraded: no such repository"},
		{"new", "Stage", nil, "Progressing: Kargo has not looked at it yet"},
		{"promoting", "Stage", []any{is("Promoting", "True", "ActivePromotion", "runs"), is("Healthy", "Unknown", "ActivePromotion", ""), is("Ready", "False", "ActivePromotion", "")}, "Healthy: runs"},
		{"verifying", "Stage", []any{is("Verified", "Unknown", "VerificationRunning", "verifies"), is("Ready", "False", "PendingVerification", "")}, "Healthy: verifies"},
		{"without Freight", "Stage", []any{is("Healthy", "Unknown", "NoFreight", ""), is("Verified", "Unknown", "NoFreight", ""), is("Ready", "False", "Unhealthy", "")}, "Healthy: "},
		{"verification failed", "Stage", []any{is("Verified", "False", "VerificationFailed", "exit code 1")}, "Degraded: exit code 1"},
		{"promotion failed", "Stage", []any{is("Ready", "False", "LastPromotionFailed", "")}, "Degraded: "},
		{"new", "Project", nil, "Progressing: Kargo has not looked at it yet"},
		{"made", "Project", []any{is("Ready", "True", "", "")}, "Healthy: "},
		{"in the making", "Project", []any{is("Ready", "False", "", "soon")}, "Progressing: soon"},
	} {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "kargo.akuity.io/v1alpha1", "kind": c.kind, "metadata": map[string]any{"name": "x"},
		}}
		if c.conditions != nil {
			object.Object["status"] = map[string]any{"conditions": c.conditions}
		}
		script, openLibs, err := vm.GetHealthScript(object)
		must(t, err)
		if script == "" || openLibs {
			t.Fatalf("%s: no script of ours", c.kind)
		}
		health, err := vm.ExecuteHealthLua(object, script)
		must(t, err)
		if got := string(health.Status) + ": " + health.Message; got != c.want {
			t.Errorf("%s, %s: %q, not %q", c.kind, c.name, got, c.want)
		}
	}
}

// healthChecks is what the component `health` puts into argocd-cm.
func healthChecks(t testing.TB) map[string]v1alpha1.ResourceOverride {
	t.Helper()
	text, err := os.ReadFile("../../cmp-sidecar/kustomize/health/health.yaml")
	must(t, err)
	var config struct{ Data map[string]string }
	must(t, yaml.Unmarshal(text, &config))
	overrides := map[string]v1alpha1.ResourceOverride{}
	for key, script := range config.Data {
		kind := strings.TrimPrefix(key, "resource.customizations.health.kargo.akuity.io_")
		overrides["kargo.akuity.io/"+kind] = v1alpha1.ResourceOverride{HealthLua: script}
	}
	return overrides
}
