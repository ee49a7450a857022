package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// This process ends when nobody needs it any more. The kernel does not see to that: a killed engine or parent leaves its
// children running.
//
// Started by an engine (its address is the argument): ends when that engine no longer answers (endWithEngine).
// Started by a parent for engines to attach to (no argument): the parent holds the other end of the standard input. When
// that is closed, by the parent's wish or by its death, the plugin still serves the engines that are connected, so that
// an update in flight ends well, and ends when the last of them is gone (serveAttached).
// SIGTERM ends it at once, in both cases.

const heartbeat = 2 * time.Second

func endOnSignal(end func()) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		end()
	}()
}

// endWithEngine calls end as soon as the engine at this address no longer answers.
func endWithEngine(address string, end func()) error {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	go func() {
		defer connection.Close()
		for answers(healthpb.NewHealthClient(connection)) {
			time.Sleep(heartbeat)
		}
		end()
	}()
	return nil
}

// answers asks with a deadline: a suspended engine (SIGSTOP, a laptop's sleep) is not a dead one, so only a refused
// connection counts as dead.
func answers(engine healthpb.HealthClient) bool {
	ctx, cancel := context.WithTimeout(context.Background(), heartbeat)
	defer cancel()
	_, err := engine.Check(ctx, &healthpb.HealthCheckRequest{})
	return status.Code(err) != codes.Unavailable
}
