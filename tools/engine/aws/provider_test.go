package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/vendored/tfplugin5"
	"google.golang.org/grpc"
)

// countingClient has a wanted and an unwanted type of each kind, and counts how often it is asked.
type countingClient struct {
	tfplugin5.ProviderClient
	asked    int
	optional bool
}

func (c *countingClient) GetSchema(context.Context, *tfplugin5.GetProviderSchema_Request, ...grpc.CallOption) (*tfplugin5.GetProviderSchema_Response, error) {
	c.asked++
	schemas := func() map[string]*tfplugin5.Schema {
		return map[string]*tfplugin5.Schema{"aws_wanted": {}, "aws_other": {}}
	}
	return &tfplugin5.GetProviderSchema_Response{
		ResourceSchemas: schemas(), DataSourceSchemas: schemas(),
		ServerCapabilities: &tfplugin5.ServerCapabilities{GetProviderSchemaOptional: c.optional},
	}, nil
}

func cacheOver(t *testing.T, client *countingClient, file string) schemaCache {
	t.Helper()
	wanted := map[string]row{"aws_wanted": {}}
	return schemaCache{ProviderClient: client, rows: table{Resources: wanted, DataSources: wanted}, file: file}
}

func TestTheSchemaIsAskedForOnceAndKeptForTheTypesOfTheTable(t *testing.T) {
	client := &countingClient{optional: true}
	cache := cacheOver(t, client, filepath.Join(t.TempDir(), "schema.pb"))
	for range 2 {
		got, err := cache.GetSchema(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.ResourceSchemas) != 1 || len(got.DataSourceSchemas) != 1 || got.ResourceSchemas["aws_wanted"] == nil {
			t.Fatal(got)
		}
	}
	if client.asked != 1 {
		t.Fatal(client.asked)
	}
}

func TestAProviderThatMustBeAskedIsAskedEachTime(t *testing.T) {
	client := &countingClient{}
	cache := cacheOver(t, client, filepath.Join(t.TempDir(), "schema.pb"))
	for range 2 {
		if _, err := cache.GetSchema(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if client.asked != 2 {
		t.Fatal(client.asked)
	}
}

func TestAKeptSchemaThatCannotBeReadIsAskedForAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "schema.pb")
	if err := os.WriteFile(file, []byte("\xff\xff\xff"), 0o600); err != nil {
		t.Fatal(err)
	}
	client := &countingClient{optional: true}
	if _, err := cacheOver(t, client, file).GetSchema(context.Background(), nil); err != nil || client.asked != 1 {
		t.Fatal(err, client.asked)
	}
	if _, err := readSchema(file); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderThatCannotBeWrittenToIsNoError(t *testing.T) {
	client := &countingClient{optional: true}
	if _, err := cacheOver(t, client, filepath.Join(t.TempDir(), "none", "schema.pb")).GetSchema(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherProviderBinaryHasAnotherSchemaFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "terraform-provider-aws")
	stamp := func(content string) string {
		if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
		found, err := stampOf(path)
		if err != nil {
			t.Fatal(err)
		}
		return schemaFile(found)
	}
	if stamp("one") == stamp("other") {
		t.Fatal("same file")
	}
}

func TestAMissingProviderBinaryIsAnError(t *testing.T) {
	if _, _, err := startProvider(context.Background(), filepath.Join(t.TempDir(), "terraform-provider-aws"), table{}); err == nil {
		t.Fatal("accepted")
	}
}
