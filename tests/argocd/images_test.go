package argocd

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/v3/cmd/argocd-cmp-server/commands"
	"github.com/argoproj/argo-cd/v3/reposerver/repository"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	corev1 "k8s.io/api/core/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"
	"sigs.k8s.io/yaml"
)

// TestMain makes this program the real argocd-cmp-server where it has that name, as Argo CD's one
// binary is: the init container copies it into the sidecar under this name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "argocd-cmp-server" {
		if err := confined(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := commands.NewCommand().Execute(); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// confined says what the sidecar must not be able to do, and is.
func confined() error {
	if os.Getuid() != 999 {
		return fmt.Errorf("the user is %d", os.Getuid())
	}
	for _, path := range []string{"/x", "/usr/local/bin/image-factory", "/home/argocd/cmp-server/config/plugin.yaml", "/var/run/argocd/x"} {
		if _, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644); !errors.Is(err, syscall.EROFS) {
			return fmt.Errorf("%s can be written: %v", path, err)
		}
	}
	return nil
}

// image is one platform's, out of a layout that `cargo run --package image-factory-images` wrote.
type image struct {
	root   string
	config v1.Image
	labels map[string]string
	sbom   map[string]any
}

// unpacked checks an image's documents with ORAS, the library of others, and unpacks it.
func unpacked(t *testing.T, name, architecture string) image {
	t.Helper()
	layouts := os.Getenv("IMAGES")
	if layouts == "" {
		layouts = "../../target/images"
	}
	ctx := context.Background()
	if _, err := os.Stat(filepath.Join(layouts, name)); err != nil {
		t.Skipf("%v; run `cargo run --package image-factory-images` first, or set IMAGES", err)
	}
	store, err := oci.NewFromFS(ctx, os.DirFS(filepath.Join(layouts, name)))
	must(t, err)
	index, err := store.Resolve(ctx, "0.1.0")
	must(t, err)
	// FetchAll compares size and digest.
	fetch := func(descriptor v1.Descriptor, into any) {
		blob, err := content.FetchAll(ctx, store, descriptor)
		must(t, err)
		must(t, json.Unmarshal(blob, into))
	}
	var platforms v1.Index
	fetch(index, &platforms)
	i := slices.IndexFunc(platforms.Manifests, func(d v1.Descriptor) bool {
		return d.Platform.OS == "linux" && d.Platform.Architecture == architecture
	})
	if i < 0 || len(platforms.Manifests) != 2 {
		t.Fatalf("the index has %v", platforms.Manifests)
	}
	var manifest v1.Manifest
	fetch(platforms.Manifests[i], &manifest)
	made := image{root: filepath.Join(t.TempDir(), "root"), labels: platforms.Annotations}
	fetch(manifest.Config, &made.config)
	for name, value := range made.labels {
		if manifest.Annotations[name] != value || made.config.Config.Labels[name] != value {
			t.Errorf("%s is not %s everywhere", name, value)
		}
	}
	referrers, err := store.Predecessors(ctx, platforms.Manifests[i])
	must(t, err)
	for _, referrer := range referrers {
		if referrer.MediaType == v1.MediaTypeImageManifest {
			var artifact v1.Manifest
			fetch(referrer, &artifact)
			if artifact.ArtifactType != "application/vnd.cyclonedx+json" {
				t.Errorf("an artifact of type %s", artifact.ArtifactType)
			}
			fetch(artifact.Layers[0], &made.sbom)
		}
	}
	must(t, os.Mkdir(made.root, 0o755))
	for _, layer := range manifest.Layers {
		blob, err := content.FetchAll(ctx, store, layer)
		must(t, err)
		unpack(t, blob, made.root)
	}
	return made
}

// unpack unpacks a layer. Everybody may read what root owns, since a container is anybody.
func unpack(t *testing.T, layer []byte, root string) {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(layer))
	must(t, err)
	for reader := tar.NewReader(zip); ; {
		header, err := reader.Next()
		if err == io.EOF {
			return
		}
		must(t, err)
		path := filepath.Join(root, header.Name)
		mode := header.FileInfo().Mode()
		if header.Uid != 0 || header.Gid != 0 || header.ModTime.Unix() != 0 || mode&(os.ModeSetuid|os.ModeSetgid) != 0 {
			t.Errorf("%s is %v", header.Name, header)
		}
		switch header.Typeflag {
		case tar.TypeDir:
			if mode.Perm()&0o5 != 0o5 && header.Name != "root/" {
				t.Errorf("%s is closed: %v", header.Name, mode)
			}
			// Open while it is filled; who tests need not be root.
			must(t, os.MkdirAll(path, mode.Perm()|0o700))
		case tar.TypeReg:
			if mode.Perm()&0o4 != 0o4 {
				t.Errorf("%s cannot be read: %v", header.Name, mode)
			}
			data, err := io.ReadAll(reader)
			must(t, err)
			must(t, os.WriteFile(path, data, mode.Perm()))
		case tar.TypeSymlink:
			must(t, os.Symlink(header.Linkname, path))
		case tar.TypeLink:
			must(t, os.Link(filepath.Join(root, header.Linkname), path))
		default:
			t.Errorf("%s is of type %c", header.Name, header.Typeflag)
		}
	}
}

