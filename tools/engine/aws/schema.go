package main

import (
	"encoding/json"
	"sort"
	"strings"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/info"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// packageSchema is what `pulumi package get-schema aws` shows and what `pulumi import` writes programs from: tokens,
// property names, types and which inputs are required, as the bridge will take them. It has no descriptions: the
// documentation of these types is pulumi-aws's.
func packageSchema(p info.Provider) ([]byte, error) {
	w := schemaWriter{types: map[string]schema.ComplexTypeSpec{}}
	inputs, required := w.properties("aws:index/", "Provider", p.P.Schema(), p.Config, isInput)
	spec := schema.PackageSpec{
		Name: p.Name, Version: p.Version,
		Meta:      &schema.MetadataSpec{ModuleFormat: "(.*)(?:/[^/]*)"}, // as in pulumi-aws: `sagemaker/model` is in module sagemaker
		Resources: map[string]schema.ResourceSpec{}, Functions: map[string]schema.FunctionSpec{}, Types: w.types,
		Provider: schema.ResourceSpec{InputProperties: inputs, RequiredInputs: required},
	}
	for name, r := range p.Resources {
		fields := p.P.ResourcesMap().Get(name).Schema()
		module, class := splitToken(string(r.Tok))
		inputs, required := w.properties(module, class, fields, r.Fields, isInput)
		outputs, _ := w.properties(module, class, fields, r.Fields, isOutput)
		spec.Resources[string(r.Tok)] = schema.ResourceSpec{
			ObjectTypeSpec:  schema.ObjectTypeSpec{Type: "object", Properties: outputs},
			InputProperties: inputs, RequiredInputs: required,
		}
	}
	for name, d := range p.DataSources {
		fields := p.P.DataSourcesMap().Get(name).Schema()
		module, class := splitToken(string(d.Tok))
		inputs, required := w.properties(module, class, fields, d.Fields, isInput)
		outputs, _ := w.properties(module, class, fields, d.Fields, isAny)
		spec.Functions[string(d.Tok)] = schema.FunctionSpec{
			Inputs:     &schema.ObjectTypeSpec{Type: "object", Properties: inputs, Required: required},
			ReturnType: &schema.ReturnTypeSpec{ObjectTypeSpec: &schema.ObjectTypeSpec{Type: "object", Properties: outputs}},
		}
	}
	return json.Marshal(spec)
}

// splitToken gives "aws:sagemaker/" and "Model" of "aws:sagemaker/model:Model".
func splitToken(token string) (string, string) {
	slash, colon := strings.Index(token, "/"), strings.LastIndex(token, ":")
	return token[:slash+1], token[colon+1:]
}

// A resource's id is Pulumi's own, and its timeouts are the resource option custom_timeouts.
func isInput(key string, s shim.Schema) bool {
	return (s.Optional() || s.Required()) && key != "id" && key != "timeouts"
}

func isOutput(key string, s shim.Schema) bool {
	return !s.WriteOnly() && key != "id" && key != "timeouts"
}

func isAny(string, shim.Schema) bool { return true }

type schemaWriter struct {
	types map[string]schema.ComplexTypeSpec
}

func (w schemaWriter) properties(
	module, class string, fields shim.SchemaMap, infos map[string]*info.Schema, wanted func(string, shim.Schema) bool,
) (map[string]schema.PropertySpec, []string) {
	properties, required := map[string]schema.PropertySpec{}, []string{}
	fields.Range(func(key string, field shim.Schema) bool {
		if !wanted(key, field) {
			return true
		}
		name := tfbridge.TerraformToPulumiNameV2(key, fields, infos)
		properties[name] = schema.PropertySpec{TypeSpec: w.typeOf(module, class+strings.ToUpper(name[:1])+name[1:], field, infos[key]), Secret: field.Sensitive()}
		if field.Required() && (infos[key] == nil || infos[key].Default == nil) {
			required = append(required, name)
		}
		return true
	})
	sort.Strings(required)
	return properties, required
}

func (w schemaWriter) typeOf(module, class string, field shim.Schema, override *info.Schema) schema.TypeSpec {
	switch field.Type() {
	case shim.TypeBool:
		return schema.TypeSpec{Type: "boolean"}
	case shim.TypeInt:
		return schema.TypeSpec{Type: "integer"}
	case shim.TypeFloat:
		return schema.TypeSpec{Type: "number"}
	case shim.TypeList, shim.TypeSet:
		if tfbridge.IsMaxItemsOne(field, override) {
			return w.elementOf(module, class, field)
		}
		element := w.elementOf(module, class, field)
		return schema.TypeSpec{Type: "array", Items: &element}
	case shim.TypeMap:
		element := w.elementOf(module, class, field)
		if _, isObject := field.Elem().(shim.Resource); isObject {
			return element
		}
		return schema.TypeSpec{Type: "object", AdditionalProperties: &element}
	default:
		return schema.TypeSpec{Type: "string"}
	}
}

func (w schemaWriter) elementOf(module, class string, field shim.Schema) schema.TypeSpec {
	switch element := field.Elem().(type) {
	case shim.Schema:
		return w.typeOf(module, class, element, nil)
	case shim.Resource:
		token := module + class + ":" + class
		properties, required := w.properties(module, class, element.Schema(), nil, isAny)
		w.types[token] = schema.ComplexTypeSpec{ObjectTypeSpec: schema.ObjectTypeSpec{Type: "object", Properties: properties, Required: required}}
		return schema.TypeSpec{Ref: "#/types/" + token}
	default:
		return schema.TypeSpec{Type: "string"}
	}
}
