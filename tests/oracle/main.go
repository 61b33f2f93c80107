// Command oracle tells which images BuildKit's own Dockerfile frontend asks for.
//
// It reads one JSON object a line from stdin, in the spelling of tests/bases/cases.json, and writes
// one a line: {"error":"…"} or {"images":["docker.io/library/alpine:3 linux/amd64"],"used":["docker.io/library/alpine:3"]}.
// Nothing is fetched: every image exists, and its configuration holds the triggers of the question, a
// working directory, and neither an environment nor a shell. `oracle speed` measures BuildKit's parser, see speed.go.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

type question struct {
	Dockerfile string `json:"dockerfile"`
	Options    struct {
		BuildArgs     map[string]string   `json:"buildArgs"`
		Target        string              `json:"target"`
		Platforms     []string            `json:"platforms"`
		BuildContexts map[string]string   `json:"buildContexts"`
		Onbuild       map[string][]string `json:"onbuild"`
		NamedContexts *bool               `json:"namedContexts"`
	} `json:"options"`
}

type answer struct {
	Error  string   `json:"error,omitempty"`
	Images []string `json:"images"`
	Used   []string `json:"used"`
}

var builder = ocispecs.Platform{OS: "linux", Architecture: "amd64"}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "speed" {
		speed()
		return
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			var q question
			if err := json.Unmarshal(line, &q); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
			text, err := json.Marshal(ask(q))
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(2)
			}
			out.Write(append(text, '\n'))
			if in.Buffered() == 0 {
				out.Flush()
			}
		}
		if err != nil {
			return
		}
	}
}

func ask(q question) (a answer) {
	defer func() {
		if r := recover(); r != nil {
			a = answer{Error: fmt.Sprint("panic: ", r)}
		}
	}()
	names := q.Options.Platforms
	if len(names) == 0 {
		names = []string{"linux/amd64"}
	}
	rec := &recorder{onbuild: map[string][]string{}, asked: map[string]struct{}{}}
	for name, triggers := range q.Options.Onbuild {
		if named, err := reference.ParseNormalizedNamed(name); err == nil {
			name = reference.TagNameOnly(named).String()
		}
		rec.onbuild[name] = triggers
	}
	images, used := map[string]struct{}{}, map[string]struct{}{}
	for i, name := range names {
		p, err := platforms.Parse(name)
		if err != nil {
			return answer{Error: err.Error()}
		}
		p = platforms.Normalize(p)
		if err := convert(q, p, i == 0, rec, used); err != nil {
			return answer{Error: err.Error()}
		}
		// What one platform's build asks for tells nothing of another's.
		maps.Copy(images, rec.asked)
		clear(rec.asked)
	}
	return answer{Images: sorted(images), Used: sorted(used)}
}

func convert(q question, p ocispecs.Platform, first bool, rec *recorder, used map[string]struct{}) error {
	ctx := context.Background()
	opt := dockerfile2llb.ConvertOpt{
		Config: dockerui.Config{
			BuildArgs:      map[string]string{},
			Target:         q.Options.Target,
			BuildPlatforms: []ocispecs.Platform{builder},
		},
		MetaResolver: rec,
	}
	// As in a build without --platform: then it asks for what replaces a stage without a platform.
	if len(q.Options.Platforms) > 0 {
		opt.TargetPlatform = &p
	}
	for name, value := range q.Options.BuildArgs {
		opt.BuildArgs[name] = value
	}
	// The linter does nothing where nobody is told, and a build tells of its first platform only.
	if first {
		opt.Warn = func(string, string, string, string, []parser.Range) {}
	}
	caps := pb.Caps.CapSet(pb.Caps.All())
	opt.LLBCaps = &caps
	if q.Options.NamedContexts == nil || *q.Options.NamedContexts {
		opts := map[string]string{}
		for name, value := range q.Options.BuildContexts {
			opts["context:"+name] = value
		}
		if check, ok := q.Options.BuildArgs["BUILDKIT_DOCKERFILE_CHECK"]; ok {
			opts["build-arg:BUILDKIT_DOCKERFILE_CHECK"] = check
		}
		client, err := dockerui.NewClient(&fakeClient{recorder: rec, opts: gateway.BuildOpts{
			Opts:    opts,
			LLBCaps: caps,
			Caps:    gatewaypb.Caps.CapSet(gatewaypb.Caps.All()),
			Workers: []gateway.WorkerInfo{{Platforms: []ocispecs.Platform{builder}}},
		}})
		if err != nil {
			return err
		}
		opt.Client = client
	}
	res, err := dockerfile2llb.Dockerfile2LLB(ctx, []byte(q.Dockerfile), opt)
	if err != nil {
		return err
	}
	def, err := res.State.Marshal(ctx)
	if err != nil {
		return err
	}
	for _, dt := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(dt); err != nil {
			return err
		}
		if src := op.GetSource(); src != nil {
			if ref, ok := strings.CutPrefix(src.Identifier, "docker-image://"); ok {
				used[ref] = struct{}{}
				rec.pulled(ref, p)
			}
		}
	}
	return nil
}

func sorted(set map[string]struct{}) []string {
	list := []string{}
	for name := range set {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// most is how often one question may ask for an image: BuildKit itself would ask forever for an
// image whose trigger copies from the image.
const most = 5000

type recorder struct {
	onbuild map[string][]string
	asked   map[string]struct{}
	calls   atomic.Int32
	lock    sync.Mutex
}

func (r *recorder) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	if r.calls.Add(1) > most {
		return "", "", nil, errors.New("asked too often")
	}
	p, asked := builder, ""
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		p = *opt.ImageOpt.Platform
		asked = platforms.FormatAll(p)
	}
	if opt.OCILayoutOpt == nil {
		r.lock.Lock()
		r.asked[ref+" "+asked] = struct{}{}
		r.lock.Unlock()
	}
	config := map[string]any{
		"architecture": p.Architecture, "os": p.OS, "variant": p.Variant,
		"config": map[string]any{"OnBuild": r.onbuild[ref], "WorkingDir": "/w"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + strings.Repeat("0", 64)}},
	}
	dt, err := json.Marshal(config)
	return ref, "", dt, err
}

// pulled adds an image that the build uses although the frontend did not ask for it.
func (r *recorder) pulled(ref string, p ocispecs.Platform) {
	for asked := range r.asked {
		if name, _, _ := strings.Cut(asked, " "); name == ref {
			return
		}
	}
	r.asked[ref+" "+platforms.FormatAll(p)] = struct{}{}
}

type fakeClient struct {
	*recorder
	opts gateway.BuildOpts
}

func (c *fakeClient) BuildOpts() gateway.BuildOpts { return c.opts }

func (c *fakeClient) ResolveSourceMetadata(context.Context, *pb.SourceOp, sourceresolver.Opt) (*sourceresolver.MetaResponse, error) {
	return nil, errors.New("nothing is fetched")
}

func (c *fakeClient) Solve(context.Context, gateway.SolveRequest) (*gateway.Result, error) {
	res := gateway.NewResult()
	st := llb.Scratch()
	res.SetRef(emptyRef{st})
	return res, nil
}

func (c *fakeClient) Inputs(context.Context) (map[string]llb.State, error) { return nil, nil }

func (c *fakeClient) NewContainer(context.Context, gateway.NewContainerRequest) (gateway.Container, error) {
	return nil, errors.New("nothing is run")
}

func (c *fakeClient) Warn(context.Context, digest.Digest, string, gateway.WarnOpts) error { return nil }
