package argocd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/argoproj/argo-cd/v3/reposerver/repository"
)

const images = `- name: postgres
  registry: docker.io
  repository: library/postgres
  allowTags: ^16-alpine$
  imageSelectionStrategy: Lexical
`

// What stands before the plugin's own words in the Application's condition.
const before = "CMP processing failed for application \"image-factory\": error generating manifests in cmp: rpc error: code = Unknown desc = error generating manifests: `image-factory generate --plugin --deadline 45 --at-once 4 --max-memory 256` failed exit status "

func same(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d objects, not %d", len(got), len(want))
	}
	for i := range got {
		if object := canonical(t, []byte(got[i])); object != want[i] {
			t.Fatalf("object %d:\n%s\nnot\n%s", i, object, want[i])
		}
	}
}

// module is the digest of the module in the program.
func module(t testing.TB) string {
	t.Helper()
	out, err := exec.Command(program(t), "--version").Output()
	must(t, err)
	_, digest, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(string(out)), ")"), "module ")
	return digest
}

func TestTheSampleRendersAsOnTheCommandLine(t *testing.T) {
	s := start(t, ours(t), repository.RepoServerInitConstants{})
	r := newRepo(t)
	must(t, os.CopyFS(filepath.Join(r.dir, "factory"), os.DirFS("../../image-factory")))
	r.commit()
	got, err := s.generate(s.request(r))
	must(t, err)
	same(t, got, render(t, "../../image-factory"))
}

func TestErrorsAsTheyAreRead(t *testing.T) {
	s := start(t, ours(t), repository.RepoServerInitConstants{})
	pin := "sha256:" + strings.Repeat("0", 64)
	for _, c := range []struct {
		name       string
		files      []string
		parameters []string
		want       string
	}{
		{"a wrong name", []string{"factory/images.yaml", "- name: Wrong\n"}, nil,
			"1: IF0111 images.yaml:1:3: an image needs `registry` (add `registry: ghcr.io`)\n" +
				"IF0111 images.yaml:1:3: an image needs `repository` (add `repository: acme/backstage`)\n" +
				"IF0205 images.yaml:1:9: the name `Wrong` is not a DNS name: only `a` to `z`, `0` to `9`, `-` and `.` between them (write `name: wrong`)"},
		{"a name twice", []string{"factory/images.yaml", images + images}, nil,
			"1: IF0204 images.yaml:6:9: the name `postgres` is enrolled twice (rename one of the two; the first is in line 1)"},
		{"no YAML", []string{"factory/images.yaml", "- name: [a\n"}, nil,
			"1: IF0102 images.yaml:2:1: not YAML: while parsing a flow sequence, expected ',' or ']' (look here and in the line above for a quote or bracket that is not closed, or indentation)"},
		{"no image", []string{"factory/images.yaml", "[]\n"}, nil,
			"1: IF0202 images.yaml:1:1: no image is enrolled; an empty render would delete every Warehouse (enrol an image, or set the plugin's parameter `allowEmpty` to `true` if that is meant)"},
		{"no images.yaml", []string{"factory/other.yaml", "x"}, nil,
			"1: IF0201 images.yaml: there is no such file (create it with a list of images, or name the folder that holds it)"},
		{"a pattern that Kargo cannot read", []string{"factory/images.yaml", strings.Replace(images, "^16", "^(?=16)", 1)}, nil,
			"1: IF0207 images.yaml:4:15: `allowTags` is not a regular expression that Kargo reads: Go cannot look ahead or behind (say what the whole tag looks like instead, as in `^22(-slim)?$`)"},
		{"an unknown parameter", []string{"factory/images.yaml", images}, []string{"module", "x"},
			"2: IF1030: there is no parameter `module` (the parameters are `path`, `kargoVersion` and `allowEmpty`)"},
		{"a path out of the folder", []string{"factory/images.yaml", images}, []string{"path", "../../../../etc"},
			"2: IF1031: the parameter `path` is `../../../../etc`, which leaves the Application's folder (name a folder below the Application's `spec.source.path`)"},
		{"an old Kargo", []string{"factory/images.yaml", images}, []string{"kargoVersion", "1.6"},
			"2: IF0306: parameter `kargoVersion`: version 1.6 is too old: Warehouses need Kargo 1.7 or newer (write for example \"1.11\")"},
		{"another module", []string{"factory/images.yaml", images, "factory/factory.yaml", "module: " + pin + "\n"}, nil,
			"1: IF0307 factory.yaml:1:9: this is module " + module(t) + ", and factory.yaml pins " + pin + " (run the pinned version, or commit the new digest if the upgrade is meant)"},
		{"a state file of 100 MB", []string{"factory/images.yaml", images, "factory/state/images/web.yaml", strings.Repeat("#", 100<<20)}, nil,
			"1: IF0121 state/images/web.yaml: the file has 104857600 bytes, 8388608 are read at most (remove what does not belong into it)"},
		{"parameters from the repository", []string{"factory/images.yaml", images, "factory/.argocd-source.yaml", "plugin:\n  parameters:\n  - {name: path, string: /etc}\n"}, nil,
			"2: IF1031: the parameter `path` is `/etc`, which leaves the Application's folder (name a folder below the Application's `spec.source.path`)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRepo(t)
			r.commit(c.files...)
			request := s.request(r)
			for i := 0; i < len(c.parameters); i += 2 {
				request = s.request(r, parameter(c.parameters[i], c.parameters[i+1]))
			}
			_, err := s.generate(request)
			if err == nil {
				t.Fatal("it renders")
			}
			text := err.Error()
			if i := strings.Index(text, "CMP processing"); i > 0 {
				text = text[i:]
			}
			if text != before+c.want {
				t.Fatalf("%q\nnot\n%q", text, before+c.want)
			}
			if strings.Contains(text, s.work) || len(text) > len(before)+2100 {
				t.Fatal("it tells where we work, or too much")
			}
		})
	}
}

