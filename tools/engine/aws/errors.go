package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/pulumi/pulumi/pkg/v3/resource/provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// The bridge tells every error twice: all of a call's error diagnostics go to the engine's log, and the first of them is
// the error of the call, which the engine shows under the same resource. Here an error is told once, by the call: the
// log leaves diagnostics out (engineLog), and a call's diagnostics are made one, so that none is lost (oneError).

// diagnosticPrefix is how the bridge's log line of an error diagnostic begins (pf/tfbridge, formatDiagnosticMessage).
var diagnosticPrefix = fmt.Sprintf("[%s] ", tfprotov6.DiagnosticSeverityError)

// engineLog passes what the bridge logs on to the engine, once there is one: a plugin that an engine attaches to learns
// the engine's address only then.
type engineLog struct {
	mutex sync.Mutex
	host  *provider.HostClient
}

func (l *engineLog) connect(host *provider.HostClient) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.host = host
}

func (l *engineLog) engine() *provider.HostClient {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.host
}

func (l *engineLog) Log(ctx context.Context, severity diag.Severity, urn resource.URN, message string) error {
	host := l.engine()
	if host == nil || isToldByCall(severity, message) {
		return nil
	}
	return host.Log(ctx, severity, urn, message)
}

func (l *engineLog) LogStatus(ctx context.Context, severity diag.Severity, urn resource.URN, message string) error {
	host := l.engine()
	if host == nil || isToldByCall(severity, message) {
		return nil
	}
	return host.LogStatus(ctx, severity, urn, message)
}

func isToldByCall(severity diag.Severity, message string) bool {
	return severity == diag.Error && strings.HasPrefix(message, diagnosticPrefix)
}

// oneError is a provider whose calls return at most one error diagnostic. Validation is left alone: the bridge makes a
// check failure of each of its diagnostics.
type oneError struct {
	tfprotov6.ProviderServer
}

func (s oneError) ConfigureProvider(ctx context.Context, request *tfprotov6.ConfigureProviderRequest) (*tfprotov6.ConfigureProviderResponse, error) {
	response, err := s.ProviderServer.ConfigureProvider(ctx, request)
	if response != nil {
		response.Diagnostics = joined(response.Diagnostics)
	}
	return response, err
}

func (s oneError) PlanResourceChange(ctx context.Context, request *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	response, err := s.ProviderServer.PlanResourceChange(ctx, request)
	if response != nil {
		response.Diagnostics = joined(response.Diagnostics)
	}
	return response, err
}

func (s oneError) ApplyResourceChange(ctx context.Context, request *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	response, err := s.ProviderServer.ApplyResourceChange(ctx, request)
	if response != nil {
		response.Diagnostics = joined(response.Diagnostics)
	}
	return response, err
}

func (s oneError) ReadResource(ctx context.Context, request *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	response, err := s.ProviderServer.ReadResource(ctx, request)
	if response != nil {
		response.Diagnostics = joined(response.Diagnostics)
	}
	return response, err
}

func (s oneError) ImportResourceState(ctx context.Context, request *tfprotov6.ImportResourceStateRequest) (*tfprotov6.ImportResourceStateResponse, error) {
	response, err := s.ProviderServer.ImportResourceState(ctx, request)
	if response != nil {
		response.Diagnostics = joined(response.Diagnostics)
	}
	return response, err
}

func (s oneError) ReadDataSource(ctx context.Context, request *tfprotov6.ReadDataSourceRequest) (*tfprotov6.ReadDataSourceResponse, error) {
	response, err := s.ProviderServer.ReadDataSource(ctx, request)
	if response != nil {
		response.Diagnostics = joined(response.Diagnostics)
	}
	return response, err
}

// joined makes one error of several and keeps all else. A diagnostic without detail gets its summary as detail, which
// the bridge shows once, instead of "summary: ".
func joined(diagnostics []*tfprotov6.Diagnostic) []*tfprotov6.Diagnostic {
	var kept, wrong []*tfprotov6.Diagnostic
	for _, d := range diagnostics {
		if d.Severity == tfprotov6.DiagnosticSeverityError {
			wrong = append(wrong, d)
		} else {
			kept = append(kept, d)
		}
	}
	switch len(wrong) {
	case 0:
		return kept
	case 1:
		one := *wrong[0]
		if one.Detail == "" {
			one.Detail = one.Summary
		}
		return append(kept, &one)
	}
	lines := make([]string, len(wrong))
	for i, d := range wrong {
		lines[i] = d.Summary
		if d.Detail != "" && d.Detail != d.Summary {
			lines[i] += ": " + d.Detail
		}
		if d.Attribute != nil {
			lines[i] += " (" + d.Attribute.String() + ")"
		}
	}
	all := &tfprotov6.Diagnostic{Severity: tfprotov6.DiagnosticSeverityError, Summary: fmt.Sprintf("%d errors", len(wrong)), Detail: strings.Join(lines, "\n")}
	return append(kept, all)
}