// sandbox is a command in an image as the kubelet would start it: its user, a read-only root, no
// capability, no network, and the mounts alone to write to.
func sandbox(t *testing.T, image image, user int64, mounts []string, command ...string) *exec.Cmd {
	t.Helper()
	if out, err := exec.Command("bwrap", "--unshare-all", "--unshare-user", "--uid", "999", "--ro-bind", "/", "/", "true").CombinedOutput(); err != nil {
		t.Skipf("bubblewrap cannot make a sandbox here: %v %s", err, out)
	}
	id := strconv.FormatInt(user, 10)
	arguments := []string{
		"--unshare-all", "--unshare-user", "--uid", id, "--gid", id, "--cap-drop", "ALL", "--die-with-parent", "--new-session",
		"--clearenv", "--chdir", "/", "--bind", image.root, "/", "--proc", "/proc", "--dev", "/dev",
	}
	for _, variable := range image.config.Config.Env {
		name, value, _ := strings.Cut(variable, "=")
		arguments = append(arguments, "--setenv", name, value)
	}
	arguments = append(append(append(arguments, mounts...), "--remount-ro", "/", "--"), command...)
	return exec.Command("bwrap", arguments...)
}

// container is the sidecar as cmp-sidecar/kustomize/component adds it.
func container(t *testing.T) corev1.Container {
	t.Helper()
	text, err := os.ReadFile("../../cmp-sidecar/kustomize/component/sidecar.yaml")
	must(t, err)
	var patches []struct {
		Path  string
		Value json.RawMessage
	}
	must(t, yaml.Unmarshal(text, &patches))
	var container corev1.Container
	must(t, json.Unmarshal(patches[0].Value, &container))
	return container
}

func TestTheSidecarsImageInAPod(t *testing.T) {
	sidecar := unpacked(t, "image-factory", runtime.GOARCH)
	container := container(t)
	if user := fmt.Sprint(*container.SecurityContext.RunAsUser); strings.Split(sidecar.config.Config.User, ":")[0] != user {
		t.Fatalf("the image's user is %s, the Pod's %s", sidecar.config.Config.User, user)
	}
	// The init container of Argo CD.
	self, err := os.Executable()
	must(t, err)
	if isDynamic(t, self) {
		t.Skip("these tests are not static, as Argo CD is: run them with CGO_ENABLED=0")
	}
	dir := folder(t)
	volumes := map[string]string{"var-files": "v", "plugins": "s", "image-factory-work": "w"}
	must(t, os.Mkdir(filepath.Join(dir, "v"), 0o755))
	must(t, os.Mkdir(filepath.Join(dir, "w"), 0o777))
	text, err := os.ReadFile(self)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "v", "argocd-cmp-server"), text, 0o755))
	var mounts []string
	for _, mount := range container.VolumeMounts {
		flag := "--bind"
		if mount.ReadOnly {
			flag = "--ro-bind"
		}
		mounts = append(mounts, flag, filepath.Join(dir, volumes[mount.Name]), mount.MountPath)
	}

	server := sandbox(t, sidecar, *container.SecurityContext.RunAsUser, mounts, container.Command...)
	var log bytes.Buffer
	server.Stdout, server.Stderr = &log, &log
	must(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		t.Log(log.String())
	})
	healthy := false
	for range container.StartupProbe.FailureThreshold {
		probe := sandbox(t, sidecar, *container.SecurityContext.RunAsUser, mounts, container.StartupProbe.Exec.Command...)
		if healthy = probe.Run() == nil; healthy {
			break
		}
		time.Sleep(time.Duration(container.StartupProbe.PeriodSeconds) * time.Second)
	}
	if !healthy {
		t.Fatal("the startup probe never passes")
	}

	s := &servers{service: repoServer(t, dir, repository.RepoServerInitConstants{}), name: "image-factory"}
	r := newRepo(t)
	must(t, os.CopyFS(filepath.Join(r.dir, "factory"), os.DirFS("../../image-factory")))
	r.commit()
	got, err := s.generate(s.request(r))
	must(t, err)
	same(t, got, render(t, "../../image-factory"))

	write(t, r.dir, "factory/images.yaml", "- name: Wrong\n")
	r.commit()
	if _, err = s.generate(s.request(r)); err == nil || !strings.Contains(err.Error(), before+"1: IF0111 images.yaml:1:3") {
		t.Fatal(err)
	}
}

func TestNothingElseIsInTheSidecarsImage(t *testing.T) {
	for _, architecture := range []string{"amd64", "arm64"} {
		sidecar := unpacked(t, "image-factory", architecture)
		var files []string
		must(t, filepath.WalkDir(sidecar.root, func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				files = append(files, strings.TrimPrefix(path, sidecar.root))
			}
			return err
		}))
		want := []string{"/etc/ssl/certs/ca-certificates.crt", "/home/argocd/cmp-server/config/plugin.yaml", "/usr/local/bin/image-factory"}
		if !slices.Equal(files, want) {
			t.Errorf("%v, not %v", files, want)
		}
		plugin, err := os.ReadFile(filepath.Join(sidecar.root, want[1]))
		must(t, err)
		if string(plugin) != ours(t) {
			t.Error("another plugin.yaml")
		}
	}
}

