package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// exitedAfterMessage is how pulumi-language-python-exec ends when the program has already shown its user what is wrong.
const exitedAfterMessage = 32

// Run runs the program to its end.
func (h *host) Run(ctx context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	if request.GetAttachDebugger() {
		return nil, errors.New("--attach-debugger is not supported by this language host")
	}
	tc, err := python(request.GetInfo())
	if err != nil {
		return nil, err
	}
	if err := tc.ValidateVenv(ctx); err != nil {
		return nil, err
	}
	arguments, err := programArguments(request, h.engine)
	if err != nil {
		return nil, err
	}
	settings, err := programSettings(request)
	if err != nil {
		return nil, err
	}
	ctx, cancel := h.untilHostEnds(ctx)
	defer cancel()
	cmd, err := tc.Command(ctx, arguments...)
	if err != nil {
		return nil, err
	}
	endGently(cmd)
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, settings...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return runResponse(cmd.Run())
}

// programArguments are those of pulumi-language-python-exec, which lies beside this host.
func programArguments(request *pulumirpc.RunRequest, engine string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	info := request.GetInfo()
	arguments := []string{
		"-u", filepath.Join(filepath.Dir(self), "pulumi-language-python-exec"),
		"--monitor", request.GetMonitorAddress(), "--engine", engine,
		"--project", request.GetProject(), "--stack", request.GetStack(), "--organization", request.GetOrganization(),
		"--root_directory", info.GetRootDirectory(), "--pwd", request.GetPwd(),
		"--parallel", fmt.Sprint(request.GetParallel()), "--dry_run", fmt.Sprint(request.GetDryRun()),
		filepath.Join(info.GetProgramDirectory(), info.GetEntryPoint()),
	}
	return append(arguments, request.GetArgs()...), nil
}

// programSettings are the variables by which the SDK reads the stack's configuration. A stack without any has an empty
// one: the SDK takes no `null`.
func programSettings(request *pulumirpc.RunRequest) ([]string, error) {
	config, secretKeys := request.GetConfig(), request.GetConfigSecretKeys()
	if config == nil {
		config = map[string]string{}
	}
	if secretKeys == nil {
		secretKeys = []string{}
	}
	values, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	keys, err := json.Marshal(secretKeys)
	if err != nil {
		return nil, err
	}
	return []string{"PULUMI_CONFIG=" + string(values), "PULUMI_CONFIG_SECRET_KEYS=" + string(keys)}, nil
}

// runResponse says how the program ended in the engine's terms.
func runResponse(err error) (*pulumirpc.RunResponse, error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == exitedAfterMessage:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case errors.As(err, &exit) && exit.ExitCode() < 0:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("Program was ended by a signal: %s", exit)}, nil
	case errors.As(err, &exit):
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("Program exited with non-zero exit code: %d", exit.ExitCode())}, nil
	default:
		return nil, err
	}
}

// RunPlugin runs a policy pack or a component package.
func (h *host) RunPlugin(request *pulumirpc.RunPluginRequest, stream pulumirpc.LanguageRuntime_RunPluginServer) error {
	if request.GetAttachDebugger() {
		return errors.New("--attach-debugger is not supported by this language host")
	}
	tc, err := python(request.GetInfo())
	if err != nil {
		return err
	}
	if err := tc.ValidateVenv(stream.Context()); err != nil {
		return err
	}
	program := filepath.Join(request.GetInfo().GetProgramDirectory(), request.GetInfo().GetEntryPoint())
	ctx, cancel := h.untilHostEnds(stream.Context())
	defer cancel()
	cmd, err := tc.Command(ctx, append([]string{"-u", program}, request.GetArgs()...)...)
	if err != nil {
		return err
	}
	endGently(cmd)
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Dir, cmd.Env = request.GetPwd(), append(cmd.Env, request.GetEnv()...)
	cmd.Stdout, cmd.Stderr = senders(
		func(b []byte) error {
			return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stdout{Stdout: b}})
		},
		func(b []byte) error {
			return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stderr{Stderr: b}})
		})
	var exit *exec.ExitError
	if err = cmd.Run(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(cmd.ProcessState.ExitCode())}})
}

// untilHostEnds is done when the request is cancelled, and when the host ends.
func (h *host) untilHostEnds(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	forget := context.AfterFunc(h.ending, cancel)
	return ctx, func() { forget(); cancel() }
}

// endGently asks the process to end when its context is done, and kills it when it has not done so within 5 seconds.
func endGently(cmd *exec.Cmd) {
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
}

// senders makes two writers of one stream, which must not be sent to by two goroutines at once.
func senders(out, bad func([]byte) error) (io.Writer, io.Writer) {
	var mutex sync.Mutex
	locked := func(send func([]byte) error) sender {
		return func(b []byte) error {
			mutex.Lock()
			defer mutex.Unlock()
			return send(append([]byte(nil), b...))
		}
	}
	return locked(out), locked(bad)
}

type sender func([]byte) error

func (s sender) Write(b []byte) (int, error) {
	if err := s(b); err != nil {
		return 0, err
	}
	return len(b), nil
}
