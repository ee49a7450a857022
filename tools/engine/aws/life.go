package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

const heartbeat = 2 * time.Second

// life ends this process, and the provider process with it, when nobody needs it any more. The kernel does not: a killed
// engine or parent leaves its children running.
//
// Started by an engine (its address is the argument): ends when that engine no longer answers.
// Started by a parent for engines to attach to (no argument): the parent holds the other end of the standard input. When
// that is closed, by the parent's wish or its death, the plugin still serves the engines that are attached, so that an
// update in flight ends well, and ends when the last of them is gone.
// SIGTERM ends it at once, in both cases.
type life struct {
	end     func()
	mutex   sync.Mutex
	engines []healthpb.HealthClient
}

func newLife(end func()) *life { return &life{end: end} }

func (l *life) endOnSignal() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		l.end()
	}()
}

// attach makes an engine one of those that are served.
func (l *life) attach(address string) error {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.engines = append(l.engines, healthpb.NewHealthClient(connection))
	return nil
}

// endWithEngines ends the process as soon as no attached engine answers.
func (l *life) endWithEngines() {
	for l.isNeeded() {
		time.Sleep(heartbeat)
	}
	l.end()
}

// endWithParent waits for the end of the parent's pipe, then for the engines.
func (l *life) endWithParent(pipe io.Reader) {
	_, _ = io.Copy(io.Discard, pipe) // whatever ends it, nobody is there any more
	l.endWithEngines()
}

func (l *life) isNeeded() bool {
	l.mutex.Lock()
	engines := append([]healthpb.HealthClient(nil), l.engines...)
	l.mutex.Unlock()
	for _, engine := range engines {
		if answers(engine) {
			return true
		}
	}
	return false
}

// answers asks with a deadline: a suspended engine (SIGSTOP, a laptop's sleep) is not a dead one, so only a refused
// connection counts as dead.
func answers(engine healthpb.HealthClient) bool {
	ctx, cancel := context.WithTimeout(context.Background(), heartbeat)
	defer cancel()
	_, err := engine.Check(ctx, &healthpb.HealthCheckRequest{})
	return status.Code(err) != codes.Unavailable
}
