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
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

// version is pulumi-aws's, set by the build: programs ask for the plugin of their own SDK's version.
var version = "0.0.0"

// providerVariable names the terraform-provider-aws binary; the launcher beside this plugin sets it.
const providerVariable = "TERRAFORM_PROVIDER_AWS"

func main() {
	err := serve(context.Background())
	hashiplugin.CleanupClients()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-aws:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context) error {
	path := os.Getenv(providerVariable)
	if path == "" {
		return errors.New(providerVariable + " is not set to a terraform-provider-aws binary; start this plugin by its launcher")
	}
	guard := newLife(sync.OnceFunc(func() {
		hashiplugin.CleanupClients()
		os.Exit(1)
	}))
	guard.endOnSignal()
	rows, err := readTable(tableJSON)
	if err != nil {
		return err
	}
	server, err := startProvider(ctx, path, rows)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return provider.MainContext(ctx, "aws", func(host *provider.HostClient) (pulumirpc.ResourceProviderServer, error) {
		if err := guardOver(guard, host, os.Args); err != nil {
			return nil, err
		}
		described, err := providerInfo(ctx, oneError{readOnly{server}}, version, rows)
		if err != nil {
			return nil, err
		}
		return newServer(ctx, host, guard, described)
	})
}

// guardOver ties this process to the engine that started it or, without one, to the parent's end of the input.
func guardOver(guard *life, host *provider.HostClient, arguments []string) error {
	if host == nil {
		go guard.endWithParent(os.Stdin)
		return nil
	}
	if err := guard.attach(arguments[len(arguments)-1]); err != nil {
		return err
	}
	go guard.endWithEngines()
	return nil
}

// server is the bridge's, but an engine that attaches is also watched, and its log leaves out what calls tell.
type server struct {
	pulumirpc.ResourceProviderServer
	log        *engineLog
	guard      *life
	deprecated map[string][]string // properties by type token
}

func newServer(ctx context.Context, host *provider.HostClient, guard *life, described info.Provider) (*server, error) {
	log := &engineLog{host: host}
	inner, err := pfbridge.NewProviderServer(ctx, log, described, pfbridge.ProviderMetadata{
		XGetSchema: func(context.Context, plugin.GetSchemaRequest) ([]byte, error) { return packageSchema(described) },
	})
	return &server{ResourceProviderServer: inner, log: log, guard: guard, deprecated: deprecatedInputs(described)}, err
}

// Read reads a resource, to refresh it or to import it.
func (s *server) Read(ctx context.Context, request *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	response, err := s.ResourceProviderServer.Read(ctx, request)
	if err == nil {
		withoutDeprecated(request, response, s.deprecated)
	}
	return response, err
}

// Attach is called by an engine that did not start this plugin (PULUMI_DEBUG_PROVIDERS).
func (s *server) Attach(_ context.Context, request *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	host, err := provider.NewHostClient(request.GetAddress())
	if err != nil {
		return nil, err
	}
	s.log.connect(host)
	return &emptypb.Empty{}, s.guard.attach(request.GetAddress())
}
