package imagefactory

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The program on the page runs by copy and paste, in an empty folder that knows this module.
func TestReadme(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(page)[1]
	_, after, _ := strings.Cut(string(program), "\t// Output:\n")
	expected := strings.TrimSuffix(strings.ReplaceAll(after, "\t// ", ""), "}\n")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "main.go"), program, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{
		{"mod", "init", "example"},
		{"mod", "edit", "-replace=image-factory.dev/go=" + here},
		{"mod", "tidy"},
		{"run", "."},
	} {
		command := exec.Command("go", arguments...)
		command.Dir = folder
		command.Stderr = os.Stderr
		out, err := command.Output()
		if err != nil {
			t.Fatal(err)
		}
		if arguments[0] == "run" && string(out) != expected {
			t.Errorf("%q, and the page says %q", out, expected)
		}
	}
}
