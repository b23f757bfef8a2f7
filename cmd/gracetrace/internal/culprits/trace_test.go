// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/legible"
)

func TestSplitLink(t *testing.T) {
	for link, want := range map[string][2]string{
		"http://localhost:16686/trace/0af7":                       {"http://localhost:16686", "0af7"},
		"https://host/jaeger/trace/0AF7/?uiFind=b7ad6b7169203331": {"https://host/jaeger", "0AF7"},
		"https://host/trace/trace/0af7#x":                         {"https://host/trace", "0af7"},
	} {
		jaeger, id, err := SplitLink(link)
		if err != nil || [2]string{jaeger, id} != want {
			t.Errorf("%s: %q of %q, %v", link, id, jaeger, err)
		}
	}
	for _, link := range []string{"http://host/search?service=a", "http://u:secret@host/search", "http://host:a/"} {
		if _, _, err := SplitLink(link); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", link, err)
		}
	}
}

// TestTrace: a trace that is there, one that is not, and ids that are none.
func TestTrace(t *testing.T) {
	const id = "0af7651916cd43dd8448eb211c80319c"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/base/api/v3/traces/"+id {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"error":{"httpCode":404,"message":"No traces found"}}`))
			return
		}
		span := object{
			"traceId": id, "spanId": "b7ad6b7169203331", "name": "grpc.server.shutdown",
			"startTimeUnixNano": "1000", "endTimeUnixNano": "2000",
			"attributes": attributes("shutdown.outcome", "graceful", "shutdown.verdict", "nothing held it"),
		}
		_ = json.NewEncoder(w).Encode(object{"result": object{"resourceSpans": []object{
			{"scopeSpans": []object{{"spans": []object{span}}}},
		}}})
	}))
	defer s.Close()
	c, err := NewClient(Config{URL: s.URL + "/base", Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	reports, err := c.Trace(t.Context(), id)
	if err != nil || len(reports) != 1 || reports[0].Verdict != "nothing held it" ||
		reports[0].JaegerURL != s.URL+"/base/trace/"+id {
		t.Errorf("%+v, %v", reports, err)
	}
	for wrong, want := range map[string]string{
		"0af8":              s.URL + "/base has no trace 0af8",
		"../services":       "want the id of a trace",
		"":                  "want the id of a trace",
		"\x1b[2J" + id + id: "want the id of a trace",
	} {
		_, err := c.Trace(t.Context(), wrong)
		if err == nil || !strings.Contains(err.Error(), want) ||
			legible.Printable(err.Error()) != err.Error() {
			t.Errorf("%q: %v, want %q", wrong, err, want)
		}
	}
}
