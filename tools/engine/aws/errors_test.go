package main

import (
	"context"
	"errors"
	"testing"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
)

func failure(summary, detail string) *tfprotov6.Diagnostic {
	return &tfprotov6.Diagnostic{Severity: tfprotov6.DiagnosticSeverityError, Summary: summary, Detail: detail}
}

func TestSeveralErrorsBecomeOneWithAllTexts(t *testing.T) {
	warning := &tfprotov6.Diagnostic{Severity: tfprotov6.DiagnosticSeverityWarning, Summary: "old"}
	got := joined([]*tfprotov6.Diagnostic{failure("first", "why"), warning, failure("second", "")})
	if len(got) != 2 || got[0] != warning {
		t.Fatalf("%v", got)
	}
	if got[1].Summary != "2 errors" || got[1].Detail != "first: why\nsecond" {
		t.Fatalf("%q %q", got[1].Summary, got[1].Detail)
	}
}

func TestAnErrorWithoutDetailIsShownWithoutAColon(t *testing.T) {
	got := joined([]*tfprotov6.Diagnostic{failure("creating: refused", "")})
	if len(got) != 1 || got[0].Detail != got[0].Summary {
		t.Fatalf("%v", got)
	}
}

func TestNoErrorStaysNone(t *testing.T) {
	if got := joined(nil); len(got) != 0 {
		t.Fatal(got)
	}
}

func TestOnlyDiagnosticsAreLeftOutOfTheLog(t *testing.T) {
	cases := map[string]struct {
		severity diag.Severity
		told     bool
	}{
		"[ERROR] creating: refused": {diag.Error, true},
		"[ERROR] in a warning":      {diag.Warning, false},
		"a panic":                   {diag.Error, false},
	}
	for message, c := range cases {
		if isToldByCall(c.severity, message) != c.told {
			t.Error(message)
		}
	}
}

func TestALogWithoutAnEngineIsNoError(t *testing.T) {
	if err := (&engineLog{}).Log(context.Background(), diag.Error, "", "x"); err != nil {
		t.Fatal(err)
	}
}

// failing answers each call with two error diagnostics, or with a broken connection.
type failing struct {
	tfprotov6.ProviderServer
	broken error
}

func (f failing) both() []*tfprotov6.Diagnostic {
	return []*tfprotov6.Diagnostic{failure("one", ""), failure("two", "")}
}

func (f failing) ConfigureProvider(context.Context, *tfprotov6.ConfigureProviderRequest) (*tfprotov6.ConfigureProviderResponse, error) {
	return &tfprotov6.ConfigureProviderResponse{Diagnostics: f.both()}, f.broken
}

func (f failing) PlanResourceChange(context.Context, *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	return &tfprotov6.PlanResourceChangeResponse{Diagnostics: f.both()}, f.broken
}

func (f failing) ApplyResourceChange(context.Context, *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	return &tfprotov6.ApplyResourceChangeResponse{Diagnostics: f.both()}, f.broken
}

func (f failing) ReadResource(context.Context, *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	return &tfprotov6.ReadResourceResponse{Diagnostics: f.both()}, f.broken
}

func (f failing) ImportResourceState(context.Context, *tfprotov6.ImportResourceStateRequest) (*tfprotov6.ImportResourceStateResponse, error) {
	return &tfprotov6.ImportResourceStateResponse{Diagnostics: f.both()}, f.broken
}

func (f failing) ReadDataSource(context.Context, *tfprotov6.ReadDataSourceRequest) (*tfprotov6.ReadDataSourceResponse, error) {
	return &tfprotov6.ReadDataSourceResponse{Diagnostics: f.both()}, f.broken
}

func TestEveryCallTellsOneErrorAndPassesABrokenConnectionOn(t *testing.T) {
	ctx, broken := context.Background(), errors.New("connection lost")
	s := oneError{failing{broken: broken}}
	calls := map[string]func() ([]*tfprotov6.Diagnostic, error){
		"configure": func() ([]*tfprotov6.Diagnostic, error) {
			r, err := s.ConfigureProvider(ctx, nil)
			return r.Diagnostics, err
		},
		"plan": func() ([]*tfprotov6.Diagnostic, error) {
			r, err := s.PlanResourceChange(ctx, nil)
			return r.Diagnostics, err
		},
		"apply": func() ([]*tfprotov6.Diagnostic, error) {
			r, err := s.ApplyResourceChange(ctx, nil)
			return r.Diagnostics, err
		},
		"read": func() ([]*tfprotov6.Diagnostic, error) { r, err := s.ReadResource(ctx, nil); return r.Diagnostics, err },
		"import": func() ([]*tfprotov6.Diagnostic, error) {
			r, err := s.ImportResourceState(ctx, nil)
			return r.Diagnostics, err
		},
		"invoke": func() ([]*tfprotov6.Diagnostic, error) {
			r, err := s.ReadDataSource(ctx, nil)
			return r.Diagnostics, err
		},
	}
	for name, call := range calls {
		diagnostics, err := call()
		if len(diagnostics) != 1 || diagnostics[0].Detail != "one\ntwo" {
			t.Errorf("%s: %v", name, diagnostics)
		}
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