func TestALinkOutOfTheFolder(t *testing.T) {
	s := start(t, ours(t), repository.RepoServerInitConstants{})
	r := newRepo(t)
	write(t, r.dir, "factory/images.yaml", images)
	write(t, r.dir, "elsewhere/web.yaml", "name: web\n")
	must(t, os.MkdirAll(filepath.Join(r.dir, "factory/state"), 0o755))
	// Inside the repository, so that Argo CD lets it pass.
	must(t, os.Symlink("../../elsewhere", filepath.Join(r.dir, "factory/state/images")))
	r.commit()
	_, err := s.generate(s.request(r))
	if err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Fatal(err)
	}
	t.Log(err)
}

func TestTheDeadlineComesWithAWord(t *testing.T) {
	s := start(t, ours(t, `"45"`, `"1"`, `--at-once, "4"`, `--at-once, "1"`), repository.RepoServerInitConstants{})
	r := newRepo(t)
	r.commit("factory/images.yaml", images)
	slot := filepath.Join(s.work, "image-factory-slots", "0")
	write(t, s.work, "image-factory-slots/0", "")
	held, err := os.OpenFile(slot, os.O_RDWR, 0)
	must(t, err)
	must(t, syscall.Flock(int(held.Fd()), syscall.LOCK_EX))
	_, err = s.generate(s.request(r))
	if err == nil || !strings.Contains(err.Error(), "failed exit status 3: IF1032: nothing was rendered within 1 s (") {
		t.Fatal(err)
	}
	must(t, held.Close())
	got, err := s.generate(s.request(r))
	must(t, err)
	same(t, got, render(t, filepath.Join(r.dir, "factory")))
}

func TestFiftyAtOnce(t *testing.T) {
	s := start(t, ours(t), repository.RepoServerInitConstants{})
	r := newRepo(t)
	r.commit("factory/images.yaml", images)
	want := render(t, filepath.Join(r.dir, "factory"))
	request := s.request(r)
	request.NoCache = true
	var group sync.WaitGroup
	results := make([][]string, 50)
	for i := range results {
		group.Go(func() {
			got, err := s.generate(request)
			if err != nil {
				t.Error(err)
			}
			results[i] = got
		})
	}
	group.Wait()
	for _, got := range results {
		same(t, got, want)
	}
	slots, err := os.ReadDir(filepath.Join(s.work, "image-factory-slots"))
	must(t, err)
	if len(slots) != 4 {
		t.Fatalf("%d slots", len(slots))
	}
	var usage syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage))
	t.Logf("the largest child took %d KiB; four of them run at once", usage.Maxrss)
}

func TestAnUpgradeIsACommit(t *testing.T) {
	s := start(t, ours(t), repository.RepoServerInitConstants{})
	digest := module(t)
	r := newRepo(t)
	r.commit("factory/images.yaml", images, "factory/factory.yaml", "module: sha256:"+strings.Repeat("1", 64)+"\n")
	_, err := s.generate(s.request(r))
	want := fmt.Sprintf("IF0307 factory.yaml:1:9: this is module %s, and factory.yaml pins sha256:1111", digest)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("%v, not %s", err, want)
	}
	r.commit("factory/factory.yaml", "module: "+digest+"\n")
	got, err := s.generate(s.request(r))
	must(t, err)
	if !strings.Contains(got[0], digest) {
		t.Fatal(got)
	}
}

func TestTenThousandFilesBeside(t *testing.T) {
	s := start(t, ours(t), repository.RepoServerInitConstants{CMPUseManifestGeneratePaths: true})
	r := newRepo(t)
	for i := range 10_000 {
		write(t, r.dir, fmt.Sprintf("other/%d/%d.yaml", i/100, i), "a: b\n")
	}
	r.commit("factory/images.yaml", images)
	request := s.request(r)
	request.AnnotationManifestGeneratePaths = "."
	got, err := s.generate(request)
	must(t, err)
	same(t, got, render(t, filepath.Join(r.dir, "factory")))
}

func TestTheHealthOfTheServer(t *testing.T) {
	s := start(t, ours(t), repository.RepoServerInitConstants{})
	out, err := exec.Command(program(t), "healthcheck").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must(t, os.Remove(s.socket))
	if out, err := exec.Command(program(t), "healthcheck").CombinedOutput(); err == nil {
		t.Fatalf("healthy without a socket: %s", out)
	}
}
