package argocd

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/v3/cmpserver"
	"github.com/argoproj/argo-cd/v3/cmpserver/plugin"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/reposerver/apiclient"
	reposervercache "github.com/argoproj/argo-cd/v3/reposerver/cache"
	"github.com/argoproj/argo-cd/v3/reposerver/metrics"
	"github.com/argoproj/argo-cd/v3/reposerver/repository"
	cacheutil "github.com/argoproj/argo-cd/v3/util/cache"
	"github.com/argoproj/argo-cd/v3/util/git"
)

// program is the binary under test: IMAGE_FACTORY, else the one that `cargo build` leaves.
func program(t testing.TB) string {
	t.Helper()
	path := os.Getenv("IMAGE_FACTORY")
	if path == "" {
		path = "../../target/debug/image-factory"
	}
	path, err := filepath.Abs(path)
	must(t, err)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v; run `cargo build --package image-factory` first, or set IMAGE_FACTORY", err)
	}
	return path
}

// servers are a repo-server's service and an argocd-cmp-server in this process: no Redis, no TLS, no port.
type servers struct {
	service *repository.Service
	// socket is the cmp-server's.
	socket string
	// work is ARGOCD_CMP_WORKDIR.
	work string
	// name is the plugin's.
	name string
}

// start starts both with a plugin.yaml. Argo CD reads its environment when it is used, so only one pair
// runs in a test.
func start(t testing.TB, pluginYAML string, constants repository.RepoServerInitConstants) *servers {
	t.Helper()
	dir := folder(t)
	must(t, os.Mkdir(filepath.Join(dir, "w"), 0o755))
	must(t, os.Symlink(program(t), filepath.Join(dir, "b", "image-factory")))
	t.Setenv("ARGOCD_CMP_WORKDIR", filepath.Join(dir, "w"))

	write(t, filepath.Join(dir, "config"), "plugin.yaml", pluginYAML)
	config, err := plugin.ReadPluginConfig(filepath.Join(dir, "config"))
	must(t, err)
	server, err := cmpserver.NewServer(plugin.CMPServerInitConstants{PluginConfig: *config})
	must(t, err)
	grpc, err := server.CreateGRPC()
	must(t, err)
	listener, err := net.Listen("unix", config.Address())
	must(t, err)
	go func() { _ = grpc.Serve(listener) }()
	t.Cleanup(grpc.Stop)

	return &servers{
		service: repoServer(t, dir, constants), socket: config.Address(), work: filepath.Join(dir, "w"), name: config.Metadata.Name,
	}
}

// folder is an empty one for both: sockets in `s`, programs in `b`, which is on the PATH.
func folder(t testing.TB) string {
	t.Helper()
	// Short: the path of a Unix socket holds 107 bytes.
	dir, err := os.MkdirTemp("", "if")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, name := range []string{"s", "b"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	// repo-server runs it for each revision, also without signatures to verify.
	write(t, filepath.Join(dir, "b"), "git-verify-wrapper.sh", "#!/bin/sh\n")
	must(t, os.Chmod(filepath.Join(dir, "b", "git-verify-wrapper.sh"), 0o755))
	t.Setenv("PATH", filepath.Join(dir, "b")+":"+os.Getenv("PATH"))
	t.Setenv("ARGOCD_GPG_ENABLED", "false")
	t.Setenv("ARGOCD_PLUGINSOCKFILEPATH", filepath.Join(dir, "s"))
	return dir
}

// repoServer is the service of a repo-server that looks for plugins in a folder's sockets.
func repoServer(t testing.TB, dir string, constants repository.RepoServerInitConstants) *repository.Service {
	t.Helper()
	cache := reposervercache.NewCache(cacheutil.NewCache(cacheutil.NewInMemoryCache(time.Hour)), time.Minute, time.Minute, 10*time.Second)
	service := repository.NewService(metrics.NewMetricsServer(), cache, constants, git.NoopCredsStore{}, filepath.Join(dir, "clones"))
	must(t, service.Init())
	return service
}

// ours is plugin.yaml as it is installed, with other values of flags.
func ours(t testing.TB, replace ...string) string {
	t.Helper()
	text, err := os.ReadFile("../../cmp-sidecar/plugin.yaml")
	must(t, err)
	return strings.NewReplacer(replace...).Replace(string(text))
}

// repo is a git repository whose folder `factory` is the Application's.
type repo struct {
	t   testing.TB
	dir string
}

func newRepo(t testing.TB) *repo {
	t.Helper()
	r := &repo{t: t, dir: t.TempDir()}
	r.git("init", "-q", "-b", "main")
	return r
}

func (r *repo) git(arguments ...string) string {
	r.t.Helper()
	command := exec.Command("git", arguments...)
	command.Dir = r.dir
	command.Env = append(os.Environ(), "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com")
	out, err := command.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %s", arguments, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes files, path and text in turn, and commits everything.
func (r *repo) commit(files ...string) {
	r.t.Helper()
	for i := 0; i < len(files); i += 2 {
		write(r.t, r.dir, files[i], files[i+1])
	}
	r.git("add", "--all")
	r.git("commit", "-q", "--allow-empty", "-m", "x")
}

// request is the one of an Application whose path is `factory`.
func (s *servers) request(r *repo, parameters ...v1alpha1.ApplicationSourcePluginParameter) *apiclient.ManifestRequest {
	url := "file://" + r.dir
	return &apiclient.ManifestRequest{
		Repo: &v1alpha1.Repository{Repo: url}, Revision: r.git("rev-parse", "HEAD"),
		AppName: "image-factory", Namespace: "image-factory", ProjectName: "image-factory",
		AppLabelKey: "app.kubernetes.io/instance", TrackingMethod: "annotation", KubeVersion: "1.34.0",
		ApplicationSource: &v1alpha1.ApplicationSource{
			RepoURL: url, Path: "factory", Plugin: &v1alpha1.ApplicationSourcePlugin{Name: s.name, Parameters: parameters},
		},
	}
}

func parameter(name, value string) v1alpha1.ApplicationSourcePluginParameter {
	return v1alpha1.ApplicationSourcePluginParameter{Name: name, String_: &value}
}

func (s *servers) generate(request *apiclient.ManifestRequest) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	answer, err := s.service.GenerateManifest(ctx, request)
	if err != nil {
		return nil, err
	}
	return answer.Manifests, nil
}

// render gives what `image-factory generate` prints for a folder, an object a line, sorted keys.
func render(t testing.TB, folder string) []string {
	t.Helper()
	out, err := exec.Command(program(t), "generate", "--output", "json", folder).Output()
	must(t, err)
	var all []string
	for _, line := range bytes.Split(bytes.TrimSpace(out), []byte("\n")) {
		all = append(all, canonical(t, line))
	}
	return all
}

// canonical is an object without what repo-server adds to it.
func canonical(t testing.TB, object []byte) string {
	t.Helper()
	var value map[string]any
	must(t, json.Unmarshal(object, &value))
	annotations := value["metadata"].(map[string]any)["annotations"].(map[string]any)
	delete(annotations, "argocd.argoproj.io/tracking-id")
	text, err := json.Marshal(value)
	must(t, err)
	return string(text)
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
