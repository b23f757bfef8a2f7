// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when the tests take place.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type object = map[string]any

// run is a shutdown as Jaeger has it.
type run struct {
	id       string // 32 hexadecimal digits
	service  string
	version  string
	start    time.Time
	outcome  string // killed: its end was not sent; recovered: it was, later
	phases   []phase
	cut      int
	scramble bool // the spans in two parts
	headless bool // the first was lost
	sent     []object
	encoded  []byte
}

type phase struct {
	name string
	took time.Duration
	by   *held
}

type held struct {
	kind, state, method, agent, peer string
	port                             int
}

func (r *run) took() (d time.Duration) {
	for _, p := range r.phases {
		d += p.took
	}
	return d
}

// attributes are those that are not empty.
func attributes(kvs ...any) []object {
	list := []object{}
	for i := 0; i < len(kvs); i += 2 {
		var v object
		switch x := kvs[i+1].(type) {
		case string:
			if x == "" {
				continue
			}
			v = object{"stringValue": x}
		case int:
			v = object{"intValue": strconv.Itoa(x)}
		case float64:
			v = object{"doubleValue": x}
		case bool:
			v = object{"boolValue": x}
		}
		list = append(list, object{"key": kvs[i], "value": v})
	}
	return list
}

// span makes one of the run's. ids are numbers of it.
func (r *run) span(id, parent int, name string, start time.Time, took time.Duration, attrs []object) object {
	s := object{
		"traceId": r.id, "spanId": fmt.Sprintf("%016x", id), "name": name, "kind": 1,
		"startTimeUnixNano": strconv.FormatInt(start.UnixNano(), 10),
		"endTimeUnixNano":   strconv.FormatInt(start.Add(took).UnixNano(), 10),
		"attributes":        attrs, "status": object{},
		"links": []object{{"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331"}},
	}
	if parent != 0 {
		s["parentSpanId"] = fmt.Sprintf("%016x", parent)
	}
	return s
}

// spans are those that were sent.
func (r *run) spans() []object {
	if r.sent == nil {
		r.sent = r.send()
	}
	return r.sent
}

func (r *run) send() []object {
	const started, root, checkpoint = 1, 2, 3
	all := []object{r.span(started, 0, operationServer, r.start.Add(time.Microsecond), time.Microsecond,
		attributes("shutdown.source", "call", "shutdown.call", "GracefulStop"))}
	at, killed := r.start, r.outcome == "killed"
	for i, p := range r.phases {
		id, parent, name := 10*(i+1), root, p.name
		open := killed && i == len(r.phases)-1
		attrs := attributes("shutdown.phase", p.name)
		if open {
			id, parent, name = checkpoint, started, "checkpoint "+p.name
			attrs = append(attrs, attributes("shutdown.elapsed", r.took().Seconds())...)
		}
		all = append(all, r.span(id, parent, name, at, p.took, attrs))
		if h := p.by; h != nil {
			all = append(all, r.span(10*(i+1)+1, id, h.kind, at, p.took, append(attributes(
				"shutdown.phase", p.name, "shutdown.holder.kind", h.kind, "shutdown.holder.state", h.state,
				"rpc.method", h.method, "user_agent.original", h.agent, "shutdown.open", open,
				"network.peer.address", h.peer, "network.peer.port", h.port,
				"shutdown.holder.culprit", true), attributes("shutdown.holder.age", p.took.Seconds())...)))
		}
		at = at.Add(p.took)
	}
	if !killed {
		outcome := r.outcome
		if outcome == "recovered" {
			outcome = "killed"
		}
		all = append(all, r.span(root, 0, "grpc.server.shutdown", r.start, r.took(), attributes(
			"shutdown.outcome", outcome, "shutdown.verdict", "it took what it took", "shutdown.rpcs_cut", r.cut)))
	}
	if r.headless {
		all = all[1:]
	}
	return all
}

// resourceSpans are in as many parts as there were exports.
func (r *run) resourceSpans() []any {
	spans := r.spans()
	parts := [][]object{spans}
	if r.scramble && len(spans) > 1 {
		parts = [][]object{spans[len(spans)/2:], spans[:len(spans)/2]}
	}
	var list []any
	for _, p := range parts {
		list = append(list, object{
			"resource": object{"attributes": attributes(
				"service.name", r.service, "service.version", r.version)},
			"scopeSpans": []object{{"scope": object{"name": "tracer"}, "spans": p}},
		})
	}
	return list
}

