package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
)

var knownOptions = []string{"toolchain", "virtualenv"}

// pythonOptions reads Pulumi.yaml's runtime options. An option that has no effect here is refused, not passed over.
func pythonOptions(info *pulumirpc.ProgramInfo) (toolchain.PythonOptions, error) {
	options := toolchain.PythonOptions{Root: info.GetRootDirectory(), ProgramDir: info.GetProgramDirectory()}
	fields := info.GetOptions().GetFields()
	for name := range fields {
		if !slices.Contains(knownOptions, name) {
			return options, fmt.Errorf("runtime option %q is not supported by this language host; it knows %s", name, strings.Join(knownOptions, " and "))
		}
	}
	options.Virtualenv = fields["virtualenv"].GetStringValue()
	switch name := fields["toolchain"].GetStringValue(); name {
	case "", "pip":
		options.Toolchain = toolchain.Pip
	case "uv":
		options.Toolchain = toolchain.Uv
	case "poetry":
		options.Toolchain = toolchain.Poetry
	default:
		return options, fmt.Errorf("runtime option toolchain is %q; use pip, uv or poetry", name)
	}
	return options, nil
}

// python resolves the environment that the runtime options name.
func python(info *pulumirpc.ProgramInfo) (toolchain.Toolchain, error) {
	options, err := pythonOptions(info)
	if err != nil {
		return nil, err
	}
	return toolchain.ResolveToolchain(options)
}

// madeBy is what a virtual environment says of itself in its pyvenv.cfg.
type madeBy struct {
	home    string // folder of the Python that made it
	version string
}

// virtualenvFolder gives the environment that the options name, or "" where the toolchain finds its own.
func virtualenvFolder(options toolchain.PythonOptions) string {
	if options.Toolchain != toolchain.Pip || options.Virtualenv == "" || filepath.IsAbs(options.Virtualenv) {
		return options.Virtualenv
	}
	return filepath.Join(options.Root, options.Virtualenv)
}

// readVirtualenv reads pyvenv.cfg (https://docs.python.org/3/library/venv.html; uv writes version_info for version).
func readVirtualenv(folder string) (madeBy, error) {
	file, err := os.Open(filepath.Join(folder, "pyvenv.cfg"))
	if err != nil {
		return madeBy{}, err
	}
	defer file.Close()
	var found madeBy
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "=")
		switch strings.TrimSpace(key) {
		case "home":
			found.home = strings.TrimSpace(value)
		case "version", "version_info":
			found.version = strings.TrimSpace(value)
		}
	}
	if err := lines.Err(); err != nil {
		return madeBy{}, err
	}
	if found.home == "" || found.version == "" {
		return madeBy{}, errors.New("pyvenv.cfg names no home or no version")
	}
	return found, nil
}

// maker finds the Python that made the environment. `pulumi install` runs `python -m venv` over an environment that is
// already there; with another Python than the one that made it, that breaks it for good.
func (m madeBy) maker() (string, error) {
	minor := strings.Join(strings.SplitN(m.version, ".", 3)[:min(2, strings.Count(m.version, ".")+1)], ".")
	for _, name := range []string{"python" + minor, "python3", "python"} {
		path := filepath.Join(m.home, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, nil
		}
	}
	return "", fmt.Errorf("the Python %s that made this virtual environment is no longer in %s; remove the environment and make it anew", m.version, m.home)
}
