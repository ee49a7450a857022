package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/protobuf/types/known/structpb"
)

func program(t *testing.T, root string, options map[string]any) *pulumirpc.ProgramInfo {
	t.Helper()
	fields, err := structpb.NewStruct(options)
	if err != nil {
		t.Fatal(err)
	}
	return &pulumirpc.ProgramInfo{RootDirectory: root, ProgramDirectory: root, EntryPoint: ".", Options: fields}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func TestEachToolchainOptionMeansItsToolchain(t *testing.T) {
	for name, want := range map[string]any{"pip": toolchain.Pip, "uv": toolchain.Uv, "poetry": toolchain.Poetry} {
		got, err := pythonOptions(program(t, "/root", map[string]any{"toolchain": name, "virtualenv": "env"}))
		if err != nil || any(got.Toolchain) != want || got.Virtualenv != "env" || got.Root != "/root" {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	got, err := pythonOptions(program(t, "/root", nil))
	if err != nil || got.Toolchain != toolchain.Pip {
		t.Errorf("without options: %v %v", got, err)
	}
}

func TestOptionsWithoutEffectAreRefusedByName(t *testing.T) {
	for _, options := range []map[string]any{{"typechecker": "mypy"}, {"toolchain": "conda"}} {
		_, err := pythonOptions(program(t, "/root", options))
		if err == nil || !(strings.Contains(err.Error(), "typechecker") || strings.Contains(err.Error(), "conda")) {
			t.Errorf("%v: %v", options, err)
		}
	}
}

func TestAnEnvironmentSaysWhatItIs(t *testing.T) {
	folder := t.TempDir()
	for _, content := range []string{"home = /opt/bin\nversion = 3.11.7\n", "home=/opt/bin\nimplementation = CPython\nversion_info = 3.11.7\n"} {
		write(t, filepath.Join(folder, "pyvenv.cfg"), content, 0o600)
		made, err := readVirtualenv(folder)
		if err != nil || made != (madeBy{home: "/opt/bin", version: "3.11.7"}) {
			t.Errorf("%v %v", made, err)
		}
	}
	write(t, filepath.Join(folder, "pyvenv.cfg"), "home = /opt/bin\n", 0o600)
	if _, err := readVirtualenv(folder); err == nil {
		t.Error("a file without version is taken")
	}
}

func TestAboutReadsTheEnvironmentAndAsksNoPython(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, ".venv", "pyvenv.cfg"), "home = /nowhere\nversion = 3.11.7\n", 0o600)
	about, err := (&host{}).About(context.Background(), &pulumirpc.AboutRequest{Info: program(t, root, map[string]any{"virtualenv": ".venv"})})
	if err != nil {
		t.Fatal(err)
	}
	if about.Version != "3.11.7" || about.Executable != filepath.Join(root, ".venv", "bin", "python") {
		t.Fatal(about)
	}
}

func TestTheMakerOfAnEnvironmentIsItsOwnVersion(t *testing.T) {
	home := t.TempDir()
	write(t, filepath.Join(home, "python3"), "", 0o700)
	if got, err := (madeBy{home: home, version: "3.11.7"}).maker(); err != nil || got != filepath.Join(home, "python3") {
		t.Error(got, err)
	}
	write(t, filepath.Join(home, "python3.11"), "", 0o700)
	if got, err := (madeBy{home: home, version: "3.11.7"}).maker(); err != nil || got != filepath.Join(home, "python3.11") {
		t.Error(got, err)
	}
	if _, err := (madeBy{home: filepath.Join(home, "gone"), version: "3.11.7"}).maker(); err == nil || !strings.Contains(err.Error(), "3.11.7") {
		t.Error(err)
	}
}
