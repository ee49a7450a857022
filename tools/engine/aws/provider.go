package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	hashiplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-mux/tf5to6server"
	"github.com/pulumi/pulumi-terraform-bridge/v3/dynamic/internal/shim/protov5"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/vendored/opentofu/logging"
	tfplugin "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/vendored/opentofu/plugin"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/vendored/tfplugin5"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// startProvider runs the provider binary as a child and gives its calls, and what ends it. The bridge has such a
// function, too (dynamic/internal/shim/run), which takes every failed call but a lost connection for an empty success, and
// has no place for schemaCache.
func startProvider(ctx context.Context, path string, rows table) (tfprotov6.ProviderServer, func(), error) {
	stamp, err := stampOf(path)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(path)
	childOfThisProcess(cmd)
	client := hashiplugin.NewClient(&hashiplugin.ClientConfig{
		HandshakeConfig: tfplugin.Handshake, VersionedPlugins: tfplugin.VersionedPlugins,
		AllowedProtocols: []hashiplugin.Protocol{hashiplugin.ProtocolGRPC}, AutoMTLS: true,
		Cmd: cmd, Managed: true, Logger: logging.NewProviderLogger(""),
	})
	connected, err := client.Client()
	if err != nil {
		client.Kill()
		return nil, nil, err
	}
	if version := client.NegotiatedVersion(); version != 5 {
		client.Kill()
		return nil, nil, fmt.Errorf("it speaks protocol %d, and 5 is needed", version)
	}
	remote := tfplugin5.NewProviderClient(connected.(*hashiplugin.GRPCClient).Conn)
	cached := schemaCache{ProviderClient: remote, rows: rows, file: schemaFile(stamp)}
	upgraded, err := tf5to6server.UpgradeServer(ctx, func() tfprotov5.ProviderServer { return protov5.New(cached) })
	return upgraded, client.Kill, err
}

// schemaCache keeps the part of the provider's schema that types.json names. The whole of it takes a second to make, to
// send and to read, of each run. Terraform does without asking for it in the same way (the capability
// get_provider_schema_optional of the plugin protocol).
type schemaCache struct {
	tfplugin5.ProviderClient
	rows table
	file string
}

func (c schemaCache) GetSchema(
	ctx context.Context, request *tfplugin5.GetProviderSchema_Request, options ...grpc.CallOption,
) (*tfplugin5.GetProviderSchema_Response, error) {
	if kept, err := readSchema(c.file); err == nil {
		return kept, nil
	}
	response, err := c.ProviderClient.GetSchema(ctx, request, options...)
	if err != nil {
		return nil, err
	}
	for name := range response.GetResourceSchemas() {
		if _, wanted := c.rows.Resources[name]; !wanted {
			delete(response.ResourceSchemas, name)
		}
	}
	for name := range response.GetDataSourceSchemas() {
		if _, wanted := c.rows.DataSources[name]; !wanted {
			delete(response.DataSourceSchemas, name)
		}
	}
	response.Functions, response.EphemeralResourceSchemas = nil, nil
	if len(response.GetDiagnostics()) == 0 && response.GetServerCapabilities().GetGetProviderSchemaOptional() {
		_ = writeSchema(c.file, response) // a folder that cannot be written to costs a second of each run, no more
	}
	return response, nil
}

// stampOf tells one state of the provider's binary from another.
func stampOf(path string) (string, error) {
	found, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %d %d", path, found.Size(), found.ModTime().UnixNano()), nil
}

// schemaFile is the cache's file beside this program, named by all that its content depends on.
func schemaFile(stamp string) string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n", stamp)
	hash.Write(tableJSON)
	return filepath.Join(filepath.Dir(self), "schema-"+hex.EncodeToString(hash.Sum(nil))[:16]+".pb")
}

func readSchema(file string) (*tfplugin5.GetProviderSchema_Response, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	kept := &tfplugin5.GetProviderSchema_Response{}
	return kept, proto.Unmarshal(data, kept)
}

// writeSchema gives the file its name when it is whole: another run may read it at any time.
func writeSchema(file string, response *tfplugin5.GetProviderSchema_Response) error {
	data, err := proto.Marshal(response)
	if err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(file), "schema")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name()) // nothing is there any more when the rename was done
	if _, err := out.Write(data); err != nil {
		out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Rename(out.Name(), file)
}
