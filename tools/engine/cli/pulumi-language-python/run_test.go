package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// outputs collects what a language host streams; it fails as gRPC does when two goroutines send at once.
type outputs struct {
	grpc.ServerStream
	ctx      context.Context
	t        *testing.T
	sending  sync.Mutex
	out, bad bytes.Buffer
	exit     int32
}

func (o *outputs) Context() context.Context { return o.ctx }

func (o *outputs) hold() func() {
	if !o.sending.TryLock() {
		o.t.Error("two goroutines send at once")
		return func() {}
	}
	return o.sending.Unlock
}

func (o *outputs) Send(response *pulumirpc.RunPluginResponse) error {
	defer o.hold()()
	o.out.Write(response.GetStdout())
	o.bad.Write(response.GetStderr())
	o.exit = response.GetExitcode()
	return nil
}

// installOutputs is the same for installations.
type installOutputs struct {
	*outputs
}

func (o installOutputs) Send(response *pulumirpc.InstallDependenciesResponse) error {
	defer o.hold()()
	o.out.Write(response.GetStdout())
	o.bad.Write(response.GetStderr())
	return nil
}

// environment makes a virtual environment whose Python is the given shell script.
func environment(t *testing.T, root, script string) map[string]any {
	t.Helper()
	write(t, filepath.Join(root, ".venv", "bin", "python"), "#!/bin/sh\n"+script, 0o700)
	return map[string]any{"toolchain": "pip", "virtualenv": ".venv"}
}

func testHost() *host { return &host{engine: "engine:1", ending: context.Background()} }

func TestAPluginsTwoStreamsAreSentOneAtATime(t *testing.T) {
	root := t.TempDir()
	script := `i=0; while [ $i -lt 300 ]; do echo out; echo bad >&2; i=$((i+1)); done; echo "$MINE" "$@"; exit 3`
	stream := &outputs{ctx: context.Background(), t: t}
	request := &pulumirpc.RunPluginRequest{Info: program(t, root, environment(t, root, script)), Pwd: root, Args: []string{"engine:1"}, Env: []string{"MINE=yes"}}
	if err := testHost().RunPlugin(request, stream); err != nil {
		t.Fatal(err)
	}
	if strings.Count(stream.out.String(), "out\n") != 300 || strings.Count(stream.bad.String(), "bad\n") != 300 || stream.exit != 3 {
		t.Fatal(stream.out.Len(), stream.bad.Len(), stream.exit)
	}
	if want := "yes -u " + root + " engine:1\n"; !strings.HasSuffix(stream.out.String(), want) {
		t.Fatal(stream.out.String()[stream.out.Len()-80:])
	}
}

func TestAPluginEndsWithTheHost(t *testing.T) {
	root := t.TempDir()
	ctx, end := context.WithCancel(context.Background())
	defer end()
	stream := &startedOutputs{outputs: &outputs{ctx: context.Background(), t: t}, started: end}
	request := &pulumirpc.RunPluginRequest{Info: program(t, root, environment(t, root, "echo up; exec sleep 600")), Pwd: root}
	done := make(chan error, 1)
	go func() { done <- (&host{ending: ctx}).RunPlugin(request, stream) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("the plugin outlives its host")
	}
	if stream.out.String() != "up\n" {
		t.Fatalf("it never ran: %q", stream.out.String())
	}
}

// startedOutputs calls a function as soon as the plugin has said something.
type startedOutputs struct {
	*outputs
	started func()
}

func (o *startedOutputs) Send(response *pulumirpc.RunPluginResponse) error {
	defer o.started()
	return o.outputs.Send(response)
}

func TestAMissingEnvironmentIsNamed(t *testing.T) {
	root := t.TempDir()
	_, err := testHost().Run(context.Background(), &pulumirpc.RunRequest{Info: program(t, root, map[string]any{"virtualenv": ".venv"})})
	if err == nil || !strings.Contains(err.Error(), filepath.Join(root, ".venv")) {
		t.Fatal(err)
	}
}

