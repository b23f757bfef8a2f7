// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk"
	"go.opentelemetry.io/otel/sdk/resource"
)

// Keys of the semantic conventions. They are our own constants because
// importing a semconv package ties users to one version of otel.
const (
	keyHostName       = attribute.Key("host.name")
	keyInstanceID     = attribute.Key("service.instance.id")
	keyPID            = attribute.Key("process.pid")
	keyServiceName    = attribute.Key("service.name")
	keyServiceVersion = attribute.Key("service.version")
	keySDKName        = attribute.Key("telemetry.sdk.name")
	keySDKLanguage    = attribute.Key("telemetry.sdk.language")
	keySDKVersion     = attribute.Key("telemetry.sdk.version")
	keyErrorType      = attribute.Key("error.type")
)

const unknownPrefix = "unknown_service"

func unknownService(name string) bool { return strings.HasPrefix(name, unknownPrefix) }

// newResource merges, the later winning: what we know of the process, the
// environment, the user's own. The resource is complete even with an error.
func newResource(user *resource.Resource) (*resource.Resource, string, error) {
	attrs := processAttributes()
	fromEnv, err := envAttributes()
	res := resource.NewSchemaless(append(attrs, fromEnv...)...)
	if user != nil {
		// Ours has no schema URL, so this cannot conflict.
		res, _ = resource.Merge(res, user)
	}
	name, _ := res.Set().Value(keyServiceName)
	return res, name.AsString(), err
}

// processAttributes are set for every process. Jaeger needs host.name, or it
// warns of clock skew between the spans of one trace.
func processAttributes() []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		keyServiceName.String(defaultServiceName()),
		keyInstanceID.String(newInstanceID()),
		keyPID.Int(os.Getpid()),
		keySDKName.String("opentelemetry"),
		keySDKLanguage.String("go"),
		keySDKVersion.String(sdk.Version()),
	}
	if host, err := os.Hostname(); err == nil {
		attrs = append(attrs, keyHostName.String(host))
	}
	return attrs
}

// defaultServiceName is the SDK's: sdk/resource/builtin.go.
func defaultServiceName() string {
	exe, err := os.Executable()
	if err != nil {
		return unknownPrefix + ":go"
	}
	return unknownPrefix + ":" + filepath.Base(exe)
}

// newInstanceID is a random UUID, version 4.
func newInstanceID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// envAttributes reads OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME, the
// latter winning. The SDK would print what is wrong at the signal.
func envAttributes() ([]attribute.KeyValue, error) {
	var attrs []attribute.KeyValue
	var errs []error
	if v := getenv(envResourceAttrs); v != "" {
		for member := range strings.SplitSeq(v, ",") {
			kv, err := parseAttribute(member)
			if err != nil {
				errs = append(errs, bad(envResourceAttrs, v, "member %q: %v", member, err))
				continue
			}
			attrs = append(attrs, kv)
		}
	}
	if v := getenv(envServiceName); v != "" {
		attrs = append(attrs, keyServiceName.String(v))
	}
	return attrs, errors.Join(errs...)
}

func parseAttribute(member string) (attribute.KeyValue, error) {
	key, value, found := strings.Cut(member, "=")
	key = strings.TrimSpace(key)
	if !found || key == "" {
		return attribute.KeyValue{}, errors.New("want key=value")
	}
	value, err := url.PathUnescape(strings.TrimSpace(value))
	if err != nil {
		return attribute.KeyValue{}, errors.New("bad percent-encoding")
	}
	return attribute.String(key, value), nil
}
