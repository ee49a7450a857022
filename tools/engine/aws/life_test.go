package main

import (
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

func waitFor[T any](t *testing.T, what string, happened <-chan T) T {
	t.Helper()
	select {
	case value := <-happened:
		return value
	case <-time.After(patience):
		t.Fatal(what)
		panic("unreachable")
	}
}

func TestAPluginEndsWithTheEngineThatStartedIt(t *testing.T) {
	address, engine := fakeEngine(t)
	ended := make(chan bool, 1)
	if err := endWithEngine(address, func() { ended <- true }); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
		t.Fatal("it ends while its engine answers")
	case <-time.After(2 * heartbeat):
	}
	engine.Stop()
	waitFor(t, "it outlives its engine", ended)
}