// fake is a Jaeger. Its answers are those of 2.13 and 2.20, which differ in what they
// refuse.
type fake struct {
	*httptest.Server
	runs    []*run
	modern  bool // 2.20
	most    int  // max_traces; 0: any number
	ignores string
	handler http.HandlerFunc // nil: as Jaeger

	mu       sync.Mutex // guards following, and all that handler does
	requests int
}

func newFake(t *testing.T, runs ...*run) *fake {
	t.Helper()
	f := &fake{runs: runs}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	switch {
	case f.handler != nil:
		f.handler(w, r)
	case r.URL.Path == "/api/v3/services":
		fmt.Fprint(w, `{"services":["greeter","\u001b[31mevil"]}`)
	case r.URL.Path != "/api/v3/traces":
		http.Error(w, "404 page not found", http.StatusNotFound)
	default:
		f.search(w, r)
	}
}

// asked is how many requests there were.
func (f *fake) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

func refuse(w http.ResponseWriter, code int, message string) {
	http.Error(w, string(encode(object{"error": object{"httpCode": code, "message": message}})), code)
}

// search is findTraces of cmd/query/app/apiv3/http_gateway.go.
func (f *fake) search(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	get := func(name string) string {
		if name == f.ignores {
			return ""
		}
		return q.Get("query." + name)
	}
	from, errFrom := time.Parse(time.RFC3339Nano, q.Get("query.start_time_min"))
	to, errTo := time.Parse(time.RFC3339Nano, q.Get("query.start_time_max"))
	if errFrom != nil || errTo != nil || f.modern && !from.Before(to) {
		refuse(w, http.StatusBadRequest, "query.start_time_min must be before query.start_time_max")
		return
	}
	if f.ignores == "times" {
		from, to = time.Time{}, noon.Add(1e6*time.Hour)
	}
	limit := 100
	if n := get("num_traces"); n != "" {
		limit, _ = strconv.Atoi(n)
	}
	if f.most > 0 && limit > f.most {
		refuse(w, http.StatusInternalServerError, "search depth must be greater than 0 and less than max traces")
		return
	}
	list := [][]byte{}
	for _, run := range slices.Backward(f.runs) {
		if name := get("service_name"); limit == 0 || name != "" && name != run.service {
			continue
		}
		if run.matches(get("operation_name"), from, to) {
			list = append(list, run.json())
			limit--
		}
	}
	if len(list) == 0 {
		refuse(w, http.StatusNotFound, "No traces found")
		return
	}
	answerWith(w, list)
}

// json is its resourceSpans, without the brackets.
func (r *run) json() []byte {
	if r.encoded == nil {
		b := encode(r.resourceSpans())
		r.encoded = b[1 : len(b)-1]
	}
	return r.encoded
}

func answerWith(w io.Writer, list [][]byte) {
	_, _ = fmt.Fprintf(w, `{"result":{"resourceSpans":[%s]}}`, bytes.Join(list, []byte(",")))
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // there are only strings and numbers in it
	}
	return b
}

// matches says whether one of the spans does: both ends of the time count.
func (r *run) matches(operation string, from, to time.Time) bool {
	if operation == operationServer && !r.headless { // most often
		at := r.start.Add(time.Microsecond)
		return !at.Before(from) && !at.After(to)
	}
	return slices.ContainsFunc(r.spans(), func(s object) bool {
		ns, _ := strconv.ParseInt(s["startTimeUnixNano"].(string), 10, 64)
		at := time.Unix(0, ns)
		return (operation == "" || s["name"] == operation) && !at.Before(from) && !at.After(to)
	})
}

// query is for all of a day.
func (f *fake) query(t *testing.T) *Query {
	t.Helper()
	c, err := NewClient(Config{URL: f.URL, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c.pause = time.Microsecond
	t.Cleanup(c.Close)
	return f.queryOf(c)
}

// queryOf is the same of another client.
func (*fake) queryOf(c *Client) *Query {
	return &Query{
		Jaeger: c, UI: "http://jaeger:16686", Service: "greeter", From: noon.Add(-time.Hour),
		To: noon.Add(time.Minute), Now: noon, Silence: time.Minute,
	}
}

func collect(t *testing.T, q *Query) *Result {
	t.Helper()
	r, err := Collect(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
