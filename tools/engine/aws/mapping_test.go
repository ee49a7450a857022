package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/info"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// fakeProvider has a thing, with a block of at most one element, and a place to ask for.
type fakeProvider struct {
	tfprotov6.ProviderServer
}

func (fakeProvider) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	attribute := func(name string, t tftypes.Type) *tfprotov6.SchemaAttribute {
		return &tfprotov6.SchemaAttribute{Name: name, Type: t, Optional: true}
	}
	list := tftypes.List{ElementType: tftypes.String}
	block := func(attributes ...*tfprotov6.SchemaAttribute) *tfprotov6.Schema {
		return &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{Attributes: attributes}}
	}
	thing := block(attribute("thing_name", tftypes.String), attribute("subnet_id", list), attribute("old", tftypes.Bool))
	thing.Block.Attributes = append(thing.Block.Attributes,
		&tfprotov6.SchemaAttribute{Name: "role_arn", Type: tftypes.String, Required: true},
		&tfprotov6.SchemaAttribute{Name: "arn", Type: tftypes.String, Computed: true},
		&tfprotov6.SchemaAttribute{Name: "id", Type: tftypes.String, Computed: true})
	thing.Block.BlockTypes = []*tfprotov6.SchemaNestedBlock{
		{TypeName: "vpc", Nesting: tfprotov6.SchemaNestedBlockNestingModeList, MaxItems: 1, Block: block(attribute("subnets", list)).Block},
		{TypeName: "rule", Nesting: tfprotov6.SchemaNestedBlockNestingModeList, Block: block(attribute("max_size", tftypes.Number)).Block},
	}
	return &tfprotov6.GetProviderSchemaResponse{
		Provider: block(attribute("region", tftypes.String), attribute("skip_region_validation", tftypes.Bool),
			attribute("skip_credentials_validation", tftypes.Bool), attribute("default_tags", list), attribute("ignore_tags", list),
			attribute("assume_role_with_web_identity", list)),
		ResourceSchemas:   map[string]*tfprotov6.Schema{"aws_thing": thing, "aws_not_mapped": block()},
		DataSourceSchemas: map[string]*tfprotov6.Schema{"aws_place": block(attribute("name", tftypes.String))},
	}, nil
}

const fakeTable = `{
	"resources": {"aws_thing": {"token": "aws:things/thing:Thing", "rename": {"old": "new"},
		"auto": {"attribute": "thing_name", "property": "name", "max": 20, "lower": true}}},
	"dataSources": {"aws_place": {"token": "aws:index/getPlace:getPlace", "rename": {"name": "place"}}}}`

func describedFake(t *testing.T) info.Provider {
	t.Helper()
	rows, err := readTable([]byte(fakeTable))
	if err != nil {
		t.Fatal(err)
	}
	described, err := providerInfo(context.Background(), fakeProvider{}, "1.2.3", rows)
	if err != nil {
		t.Fatal(err)
	}
	return described
}

func TestTheTableOfThisPluginCanBeRead(t *testing.T) {
	rows, err := readTable(tableJSON)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range rows.Resources {
		if !strings.HasPrefix(name, "aws_") || !strings.HasPrefix(r.Token, "aws:") {
			t.Errorf("%s: %s", name, r.Token)
		}
	}
}

func TestAMisspelledKeyInTheTableIsRefused(t *testing.T) {
	if _, err := readTable([]byte(`{"resources": {"aws_thing": {"tokn": "x"}}}`)); err == nil {
		t.Fatal("accepted")
	}
}

func TestATypeThatTheProviderLacksIsNamed(t *testing.T) {
	rows, _ := readTable([]byte(`{"resources": {"aws_other": {"token": "aws:x/x:X"}}, "dataSources": {"aws_thing": {"token": "aws:x/y:Y"}}}`))
	_, err := providerInfo(context.Background(), fakeProvider{}, "1.2.3", rows)
	if err == nil || !strings.Contains(err.Error(), "aws_other, aws_thing") {
		t.Fatal(err)
	}
}

func TestWhatIsNotInTheTableIsNotMapped(t *testing.T) {
	described := describedFake(t)
	if got := described.IgnoreMappings; len(got) != 1 || got[0] != "aws_not_mapped" {
		t.Fatal(got)
	}
}

func TestTheSchemaHasPulumisNamesAndShapes(t *testing.T) {
	data, err := packageSchema(describedFake(t))
	if err != nil {
		t.Fatal(err)
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal(data, &spec); err != nil {
		t.Fatal(err)
	}
	inputs := spec.Resources["aws:things/thing:Thing"].InputProperties
	for property, kind := range map[string]string{"name": "string", "new": "boolean", "subnetIds": "array", "roleArn": "string", "rules": "array"} {
		if inputs[property].Type != kind {
			t.Errorf("%s is %q, not %q", property, inputs[property].Type, kind)
		}
	}
	if got := inputs["vpc"].Ref; got != "#/types/aws:things/ThingVpc:ThingVpc" {
		t.Errorf("a block of at most one element is an object: %q", got)
	}
	if _, ok := inputs["arn"]; ok || len(inputs) != 6 {
		t.Errorf("inputs: %v", inputs)
	}
	if got := spec.Resources["aws:things/thing:Thing"].RequiredInputs; len(got) != 1 || got[0] != "roleArn" {
		t.Errorf("required: %v", got)
	}
	if _, ok := spec.Functions["aws:index/getPlace:getPlace"].ReturnType.ObjectTypeSpec.Properties["place"]; !ok {
		t.Error("a data source's attribute is not renamed")
	}
}
