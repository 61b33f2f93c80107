package imagefactory

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Prints a line for the table of hosts, where KIT names the kit's folder.
func TestMeasure(t *testing.T) {
	kit := os.Getenv("KIT")
	if kit == "" {
		t.Skip("KIT is not set")
	}
	start := time.Now()
	engine := engine(t)
	if _, err := engine.Ask(t.Context(), Request{Verb: "about"}); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{"version": "wazero", "start": time.Since(start).Seconds()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/tetratelabs/wazero" {
				out["version"] = "wazero " + module.Version
			}
		}
	}
	for images, times := range map[int]int{1: 50, 2000: 3} {
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
