package imagefactory

import (
	"encoding/json"
	"fmt"
)

// Tree is a factory's folder: paths to texts.
type Tree map[string]string

// Request is what a host asks.
type Request struct {
	ABI  int    `json:"abi"`
	Verb string `json:"verb"`
	Args any    `json:"args,omitempty"`
	// Now is RFC 3339 in UTC, to the second.
	Now     string  `json:"now,omitempty"`
	Tree    Tree    `json:"tree,omitempty"`
	Fetched Fetched `json:"fetched"`
}

// Answer is what the module says.
type Answer struct {
	Needs *Needs `json:"needs"`
	// Files are the changed ones; nil deletes one.
	Files       map[string]*string `json:"files"`
	Manifests   []json.RawMessage  `json:"manifests"`
	Output      json.RawMessage    `json:"output"`
	Diagnostics []Diagnostic       `json:"diagnostics"`
	Messages    []string           `json:"messages"`
	Exit        int                `json:"exit"`
}

// Diagnostic is one thing that was found, and where.
type Diagnostic struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Length   int    `json:"length"`
	Source   string `json:"source"`
	Hint     string `json:"hint"`
}

func (d Diagnostic) String() string {
	if d.File == "" {
		return fmt.Sprintf("%s (%s)", d.Message, d.Code)
	}
	return fmt.Sprintf("%s:%d:%d: %s (%s)", d.File, d.Line, d.Column, d.Message, d.Code)
}

// Needs is what a host must fetch before it asks again.
type Needs struct {
	Git      []GitNeed      `json:"git"`
	Registry []RegistryNeed `json:"registry"`
	CI       []CINeed       `json:"ci"`
}

// GitNeed is some files of one repository at one reference, which is empty for the remote's HEAD.
type GitNeed struct {
	URL       string   `json:"url"`
	Reference string   `json:"reference"`
	Paths     []string `json:"paths"`
}

// RegistryNeed is one document of a registry; its kind is head, manifest or blob.
type RegistryNeed struct {
	Image string `json:"image"`
	Kind  string `json:"kind"`
}

// CINeed is one question to the API of CI: the provider is github or gitlab, and the path what
// follows the API's URL.
type CINeed struct {
	Provider string `json:"provider"`
	Path     string `json:"path"`
}

// Fetched is what a host fetched so far.
type Fetched struct {
	Git      []GitFetched      `json:"git,omitempty"`
	Registry []RegistryFetched `json:"registry,omitempty"`
	CI       []CIFetched       `json:"ci,omitempty"`
}

// GitFetched answers one GitNeed; a file that the commit lacks is nil.
type GitFetched struct {
	URL       string             `json:"url"`
	Reference string             `json:"reference"`
	Commit    string             `json:"commit,omitempty"`
	Files     map[string]*string `json:"files"`
	Error     string             `json:"error,omitempty"`
}

// RegistryFetched answers one RegistryNeed.
type RegistryFetched struct {
	Image     string `json:"image"`
	Kind      string `json:"kind"`
	Digest    string `json:"digest,omitempty"`
	MediaType string `json:"mediaType,omitempty"`
	Text      string `json:"text,omitempty"`
	Error     string `json:"error,omitempty"`
	// Reason is unreachable, limited, denied, missing or refused.
	Reason string `json:"reason,omitempty"`
}

// CIFetched answers one CINeed.
type CIFetched struct {
	Provider string `json:"provider"`
	Path     string `json:"path"`
	Text     string `json:"text,omitempty"`
	Error    string `json:"error,omitempty"`
	// Reason is one of those that RegistryFetched has.
	Reason string `json:"reason,omitempty"`
}

// About is what the module is.
type About struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`
	ABI     int      `json:"abi"`
	Verbs   []string `json:"verbs"`
	// Schemas are the digests of the JSON Schemas, by name: envelope, factory, images, state.
	Schemas map[string]string `json:"schemas"`
}

// Build is what a build says beside its Dockerfile.
type Build struct {
	Args     map[string]string `json:"buildArgs,omitempty"`
	Target   string            `json:"target,omitempty"`
	Platform []string          `json:"platforms,omitempty"`
	Contexts map[string]string `json:"buildContexts,omitempty"`
}

// Bases are the images that a Dockerfile needs.
type Bases struct {
	File       string       `json:"file"`
	Images     []BaseImage  `json:"images"`
	Unresolved []Unresolved `json:"unresolved"`
	// Diagnostics are BuildKit's errors, and ours.
	Diagnostics []Diagnostic `json:"diagnostics"`
}

// BaseImage is one of them.
type BaseImage struct {
	Reference string   `json:"reference"`
	Platform  string   `json:"platform"`
	Roles     []string `json:"roles"`
	Used      bool     `json:"used"`
	Where     []Place  `json:"where"`
	Arguments []string `json:"arguments"`
}

// Unresolved is an image that depends on an argument without a value.
type Unresolved struct {
	Place
	Argument string `json:"argument"`
	Used     bool   `json:"used"`
	Text     string `json:"text"`
}

// Place is from 1, in characters.
type Place struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}
