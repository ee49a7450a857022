package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string          // the address of the engine that started this host
	ending context.Context // done when the host is to end: so are then the processes it started
}

func (h *host) Handshake(context.Context, *pulumirpc.LanguageHandshakeRequest) (*pulumirpc.LanguageHandshakeResponse, error) {
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

func (h *host) GetRequiredPackages(context.Context, *pulumirpc.GetRequiredPackagesRequest) (*pulumirpc.GetRequiredPackagesResponse, error) {
	return &pulumirpc.GetRequiredPackagesResponse{}, nil
}

func (h *host) GetRequiredPlugins(context.Context, *pulumirpc.GetRequiredPluginsRequest) (*pulumirpc.GetRequiredPluginsResponse, error) {
	return &pulumirpc.GetRequiredPluginsResponse{}, nil
}

func (h *host) RuntimeOptionsPrompts(context.Context, *pulumirpc.RuntimeOptionsRequest) (*pulumirpc.RuntimeOptionsResponse, error) {
	return &pulumirpc.RuntimeOptionsResponse{}, nil
}

func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// About is asked at each run. A virtual environment says of itself what it is; only without one is Python asked, which
// takes half a second.
func (h *host) About(ctx context.Context, request *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	options, err := pythonOptions(request.GetInfo())
	if err != nil {
		return nil, err
	}
	if folder := virtualenvFolder(options); folder != "" {
		if made, err := readVirtualenv(folder); err == nil {
			return &pulumirpc.AboutResponse{Executable: filepath.Join(folder, "bin", "python"), Version: made.version}, nil
		}
	}
	tc, err := python(request.GetInfo())
	if err != nil {
		return nil, err
	}
	about, err := tc.About(ctx)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.AboutResponse{Executable: about.PythonExecutable, Version: about.PythonVersion.String()}, nil
}

func (h *host) GetProgramDependencies(ctx context.Context, request *pulumirpc.GetProgramDependenciesRequest) (*pulumirpc.GetProgramDependenciesResponse, error) {
	tc, err := python(request.GetInfo())
	if err != nil {
		return nil, err
	}
	packages, err := tc.ListPackages(ctx, request.GetTransitiveDependencies())
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, p := range packages {
		response.Dependencies = append(response.Dependencies, &pulumirpc.DependencyInfo{Name: p.Name, Version: p.Version})
	}
	return response, nil
}

// pythonCommand is the variable by which the toolchain package finds the Python to make environments with.
const pythonCommand = "PULUMI_PYTHON_CMD"

// installing keeps two installations of this process from setting each other's pythonCommand.
var installing sync.Mutex

// InstallDependencies fills the environment, and makes it where there is none. One that is there is only ever treated
// with the Python that made it.
func (h *host) InstallDependencies(request *pulumirpc.InstallDependenciesRequest, stream pulumirpc.LanguageRuntime_InstallDependenciesServer) error {
	options, err := pythonOptions(request.GetInfo())
	if err != nil {
		return err
	}
	installing.Lock()
	defer installing.Unlock()
	if folder := virtualenvFolder(options); folder != "" {
		made, err := readVirtualenv(folder)
		if err == nil {
			maker, err := made.maker()
			if err != nil {
				return fmt.Errorf("%s: %w", folder, err)
			}
			defer restore(pythonCommand)()
			os.Setenv(pythonCommand, maker)
		} else if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%s: %w", folder, err)
		}
	}
	tc, err := python(request.GetInfo())
	if err != nil {
		return err
	}
	out, bad := senders(
		func(b []byte) error { return stream.Send(&pulumirpc.InstallDependenciesResponse{Stdout: b}) },
		func(b []byte) error { return stream.Send(&pulumirpc.InstallDependenciesResponse{Stderr: b}) })
	return tc.InstallDependencies(stream.Context(), request.GetInfo().GetProgramDirectory(), request.GetUseLanguageVersionTools(), true, out, bad)
}

// restore gives a function that sets the variable back to what it is now.
func restore(variable string) func() {
	value, was := os.LookupEnv(variable)
	return func() {
		if was {
			os.Setenv(variable, value)
		} else {
			os.Unsetenv(variable)
		}
	}
}
