// Command pulumi-language-python is a Pulumi language host for Python, over the SDK's own Python toolchain package (pip,
// poetry and uv environments). It stands in where the official host, whose module the Go proxy does not serve, cannot be
// downloaded, and must be on PATH beside `pulumi-language-python-exec` of the SDK's module.
//
// Left out, each with an error or an empty answer: the debugger, package generation, Link, GetRequiredPackages (plugins
// must be installed).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

func main() {
	flag.String("tracing", "", "ignored")
	flag.String("root", "", "ignored: every request says it")
	flag.Parse()
	if err := serve(context.Background(), flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-language-python:", err)
		os.Exit(1)
	}
}

// serve answers until a signal, or until the engine no longer answers: a killed engine ends none of its children.
func serve(ctx context.Context, engine string) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if engine != "" {
		if err := rpcutil.Healthcheck(ctx, engine, 2*time.Second, stop); err != nil {
			return err
		}
	}
	cancel := make(chan bool)
	context.AfterFunc(ctx, func() { close(cancel) })
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(s *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(s, &host{engine: engine, ending: ctx})
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(handle.Port)
	return <-handle.Done
}
