package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

// numbered is a plugin that says which one it is.
type numbered struct {
	pulumirpc.UnimplementedResourceProviderServer
	number int
}

func (n numbered) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: fmt.Sprint(n.number)}, nil
}

// parent starts serveAttached as a runner does: it reads the port and holds the input.
type parent struct {
	address          string
	input            *io.PipeWriter
	ended            chan error
	started, stopped atomic.Int32
}

func newParent(t *testing.T) *parent {
	t.Helper()
	p := &parent{ended: make(chan error, 1)}
	input, held := io.Pipe()
	printed, output := io.Pipe()
	p.input = held
	start := func() (plugin, error) {
		return plugin{server: numbered{number: int(p.started.Add(1))}, stop: func() { p.stopped.Add(1) }}, nil
	}
	go func() { p.ended <- serveAttached(start, input, output) }()
	line, err := bufio.NewReader(printed).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	p.address = "127.0.0.1:" + strings.TrimSpace(line)
	t.Cleanup(func() { held.Close() })
	return p
}

// engine is an engine's connection.
type engine struct {
	*grpc.ClientConn
}

func (p *parent) connect(t *testing.T) engine {
	t.Helper()
	connection, err := grpc.NewClient(p.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return engine{connection}
}

// servedBy gives the number of the plugin that serves the engine.
func (e engine) servedBy(t *testing.T) string {
	t.Helper()
	info, err := pulumirpc.NewResourceProviderClient(e).GetPluginInfo(context.Background(), &emptypb.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	return info.GetVersion()
}

func TestEachConnectionHasAProviderOfItsOwn(t *testing.T) {
	p := newParent(t)
	one, two := p.connect(t), p.connect(t)
	if first, second, again := one.servedBy(t), two.servedBy(t), one.servedBy(t); first != "1" || second != "2" || again != "1" {
		t.Fatal(first, second, again)
	}
	one.Close()
	two.Close()
	p.input.Close()
	if err := waitFor(t, "it outlives parent and engines", p.ended); err != nil {
		t.Fatal(err)
	}
	if p.stopped.Load() != 2 {
		t.Fatal("a provider is left running")
	}
}

func TestAnOrphanServesTheConnectedEngineToItsEnd(t *testing.T) {
	p := newParent(t)
	connected := p.connect(t)
	connected.servedBy(t)
	p.input.Close()
	for range 100 {
		connected.servedBy(t)
	}
	connected.Close()
	if err := waitFor(t, "it outlives parent and engine", p.ended); err != nil {
		t.Fatal(err)
	}
}

func TestAnOrphanThatNobodyUsedEndsItsEarlyProvider(t *testing.T) {
	p := newParent(t)
	p.input.Close()
	if err := waitFor(t, "it outlives its parent", p.ended); err != nil {
		t.Fatal(err)
	}
	if p.started.Load() != 1 || p.stopped.Load() != 1 {
		t.Fatal(p.started.Load(), p.stopped.Load())
	}
}

func TestAProviderThatDoesNotStartIsAnErrorOfItsConnection(t *testing.T) {
	broken := errors.New("no provider")
	e := startEarly(func() (plugin, error) { return plugin{}, broken })
	for range 2 {
		if _, err := e.take(); !errors.Is(err, broken) {
			t.Fatal(err)
		}
	}
	e.stopUnused()
}
