// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	//nolint:depguard // to compare with: the library must not import it, and does not
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// conventions are our names of the semantic conventions' attributes. The library
// writes them out because a semconv package ties its users to one version of
// otel; its oldest does not have this one.
var conventions = map[string]attribute.Key{
	"keyRPCSystem":      semconv.RPCSystemNameKey,
	"keyRPCMethod":      semconv.RPCMethodKey,
	"keyRPCOriginal":    semconv.RPCMethodOriginalKey,
	"keyPeerAddress":    semconv.NetworkPeerAddressKey,
	"keyPeerPort":       semconv.NetworkPeerPortKey,
	"keyUserAgent":      semconv.UserAgentOriginalKey,
	"keyFunction":       semconv.CodeFunctionNameKey,
	"keyStacktrace":     semconv.CodeStacktraceKey,
	"keyErrorType":      semconv.ErrorTypeKey,
	"keyHostName":       semconv.HostNameKey,
	"keyInstanceID":     semconv.ServiceInstanceIDKey,
	"keyPID":            semconv.ProcessPIDKey,
	"keyServiceName":    semconv.ServiceNameKey,
	"keyServiceVersion": semconv.ServiceVersionKey,
	"keySDKName":        semconv.TelemetrySDKNameKey,
	"keySDKLanguage":    semconv.TelemetrySDKLanguageKey,
	"keySDKVersion":     semconv.TelemetrySDKVersionKey,
	"schemaURL":         semconv.SchemaURL,
}

// TestSemanticConventions: a key is one of theirs, or it begins with shutdown.
func TestSemanticConventions(t *testing.T) {
	found := make(map[string]bool)
	for _, file := range []string{
		"../tracer/attr.go", "../tracer/attr_report.go", "../tracer/tracer.go",
		"../exporter/resource.go",
	} {
		for name, value := range constants(t, file) {
			want, ok := conventions[name]
			found[name] = true
			switch {
			case ok && value != string(want):
				t.Errorf("%s: %s is %q, semconv v1.43.0 has %q", file, name, value, want)
			case !ok && strings.HasPrefix(name, "key") && !strings.HasPrefix(value, "shutdown."):
				t.Errorf("%s: %s is %q: neither our own nor compared with semconv", file, name, value)
			}
		}
	}
	for name := range conventions {
		if !found[name] {
			t.Errorf("there is no constant %s any more", name)
		}
	}
}

// constants returns the package-level string constants of a file, also those
// that are converted to a type.
func constants(t *testing.T, path string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		for _, spec := range gen.Specs {
			spec := spec.(*ast.ValueSpec)
			for i, value := range spec.Values {
				if conversion, ok := value.(*ast.CallExpr); ok {
					value = conversion.Args[0]
				}
				if lit, ok := value.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					all[spec.Names[i].Name], _ = strconv.Unquote(lit.Value)
				}
			}
		}
	}
	return all
}
