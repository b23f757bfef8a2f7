// SPDX-License-Identifier: Apache-2.0

package otlpjson_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
)

func text(key, v string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{
		Value: &commonpb.AnyValue_StringValue{StringValue: v},
	}}
}

// full has a value in every field that an exporter of Go fills.
func full() *tracepb.TracesData {
	traceID := bytes.Repeat([]byte{0xf0, 0x0f}, 8)
	kv := func(v *commonpb.AnyValue) *commonpb.KeyValue {
		return &commonpb.KeyValue{Key: "k", Value: v}
	}
	span := &tracepb.Span{
		TraceId: traceID, SpanId: []byte{1, 2, 3, 4, 5, 6, 7, 0xff}, ParentSpanId: make([]byte, 8),
		TraceState: "a=b", Flags: 0x301, Name: "conn wait <&> \"ü\"\n", Kind: tracepb.Span_SPAN_KIND_INTERNAL,
		StartTimeUnixNano: math.MaxUint64, EndTimeUnixNano: 1,
		Attributes: []*commonpb.KeyValue{
			text("s", "<a>"),
			kv(&commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: math.MinInt64}}),
			kv(&commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: 1.25e-9}}),
			kv(&commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: false}}),
			kv(&commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{BytesValue: []byte{0, 255}}}),
			kv(&commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{
				Values: []*commonpb.AnyValue{text("", "x").Value, text("", "").Value},
			}}}),
		},
		Links: []*tracepb.Span_Link{{
			TraceId: traceID, SpanId: []byte{8, 7, 6, 5, 4, 3, 2, 1}, TraceState: "c=d", Flags: 0x100,
		}},
		Status:                 &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: "killed"},
		DroppedAttributesCount: 1,
	}
	return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource:  &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", "greeter")}},
		SchemaUrl: "https://opentelemetry.io/schemas/1.43.0",
		ScopeSpans: []*tracepb.ScopeSpans{{
			Scope:     &commonpb.InstrumentationScope{Name: "scope", Version: "v1"},
			SchemaUrl: "https://opentelemetry.io/schemas/1.43.0", Spans: []*tracepb.Span{span},
		}},
	}}}
}

// TestWhatIsReadIsWhatWasWritten: byte for byte in protobuf's form, or Jaeger
// keeps two spans of one id.
func TestWhatIsReadIsWhatWasWritten(t *testing.T) {
	td := full()
	before, err := proto.MarshalOptions{Deterministic: true}.Marshal(td)
	if err != nil {
		t.Fatal(err)
	}
	line, err := otlpjson.Line(td)
	if err != nil {
		t.Fatal(err)
	}
	back, err := otlpjson.Parse(line)
	if err != nil {
		t.Fatalf("%v\n%s", err, line)
	}
	for name, m := range map[string]proto.Message{"read": back, "written": td} {
		after, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s differs, %v:\n%v\n%v", name, err, td, m)
		}
	}
}

// TestLineIsOTLPJSON holds what the specification wants of the text.
func TestLineIsOTLPJSON(t *testing.T) {
	line, err := otlpjson.Line(full())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(line, []byte(otlpjson.Begin)) || bytes.IndexByte(line, '\n') != len(line)-1 ||
		!json.Valid(line) {
		t.Errorf("not one line of JSON that begins with %s:\n%s", otlpjson.Begin, line)
	}
	for _, want := range []string{
		`"traceId":"f00ff00ff00ff00ff00ff00ff00ff00f"`, `"spanId":"01020304050607ff"`,
		`"parentSpanId":"0000000000000000"`, `"spanId":"0807060504030201"`, `"kind":1`,
		`"startTimeUnixNano":"18446744073709551615"`, `"intValue":"-9223372036854775808"`,
		`"code":2`, `"boolValue":false`, `"flags":769`,
	} {
		if !bytes.Contains(line, []byte(want)) {
			t.Errorf("no %s in\n%s", want, line)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	line, err := otlpjson.Line(full())
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"nothing": "", "torn": string(line[:len(line)/2]), "a log record": `{"time":"now","msg":"x"}`,
		"no spans": `{"resourceSpans":[]}`, "two": string(line) + string(line),
		"short id": strings.Replace(string(line), "01020304050607ff", "01020304", 1),
		"no id":    strings.Replace(string(line), "01020304050607ff", "", 1),
		"not hex":  strings.Replace(string(line), "01020304050607ff", "gggggggggggggggg", 1),
	} {
		if td, err := otlpjson.Parse([]byte(bad)); err == nil {
			t.Errorf("%s: read %v", name, td)
		}
	}
	// Of protobuf's own mapping, and in capitals.
	for _, id := range []string{"AQIDBAUGB/8=", "01020304050607FF"} {
		td, err := otlpjson.Parse([]byte(strings.Replace(string(line), "01020304050607ff", id, 1)))
		if err != nil || !proto.Equal(td, full()) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	line, err := otlpjson.Line(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{}]}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		td, err := otlpjson.Parse(b)
		if err != nil {
			return
		}
		again, err := otlpjson.Line(td)
		if err != nil {
			t.Skip(err) // a double that JSON has no number for
		}
		if back, err := otlpjson.Parse(again); err != nil || !proto.Equal(back, td) {
			t.Errorf("%s became %s, %v", b, again, err)
		}
	})
}