func TestAProgramsEndIsTold(t *testing.T) {
	cases := map[string]struct {
		script string
		bail   bool
		told   string
	}{
		"well":               {"exit 0", false, ""},
		"after its message":  {"exit 32", true, ""},
		"with an error":      {"exit 1", false, "Program exited with non-zero exit code: 1"},
		"killed by a signal": {"kill -9 $$", false, "Program was ended by a signal: signal: killed"},
	}
	for name, c := range cases {
		root := t.TempDir()
		request := &pulumirpc.RunRequest{Info: program(t, root, environment(t, root, c.script)), Pwd: root}
		response, err := testHost().Run(context.Background(), request)
		if err != nil || response.GetBail() != c.bail || response.GetError() != c.told {
			t.Errorf("%s: %v %v", name, response, err)
		}
	}
}

func TestAStackWithoutConfigurationHasAnEmptyOne(t *testing.T) {
	settings, err := programSettings(&pulumirpc.RunRequest{})
	if err != nil || settings[0] != "PULUMI_CONFIG={}" || settings[1] != "PULUMI_CONFIG_SECRET_KEYS=[]" {
		t.Fatal(settings, err)
	}
}

func TestTheProgramGetsItsStackAndItsArguments(t *testing.T) {
	request := &pulumirpc.RunRequest{Info: program(t, "/root", nil), Stack: "staging", DryRun: true, Parallel: 8, Args: []string{"last"}}
	arguments, err := programArguments(request, "engine:1")
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(arguments, " ")
	for _, want := range []string{"pulumi-language-python-exec --monitor", "--engine engine:1", "--stack staging", "--parallel 8", "--dry_run true"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is not in %s", want, all)
		}
	}
	if !strings.HasSuffix(all, " /root last") {
		t.Error(all)
	}
}

func TestTheDebuggerIsRefused(t *testing.T) {
	if _, err := testHost().Run(context.Background(), &pulumirpc.RunRequest{AttachDebugger: true}); err == nil {
		t.Fatal("accepted")
	}
}

// A Python on PATH that is not the one that made the environment must not be run over it.
func TestAnEnvironmentThatIsThereIsTreatedByThePythonThatMadeIt(t *testing.T) {
	root, home, elsewhere := t.TempDir(), t.TempDir(), t.TempDir()
	log := filepath.Join(root, "log")
	maker := "#!/bin/sh\necho maker \"$@\" >> " + log + "\n"
	write(t, filepath.Join(home, "python3.11"), maker, 0o700)
	write(t, filepath.Join(elsewhere, "python3"), "#!/bin/sh\necho another >> "+log+"\n", 0o700)
	options := environment(t, root, "exit 0")
	write(t, filepath.Join(root, ".venv", "pyvenv.cfg"), "home = "+home+"\nversion = 3.11.7\n", 0o600)
	t.Setenv("PATH", elsewhere+string(os.PathListSeparator)+os.Getenv("PATH"))
	stream := installOutputs{&outputs{ctx: context.Background(), t: t}}
	if err := testHost().InstallDependencies(&pulumirpc.InstallDependenciesRequest{Info: program(t, root, options)}, stream); err != nil {
		t.Fatal(err)
	}
	said, err := os.ReadFile(log)
	if err != nil || !strings.HasPrefix(string(said), "maker -m venv ") || strings.Contains(string(said), "another") {
		t.Fatalf("%s %v", said, err)
	}
	if value, was := os.LookupEnv(pythonCommand); was {
		t.Fatal(value)
	}
}

func TestAnEnvironmentWhoseMakerIsGoneIsLeftAlone(t *testing.T) {
	root := t.TempDir()
	options := environment(t, root, "exit 0")
	write(t, filepath.Join(root, ".venv", "pyvenv.cfg"), "home = "+filepath.Join(root, "gone")+"\nversion = 3.11.7\n", 0o600)
	stream := installOutputs{&outputs{ctx: context.Background(), t: t}}
	err := testHost().InstallDependencies(&pulumirpc.InstallDependenciesRequest{Info: program(t, root, options)}, stream)
	if err == nil || !strings.Contains(err.Error(), "make it anew") {
		t.Fatal(err)
	}
}

func TestRunResponsePassesOtherErrorsOn(t *testing.T) {
	if _, err := runResponse(exec.ErrNotFound); err == nil {
		t.Fatal("swallowed")
	}
}