// The module is compiled for each platform: the program for aarch64 has to run it.
func TestBothPlatformsSayTheSame(t *testing.T) {
	factory, err := filepath.Abs("../../image-factory")
	must(t, err)
	answers := map[string][]byte{}
	for architecture, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		for _, name := range []string{"image-factory", "image-factory-job"} {
			image := unpacked(t, name, architecture)
			program := filepath.Join(image.root, "usr/local/bin/image-factory")
			if !slices.Equal(image.config.Config.Entrypoint, []string{"/usr/local/bin/image-factory"}) {
				t.Errorf("%s starts %v", name, image.config.Config.Entrypoint)
			}
			file, err := elf.Open(program)
			must(t, err)
			if file.Machine != machine || isDynamic(t, program) {
				t.Errorf("%s for %s has a program for %v, static or not", name, architecture, file.Machine)
			}
			components, _ := image.sbom["components"].([]any)
			if want := map[string]int{"image-factory": 50, "image-factory-job": 90}[name]; len(components) < want {
				t.Errorf("the SBOM of %s for %s has %d components", name, architecture, len(components))
			}
			for _, arguments := range [][]string{{"--version"}, {"generate", "--output", "json", factory}} {
				command := emulated(t, architecture, image.root, append([]string{program}, arguments...)...)
				if command == nil {
					continue
				}
				out, err := command.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %v %s", command, err, out)
				}
				if first, ok := answers[arguments[0]]; ok && !bytes.Equal(out, first) {
					t.Errorf("%s for %s answers %s, another %s", name, architecture, out, first)
				}
				answers[arguments[0]] = out
			}
			if name == "image-factory-job" {
				for _, command := range [][]string{{"git", "--version"}, {"ssh", "-V"}} {
					command := emulated(t, architecture, image.root, append([]string{filepath.Join(image.root, "usr/bin", command[0])}, command[1:]...)...)
					if command == nil {
						continue
					}
					out, err := command.CombinedOutput()
					if err != nil {
						t.Errorf("%v: %v %s", command, err, out)
					}
					t.Logf("%s: %s", architecture, out)
				}
			}
		}
	}
	t.Logf("%s", answers["--version"])
}

// emulated is a command of another root, for this machine or, with QEMU, for the other; else nil.
func emulated(t *testing.T, architecture, root string, command ...string) *exec.Cmd {
	t.Helper()
	emulator := "qemu-" + map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[architecture]
	if !isDynamic(t, command[0]) && architecture == runtime.GOARCH {
		return exec.Command(command[0], command[1:]...)
	}
	if _, err := exec.LookPath(emulator); err != nil {
		t.Logf("not run, since there is no %s: %v", emulator, command)
		return nil
	}
	return exec.Command(emulator, append([]string{"-L", root}, command...)...)
}

// The Job's git clones, commits and pushes, and finds its libraries, its user and its CA roots.
func TestTheJobsImage(t *testing.T) {
	const user = 65532
	job := unpacked(t, "image-factory-job", runtime.GOARCH)
	if job.config.Config.User != "65532:65532" {
		t.Fatalf("the image's user is %s", job.config.Config.User)
	}
	r := newRepo(t)
	r.commit("factory/images.yaml", images)
	r.git("config", "receive.denyCurrentBranch", "ignore")
	work := t.TempDir()
	mounts := []string{"--bind", work, "/tmp", "--bind", r.dir, "/tmp/platform", "--setenv", "HOME", "/tmp"}
	run := func(command ...string) (string, error) {
		out, err := sandbox(t, job, user, mounts, command...).CombinedOutput()
		t.Logf("%v: %s", command, out)
		return string(out), err
	}
	_, err := run("image-factory", "reconcile", "--git-repo=file:///tmp/platform", "--git-branch=main", "--", "factory")
	must(t, err)
	if files := r.git("ls-tree", "-r", "--name-only", "main"); !strings.Contains(files, "factory/state/images/postgres.yaml") {
		t.Fatalf("pushed is %s", files)
	}
	// Nobody listens: what fails is the connection, after all else was found.
	out, err := run("git", "ls-remote", "https://127.0.0.1:1/x.git")
	if err == nil || !strings.Contains(out, "connect") {
		t.Error("no https")
	}
	out, err = run("git", "ls-remote", "ssh://git@127.0.0.1:1/x.git")
	if err == nil || !strings.Contains(out, "Connection refused") {
		t.Error("no ssh")
	}
}

// isDynamic says whether a program needs a loader.
func isDynamic(t *testing.T, path string) bool {
	t.Helper()
	file, err := elf.Open(path)
	must(t, err)
	defer file.Close()
	return slices.ContainsFunc(file.Progs, func(program *elf.Prog) bool { return program.Type == elf.PT_INTERP })
}
