package imagefactory

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Prints a line for the table of hosts, where IMAGE_FACTORY_MEASURE names the kit's folder.
func TestMeasure(t *testing.T) {
	kit := os.Getenv("IMAGE_FACTORY_MEASURE")
	if kit == "" {
		t.Skip("IMAGE_FACTORY_MEASURE is not set")
	}
	start := time.Now()
	engine := engine(t)
	if _, err := engine.Ask(t.Context(), Request{Verb: "about"}); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{"start": time.Since(start).Seconds()}
	// A test's binary does not know the versions of what is in it.
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatal(err)
	}
	out["version"] = "wazero " + strings.TrimPrefix(strings.TrimSpace(string(version)), "v")
	for images, times := range map[int]int{1: 200, 2000: 5} {
		request, err := os.ReadFile(filepath.Join(kit, fmt.Sprintf("images-%d.json", images)))
		if err != nil {
			t.Fatal(err)
		}
		best := time.Hour
		for range times {
			start := time.Now()
			answer, err := engine.Call(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			best = min(best, time.Since(start))
			digest := sha256.Sum256(answer)
			out["digest"+strconv.Itoa(images)] = hex.EncodeToString(digest[:])
		}
		out[strconv.Itoa(images)] = best.Seconds()
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	out["memory"] = float64(usage.Maxrss) / 1024
	line, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(string(line))
}
