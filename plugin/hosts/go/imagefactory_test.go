package imagefactory

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func engine(t testing.TB) *Engine {
	t.Helper()
	engine, err := New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close(context.Background()) })
	return engine
}

// Every exchange of the conformance kit: the same bytes as everywhere.
func TestKit(t *testing.T) {
	folder := os.Getenv("IMAGE_FACTORY_KIT")
	if folder == "" {
		folder = "../../../target/kit"
	}
	kit, err := os.Open(filepath.Join(folder, "kit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer kit.Close()
	engine := engine(t)
	lines := bufio.NewReader(kit)
	count := 0
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var exchange struct {
			Name, Request, RequestHex, SHA256 string
			Times                             int
		}
		if err := json.Unmarshal(line, &exchange); err != nil {
			t.Fatal(err)
		}
		request := []byte(exchange.Request)
		if exchange.RequestHex != "" {
			part, err := hex.DecodeString(exchange.RequestHex)
			if err != nil {
				t.Fatal(err)
			}
			request = bytes.Repeat(part, exchange.Times)
		}
		answer, err := engine.Call(t.Context(), request)
		if err != nil {
			t.Fatalf("%s: %v", exchange.Name, err)
		}
		if digest := sha256.Sum256(answer); hex.EncodeToString(digest[:]) != exchange.SHA256 {
			t.Errorf("%s: another answer: %s", exchange.Name, answer)
		}
		count++
	}
	if count < 100 {
		t.Fatalf("the kit has only %d exchanges", count)
	}
}

func TestAbout(t *testing.T) {
	about, err := engine(t).About(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if about.ABI != ABIVersion || !slices.Contains(about.Verbs, "generate") || len(about.Schemas["images"]) != 71 {
		t.Fatalf("%+v", about)
	}
}

func TestGenerate(t *testing.T) {
	engine := engine(t)
	images := "- name: redis\n  registry: docker.io\n  repository: library/redis\n  allowTags: ^7\n"
	manifests, err := engine.Generate(t.Context(), Tree{"images.yaml": images})
	if err != nil || len(manifests) != 1 || !strings.Contains(string(manifests[0]), `"Warehouse"`) {
		t.Fatalf("%s, %v", manifests, err)
	}
	_, err = engine.Generate(t.Context(), Tree{"images.yaml": "- name: [\n"})
	var wrong *Error
	if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), "images.yaml:") {
		t.Fatalf("%v", err)
	}
}

func TestBases(t *testing.T) {
	dockerfile := "ARG V=22\nFROM node:${V} AS build\nFROM alpine:3\nCOPY --from=build /a /a\n"
	bases, err := engine(t).Bases(t.Context(), dockerfile, Build{Args: map[string]string{"V": "24"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(bases.Images) != 2 || bases.Images[1].Reference != "docker.io/library/node:24" {
		t.Fatalf("%+v", bases)
	}
}

func TestRunFetches(t *testing.T) {
	images := "- name: web\n  registry: ghcr.io\n  repository: acme/web\n" +
		"  source: {provider: github, repo: acme/web, dockerfile: Dockerfile, workflow: web.yml}\n"
	request := Request{
		Verb: "analyze",
		Args: map[string]any{"all": true},
		Now:  "2026-01-05T10:00:00Z",
		Tree: Tree{"images.yaml": images},
	}
	answer, err := engine(t).Run(t.Context(), request, func(_ context.Context, needs Needs) (Fetched, error) {
		var fetched Fetched
		for _, need := range needs.Git {
			files := map[string]*string{}
			for _, path := range need.Paths {
				files[path] = nil
			}
			text := "FROM alpine:3\n"
			files["Dockerfile"] = &text
			commit := "0123456789abcdef0123456789abcdef01234567"
			fetched.Git = append(fetched.Git, GitFetched{URL: need.URL, Reference: need.Reference, Commit: commit, Files: files})
		}
		return fetched, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if answer.Files["state/images/web.yaml"] == nil {
		t.Fatalf("%v", answer.Files)
	}
}

func BenchmarkOneImage(b *testing.B) {
	engine := engine(b)
	images := "- name: redis\n  registry: docker.io\n  repository: library/redis\n  allowTags: ^7\n"
	for b.Loop() {
		if _, err := engine.Generate(b.Context(), Tree{"images.yaml": images}); err != nil {
			b.Fatal(err)
		}
	}
}
