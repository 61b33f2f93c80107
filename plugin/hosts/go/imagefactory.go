// Package imagefactory runs the module of Image Factory on wazero: a factory's files in, Kargo
// resources, state and base images out.
//
// An Engine is compiled once and may be used by many goroutines; each call has an instance of its
// own, so that no call sees what another left.
package imagefactory

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// ABIVersion is the version of the envelope.
const ABIVersion = 1

// maxRounds is how often an answer may ask for more.
const maxRounds = 8

// maxPages bounds the memory of one call: 1 GiB.
const maxPages = 16384

//go:embed plugin.wasm
var module []byte

// Engine is the compiled module.
type Engine struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
}

// New compiles the module that is embedded in this package. A context that ends stops a call.
func New(ctx context.Context) (*Engine, error) {
	return NewFrom(ctx, module)
}

// NewFrom compiles another module.
func NewFrom(ctx context.Context, module []byte) (*Engine, error) {
	config := wazero.NewRuntimeConfig().WithMemoryLimitPages(maxPages).WithCloseOnContextDone(true)
	runtime := wazero.NewRuntimeWithConfig(ctx, config)
	compiled, err := runtime.CompileModule(ctx, module)
	if err == nil {
		err = stub(ctx, runtime, compiled)
	}
	if err != nil {
		return nil, errors.Join(err, runtime.Close(ctx))
	}
	return &Engine{runtime, compiled}, nil
}

// stub gives the module the functions of Extism that it imports. The plain ABI calls none of them.
func stub(ctx context.Context, runtime wazero.Runtime, compiled wazero.CompiledModule) error {
	builder := runtime.NewHostModuleBuilder("extism:host/env")
	for _, function := range compiled.ImportedFunctions() {
		from, name, _ := function.Import()
		if from != "extism:host/env" {
			return fmt.Errorf("the module imports %s %s, which it may not", from, name)
		}
		refuse := api.GoFunc(func(context.Context, []uint64) {
			panic("the plain ABI calls no function of Extism")
		})
		builder.NewFunctionBuilder().
			WithGoFunction(refuse, function.ParamTypes(), function.ResultTypes()).
			Export(name)
	}
	_, err := builder.Instantiate(ctx)
	return err
}

// Close frees what the engine holds.
func (e *Engine) Close(ctx context.Context) error {
	return e.runtime.Close(ctx)
}

// Call answers the bytes of a JSON request with those of a JSON answer, whatever the bytes are. An
// error is the host's: the context ended, or the memory.
func (e *Engine) Call(ctx context.Context, request []byte) ([]byte, error) {
	instance, err := e.runtime.InstantiateModule(ctx, e.compiled, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return nil, err
	}
	defer instance.Close(ctx)
	length := uint64(len(request))
	at, err := instance.ExportedFunction("if_alloc").Call(ctx, length)
	if err != nil {
		return nil, err
	}
	// 0 says that the request is too long; if_call then answers just that.
	if at[0] != 0 && !instance.Memory().Write(uint32(at[0]), request) {
		return nil, errors.New("the module gave a buffer outside its memory")
	}
	packed, err := instance.ExportedFunction("if_call").Call(ctx, at[0], length)
	if err != nil {
		return nil, err
	}
	answer, ok := instance.Memory().Read(uint32(packed[0]>>32), uint32(packed[0]))
	if !ok {
		return nil, errors.New("the module answered outside its memory")
	}
	// The memory goes away with the instance, and both buffers with it.
	return append([]byte(nil), answer...), nil
}

// Ask sends one request; the answer may ask for more with Needs.
func (e *Engine) Ask(ctx context.Context, request Request) (*Answer, error) {
	request.ABI = ABIVersion
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	bytes, err := e.Call(ctx, text)
	if err != nil {
		return nil, err
	}
	answer := new(Answer)
	return answer, json.Unmarshal(bytes, answer)
}

// Fetch gets what an answer asks for.
type Fetch func(context.Context, Needs) (Fetched, error)

// Run asks, fetches what is needed and asks again. What is wrong with the files is an *Error.
func (e *Engine) Run(ctx context.Context, request Request, fetch Fetch) (*Answer, error) {
	for range maxRounds {
		answer, err := e.Ask(ctx, request)
		if err != nil {
			return nil, err
		}
		if answer.Needs == nil {
			if answer.Exit != 0 {
				return answer, &Error{answer}
			}
			return answer, nil
		}
		if fetch == nil {
			return nil, errors.New("the module asks for files, and there is nothing to fetch them")
		}
		more, err := fetch(ctx, *answer.Needs)
		if err != nil {
			return nil, err
		}
		request.Fetched.Git = append(request.Fetched.Git, more.Git...)
		request.Fetched.Registry = append(request.Fetched.Registry, more.Registry...)
		request.Fetched.CI = append(request.Fetched.CI, more.CI...)
	}
	return nil, fmt.Errorf("the module still asks for more after %d rounds", maxRounds)
}

// About says what the module is.
func (e *Engine) About(ctx context.Context) (*About, error) {
	answer, err := e.Run(ctx, Request{Verb: "about"}, nil)
	if err != nil {
		return nil, err
	}
	about := new(About)
	return about, json.Unmarshal(answer.Output, about)
}

// Generate renders a factory's files as Kubernetes objects.
func (e *Engine) Generate(ctx context.Context, tree Tree) ([]json.RawMessage, error) {
	answer, err := e.Run(ctx, Request{Verb: "generate", Tree: tree}, nil)
	if err != nil {
		return nil, err
	}
	return answer.Manifests, nil
}

// Bases says which images a Dockerfile needs. What is wrong with it stands in Bases.Diagnostics.
func (e *Engine) Bases(ctx context.Context, dockerfile string, build Build) (*Bases, error) {
	type file struct {
		File string `json:"file"`
		Text string `json:"text"`
	}
	args := struct {
		Files []file `json:"files"`
		Build
	}{[]file{{"Dockerfile", dockerfile}}, build}
	answer, err := e.Ask(ctx, Request{Verb: "bases", Args: args})
	if err != nil {
		return nil, err
	}
	if answer.Output == nil {
		return nil, &Error{answer}
	}
	var all []Bases
	if err := json.Unmarshal(answer.Output, &all); err != nil {
		return nil, err
	}
	return &all[0], nil
}

// Error is an answer whose exit code is not 0.
type Error struct {
	Answer *Answer
}

func (e *Error) Error() string {
	var lines []string
	for _, found := range e.Answer.Diagnostics {
		if found.Severity == "error" {
			lines = append(lines, found.String())
		}
	}
	if len(lines) == 0 {
		return fmt.Sprintf("the answer's exit code is %d", e.Answer.Exit)
	}
	return strings.Join(lines, "\n")
}
