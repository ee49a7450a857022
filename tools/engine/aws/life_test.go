package main

import (
	"io"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// patience is how long a test waits for what must happen; it is never waited out when all is well.
const patience = 30 * time.Second

// fakeEngine answers health checks until it is stopped.
func fakeEngine(t *testing.T) (string, *grpc.Server) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String(), server
}

func waitFor(t *testing.T, what string, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal(what)
	}
}

func TestAPluginEndsWithTheEngineThatStartedIt(t *testing.T) {
	address, engine := fakeEngine(t)
	ended := make(chan struct{})
	l := newLife(func() { close(ended) })
	if err := l.attach(address); err != nil {
		t.Fatal(err)
	}
	if !l.isNeeded() {
		t.Fatal("an engine that answers does not count")
	}
	go l.endWithEngines()
	engine.Stop()
	waitFor(t, "it outlives its engine", ended)
}

func TestAnOrphanServesTheAttachedEngineToItsEnd(t *testing.T) {
	address, engine := fakeEngine(t)
	ended := make(chan struct{})
	l := newLife(func() { close(ended) })
	parent, parentsEnd := io.Pipe()
	go l.endWithParent(parent)
	if err := l.attach(address); err != nil {
		t.Fatal(err)
	}
	parentsEnd.Close()
	if !l.isNeeded() {
		t.Fatal("an attached engine does not count")
	}
	engine.Stop()
	waitFor(t, "it outlives parent and engine", ended)
}

func TestAnOrphanWithoutEngineEnds(t *testing.T) {
	ended := make(chan struct{})
	parent, parentsEnd := io.Pipe()
	go newLife(func() { close(ended) }).endWithParent(parent)
	parentsEnd.Close()
	waitFor(t, "it outlives its parent", ended)
}
