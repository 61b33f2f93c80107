package argocd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/reposerver/apiclient"
	"github.com/argoproj/argo-cd/v3/reposerver/repository"
)

const stub = `apiVersion: argoproj.io/v1alpha1
kind: ConfigManagementPlugin
metadata: {name: stub}
spec:
  generate: {command: [cat, rendered]}
`

// TestMeasure prints the README's table: one GenerateManifest through the real repo-server, for the same
// Warehouses in four ways. MEASURE=1, and IMAGE_FACTORY a release build.
func TestMeasure(t *testing.T) {
	if os.Getenv("MEASURE") == "" {
		t.Skip("MEASURE=1 measures, for some minutes")
	}
	fmt.Println("| images | at once | way | median, ms | p99, ms | the servers' memory at most, MB |\n| --- | --- | --- | --- | --- | --- |")
	for _, images := range []int{10, 200, 2000} {
		r := newRepo(t)
		var list strings.Builder
		for i := range images {
			fmt.Fprintf(&list, "- {name: image-%d, registry: ghcr.io, repository: acme/image-%d, allowTags: ^1.2-alpine$, imageSelectionStrategy: Lexical}\n", i, i)
		}
		r.commit("factory/images.yaml", list.String())
		folder := filepath.Join(r.dir, "factory")
		rendered, err := exec.Command(program(t), "generate", "--output", "json", folder).Output()
		must(t, err)
		committed, err := exec.Command(program(t), "generate", folder).Output()
		must(t, err)
		r.commit("stub/rendered", string(rendered), "dist/dist.yaml", string(committed),
			"kustomize/dist.yaml", string(committed), "kustomize/kustomization.yaml", "resources: [dist.yaml]\n")
		for _, way := range []string{"stub", "factory", "dist", "kustomize"} {
			for _, atOnce := range []int{1, 20} {
				if way == "kustomize" && images*atOnce > 4000 {
					continue
				}
				t.Run(fmt.Sprintf("%d/%s/%d", images, way, atOnce), func(t *testing.T) { measure(t, r, way, images, atOnce) })
			}
		}
	}
}

func measure(t *testing.T, r *repo, way string, images, atOnce int) {
	config := ours(t)
	if way == "stub" {
		config = stub
	}
	s := start(t, config, repository.RepoServerInitConstants{CMPUseManifestGeneratePaths: true})
	if _, err := exec.LookPath("kustomize"); err != nil && way == "kustomize" {
		script := "#!/bin/sh\n[ \"$1\" = build ] || { echo v5.5.0; exit; }\nshift\nexec kubectl kustomize \"$@\"\n"
		bin := t.TempDir()
		write(t, bin, "kustomize", script)
		must(t, os.Chmod(filepath.Join(bin, "kustomize"), 0o755))
		t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	}
	request := func() *apiclient.ManifestRequest {
		request := s.request(r)
		request.NoCache = true
		request.ApplicationSource.Path = way
		request.AnnotationManifestGeneratePaths = "."
		if way == "dist" || way == "kustomize" {
			request.ApplicationSource.Plugin = nil
			if way == "dist" {
				request.ApplicationSource.Directory = &v1alpha1.ApplicationSourceDirectory{}
			} else {
				request.ApplicationSource.Kustomize = &v1alpha1.ApplicationSourceKustomize{}
				request.KustomizeOptions = &v1alpha1.KustomizeOptions{}
			}
		}
		return request
	}()
	forgetPeak(t)
	rounds := max(3, min(30, 20_000/(images*atOnce)))
	var times []time.Duration
	var lock sync.Mutex
	for range rounds {
		var group sync.WaitGroup
		for range atOnce {
			group.Go(func() {
				begin := time.Now()
				got, err := s.generate(request)
				took := time.Since(begin)
				if err != nil || len(got) != images {
					t.Errorf("%d objects, %v", len(got), err)
				}
				lock.Lock()
				times = append(times, took)
				lock.Unlock()
			})
		}
		group.Wait()
	}
	slices.Sort(times)
	at := func(part int) float64 {
		return float64(times[min(len(times)-1, len(times)*part/100)].Microseconds()) / 1000
	}
	fmt.Printf("| %d | %d | %s | %.0f | %.0f | %d |\n", images, atOnce, way, at(50), at(99), peak(t))
}

// forgetPeak gives unused memory back and lets this process's peak begin again (proc(5), clear_refs).
func forgetPeak(t *testing.T) {
	t.Helper()
	debug.FreeOSMemory()
	must(t, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0))
}

// peak is how many MB this process, which holds both servers, took at most since then.
func peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	must(t, err)
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kibibytes int
	_, err = fmt.Sscanf(after, "%d kB", &kibibytes)
	must(t, err)
	return kibibytes * 1024 / 1_000_000
}
