// Command pulumi-resource-aws is a Pulumi plugin over a terraform-provider-aws binary, with pulumi-aws's own tokens and
// property names for the types of types.json. It stands in where the official plugin cannot be downloaded.
//
// The module's path lies under the bridge's `dynamic` folder because the code that translates a provider's protocol is
// internal to it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	hashiplugin "github.com/hashicorp/go-plugin"
	pfbridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/info"
	"github.com/pulumi/pulumi/pkg/v3/resource/provider"
	sdkplugin "github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

// version is pulumi-aws's, set by the build: programs ask for the plugin of their own SDK's version.
var version = "0.0.0"

// providerVariable names the terraform-provider-aws binary; the launcher beside this plugin sets it.
const providerVariable = "TERRAFORM_PROVIDER_AWS"

func main() {
	err := serve(context.Background(), os.Args[1:])
	hashiplugin.CleanupClients()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-aws:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, arguments []string) error {
	path := os.Getenv(providerVariable)
	if path == "" {
		return errors.New(providerVariable + " is not set to a terraform-provider-aws binary; start this plugin by its launcher")
	}
	rows, err := readTable(tableJSON)
	if err != nil {
		return err
	}
	end := sync.OnceFunc(func() {
		hashiplugin.CleanupClients()
		os.Exit(1)
	})
	endOnSignal(end)
	start := func(host *provider.HostClient) (plugin, error) { return newPlugin(ctx, host, path, rows) }
	if len(arguments) == 0 {
		return serveAttached(func() (plugin, error) { return start(nil) }, os.Stdin, os.Stdout)
	}
	if err := endWithEngine(arguments[len(arguments)-1], end); err != nil {
		return err
	}
	return provider.MainContext(ctx, "aws", func(host *provider.HostClient) (pulumirpc.ResourceProviderServer, error) {
		p, err := start(host)
		return p.server, err
	})
}

// newPlugin starts a provider process and describes it to Pulumi. Without a host, an engine must attach first.
func newPlugin(ctx context.Context, host *provider.HostClient, path string, rows table) (plugin, error) {
	remote, stop, err := startProvider(ctx, path, rows)
	if err != nil {
		return plugin{}, fmt.Errorf("%s: %w", path, err)
	}
	described, err := providerInfo(ctx, oneError{readOnly{remote}}, version, rows)
	if err != nil {
		stop()
		return plugin{}, err
	}
	served, err := newServer(ctx, host, described)
	if err != nil {
		stop()
		return plugin{}, err
	}
	return plugin{server: served, stop: stop}, nil
}

// server is the bridge's, but its log leaves out what calls tell, and its imports leave out what programs do not give.
type server struct {
	pulumirpc.ResourceProviderServer
	log        *engineLog
	deprecated map[string][]string // properties by type token
}

func newServer(ctx context.Context, host *provider.HostClient, described info.Provider) (*server, error) {
	log := &engineLog{host: host}
	inner, err := pfbridge.NewProviderServer(ctx, log, described, pfbridge.ProviderMetadata{
		XGetSchema: func(context.Context, sdkplugin.GetSchemaRequest) ([]byte, error) { return packageSchema(described) },
	})
	return &server{ResourceProviderServer: inner, log: log, deprecated: deprecatedInputs(described)}, err
}

// Attach is called by an engine that did not start this plugin (PULUMI_DEBUG_PROVIDERS).
func (s *server) Attach(_ context.Context, request *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	host, err := provider.NewHostClient(request.GetAddress())
	if err != nil {
		return nil, err
	}
	s.log.connect(host)
	return &emptypb.Empty{}, nil
}

// Read reads a resource, to refresh it or to import it.
func (s *server) Read(ctx context.Context, request *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	response, err := s.ResourceProviderServer.Read(ctx, request)
	if err == nil {
		withoutDeprecated(request, response, s.deprecated)
	}
	return response, err
}
