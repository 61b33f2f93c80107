package main

import (
	"context"
	"os"

	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// emptyRef is a directory without files: the build context, as far as BuildKit looks into it.
type emptyRef struct{ state llb.State }

func (r emptyRef) ToState() (llb.State, error) { return r.state, nil }

func (r emptyRef) Evaluate(context.Context) error { return nil }

func (r emptyRef) ReadFile(context.Context, gateway.ReadRequest) ([]byte, error) {
	return nil, os.ErrNotExist
}

func (r emptyRef) StatFile(context.Context, gateway.StatRequest) (*fstypes.Stat, error) {
	return nil, os.ErrNotExist
}

func (r emptyRef) ReadDir(context.Context, gateway.ReadDirRequest) ([]*fstypes.Stat, error) {
	return nil, nil
}
