package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/proto"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge/info"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

//go:embed types.json
var tableJSON []byte

// table is types.json: every type that the program may use, by its Terraform name. A type that is not in it is an
// error when a program registers it. Tokens, renames and made-up names are those of pulumi-aws's provider/resources.go.
type table struct {
	Resources   map[string]row `json:"resources"`
	DataSources map[string]row `json:"dataSources"`
}

type row struct {
	Token  string            `json:"token"`  // pulumi-aws's token
	Rename map[string]string `json:"rename"` // Terraform attribute to pulumi-aws property, where the bridge's own rules differ
	Auto   *autoName         `json:"auto"`   // the name that pulumi-aws makes up by itself
}

type autoName struct {
	Attribute string `json:"attribute"`
	Property  string `json:"property"`
	Max       int    `json:"max"`
	Lower     bool   `json:"lower"`
}

func readTable(data []byte) (table, error) {
	var t table
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&t); err != nil {
		return table{}, fmt.Errorf("types.json: %w", err)
	}
	return t, nil
}

// providerInfo describes the provider in the bridge's terms. A row whose type the provider does not have is an error:
// it would otherwise be found by the first user of that type.
func providerInfo(ctx context.Context, server tfprotov6.ProviderServer, version string, t table) (info.Provider, error) {
	p := info.Provider{
		P: proto.New(ctx, server), Name: "aws", Version: version, ResourcePrefix: "aws",
		MetadataInfo: &info.Metadata{Path: "", Data: tfbridge.ProviderMetadata(nil)},
		Config:       configInfo(),
		Resources:    map[string]*info.Resource{},
		DataSources:  map[string]*info.DataSource{},
	}
	for name, r := range t.Resources {
		p.Resources[name] = resourceInfo(r)
	}
	for name, r := range t.DataSources {
		p.DataSources[name] = &info.DataSource{Tok: tokens.ModuleMember(r.Token), Fields: renames(r)}
	}
	missing := append(absent(t.Resources, p.P.ResourcesMap()), absent(t.DataSources, p.P.DataSourcesMap())...)
	if len(missing) > 0 {
		sort.Strings(missing)
		return info.Provider{}, fmt.Errorf("types.json names types that this provider does not have: %s", strings.Join(missing, ", "))
	}
	p.IgnoreMappings = unmapped(p)
	p.SetAutonaming(255, "-")
	return p, nil
}

// configInfo holds what pulumi-aws's provider configuration has besides the provider's own schema: defaults, and blocks
// of at most one element, which that schema does not say.
func configInfo() map[string]*info.Schema {
	one := true
	return map[string]*info.Schema{
		"region":                        {Default: &info.Default{EnvVars: []string{"AWS_REGION", "AWS_DEFAULT_REGION"}}},
		"skip_region_validation":        {Default: &info.Default{Value: true}},
		"skip_credentials_validation":   {Default: &info.Default{Value: false}},
		"assume_role_with_web_identity": {MaxItemsOne: &one},
		"default_tags":                  {MaxItemsOne: &one},
		"ignore_tags":                   {MaxItemsOne: &one},
	}
}

func absent(rows map[string]row, have shim.ResourceMap) []string {
	var names []string
	for name := range rows {
		if _, ok := have.GetOk(name); !ok {
			names = append(names, name)
		}
	}
	return names
}

// unmapped lists what the bridge must not look for a token for.
func unmapped(p info.Provider) []string {
	names := map[string]bool{}
	collect := func(name string, _ shim.Resource) bool {
		names[name] = p.Resources[name] == nil && p.DataSources[name] == nil
		return true
	}
	p.P.ResourcesMap().Range(collect)
	p.P.DataSourcesMap().Range(collect)
	var ignored []string
	for name, yes := range names {
		if yes {
			ignored = append(ignored, name)
		}
	}
	return ignored
}

func resourceInfo(r row) *info.Resource {
	resourceInfo := &info.Resource{Tok: tokens.Type(r.Token), Fields: renames(r)}
	if r.Auto != nil {
		resourceInfo.Fields[r.Auto.Attribute] = madeUpName(*r.Auto)
	}
	return resourceInfo
}

func renames(r row) map[string]*info.Schema {
	fields := map[string]*info.Schema{}
	for attribute, property := range r.Rename {
		fields[attribute] = &info.Schema{Name: property}
	}
	return fields
}

func madeUpName(a autoName) *info.Schema {
	if a.Lower {
		return tfbridge.AutoNameTransform(a.Property, a.Max, strings.ToLower)
	}
	return tfbridge.AutoName(a.Property, a.Max, "-")
}
