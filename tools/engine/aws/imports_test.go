package main

import (
	"context"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

// olderSDK has a resource as Terraform's older SDK declares them.
type olderSDK struct {
	fakeProvider
}

func (olderSDK) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	attributes := []*tfprotov6.SchemaAttribute{
		{Name: "id", Type: tftypes.String, Optional: true, Computed: true},
		{Name: "tags_all", Type: tftypes.Map{ElementType: tftypes.String}, Optional: true, Computed: true},
		{Name: "state", Type: tftypes.String, Optional: true, Computed: true},
		{Name: "is_enabled", Type: tftypes.Bool, Optional: true, Deprecated: true},
	}
	return &tfprotov6.GetProviderSchemaResponse{
		Provider:        &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{}},
		ResourceSchemas: map[string]*tfprotov6.Schema{"aws_thing": {Block: &tfprotov6.SchemaBlock{Attributes: attributes}}},
	}, nil
}

func TestAnIdAndAllTagsCanOnlyBeRead(t *testing.T) {
	response, err := readOnly{olderSDK{}}.GetProviderSchema(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, attribute := range response.ResourceSchemas["aws_thing"].Block.Attributes {
		if attribute.Optional != (attribute.Name == "state" || attribute.Name == "is_enabled") {
			t.Errorf("%s: %v", attribute.Name, attribute.Optional)
		}
	}
}

func TestAnImportHasNoDeprecatedInputsAndARefreshKeepsThem(t *testing.T) {
	rows, err := readTable([]byte(`{"resources": {"aws_thing": {"token": "aws:things/thing:Thing"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	described, err := providerInfo(context.Background(), olderSDK{}, "1.2.3", rows)
	if err != nil {
		t.Fatal(err)
	}
	known, err := structpb.NewStruct(map[string]any{"isEnabled": true, "state": "ENABLED"})
	if err != nil {
		t.Fatal(err)
	}
	urn := "urn:pulumi:dev::project::aws:things/thing:Thing::name"
	for properties, left := range map[*structpb.Struct]int{nil: 1, known: 2} {
		inputs, _ := structpb.NewStruct(map[string]any{"isEnabled": true, "state": "ENABLED"})
		response := &pulumirpc.ReadResponse{Inputs: inputs}
		withoutDeprecated(&pulumirpc.ReadRequest{Urn: urn, Properties: properties}, response, deprecatedInputs(described))
		if got := response.GetInputs().GetFields(); len(got) != left || got["state"] == nil {
			t.Errorf("%v", got)
		}
	}
}
