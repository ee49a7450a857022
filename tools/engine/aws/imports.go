package main

import (
	"context"
	"slices"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/info"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// An import makes inputs of all that a resource has and could be given. Two kinds are not what a program would give, and
// only lead to warnings: what can only be read (readOnly), and what is deprecated for something else that is also there
// (withoutDeprecated).

// readOnlyAttributes are declared by Terraform's older SDK as if they could be given, too. pulumi-aws has none of them
// among its inputs: the id is refused when it is given, and all tags are the tags and the provider's default tags.
var readOnlyAttributes = []string{"id", "tags_all"}

// readOnly is a provider whose readOnlyAttributes can only be read.
type readOnly struct {
	tfprotov6.ProviderServer
}

func (s readOnly) GetProviderSchema(ctx context.Context, request *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	response, err := s.ProviderServer.GetProviderSchema(ctx, request)
	if err != nil {
		return nil, err
	}
	for _, schema := range response.ResourceSchemas {
		for _, attribute := range schema.Block.Attributes {
			if attribute.Computed && slices.Contains(readOnlyAttributes, attribute.Name) {
				attribute.Optional = false
			}
		}
	}
	return response, nil
}

// deprecatedInputs lists, by type token, the properties that have been replaced by others.
func deprecatedInputs(p info.Provider) map[string][]string {
	deprecated := map[string][]string{}
	for name, r := range p.Resources {
		fields := p.P.ResourcesMap().Get(name).Schema()
		fields.Range(func(key string, field shim.Schema) bool {
			if field.Deprecated() != "" && !field.Required() {
				token := string(r.Tok)
				deprecated[token] = append(deprecated[token], tfbridge.TerraformToPulumiNameV2(key, fields, r.Fields))
			}
			return true
		})
	}
	return deprecated
}

// withoutDeprecated takes the deprecated inputs from the answer to an import, which is a read without known properties.
func withoutDeprecated(request *pulumirpc.ReadRequest, response *pulumirpc.ReadResponse, deprecated map[string][]string) {
	if len(request.GetProperties().GetFields()) > 0 {
		return
	}
	inputs := response.GetInputs().GetFields()
	for _, property := range deprecated[string(resource.URN(request.GetUrn()).Type())] {
		delete(inputs, property)
	}
}
