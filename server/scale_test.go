// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// TestManyConnections stops a server with as many connections as a test has
// memory for, 1,500 that are idle and 100 with ten streams each, of which none
// ends by itself. (That 10,000 stay within the same bounds is shown for the model,
// in package tracer.)
func TestManyConnections(t *testing.T) {
	const idle, busy, streams = 1500, 100, 10
	if testing.Short() {
		t.Skip("it takes a second and 300 MB")
	}
	synctest.Test(t, func(t *testing.T) {
		spans := &exported{}
		tr := newTracer(t, tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) {
			return spans, nil
		}))
		s := server.New(tr, server.GracePeriod(10*time.Second))
		greeterv1.RegisterGreeterServer(s, &greeter.Server{})
		lis := servertest.Listen()
		served := make(chan error, 1)
		go func() { served <- s.Serve(lis) }()
		var clients []*servertest.Client
		for i := range idle + busy {
			c, err := servertest.Connect(t.Context(), lis.Dial, servertest.Obedient())
			if err != nil {
				t.Fatal(err)
			}
			clients = append(clients, c)
			for range streams {
				if i < idle {
					break
				}
				if _, err := c.Open(servertest.Call{
					Method: greeterv1.Greeter_Chat_FullMethodName, KeepOpen: true,
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		synctest.Wait()
		stopped := make(chan error, 1)
		go func() { stopped <- s.Shutdown(context.Background()) }()
		time.Sleep(4 * time.Second)
		for _, format := range []string{"text", "json", "html"} {
			w := httptest.NewRecorder()
			tr.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/?format="+format, nil))
			wantSized(t, "the handler's "+format, w.Body.String())
		}
		var forced *server.DeadlineError
		if err := <-stopped; !errors.As(err, &forced) {
			t.Fatalf("Shutdown: %v, want a *DeadlineError", err)
		}
		<-served
		for _, c := range clients {
			_ = c.Close()
		}
		wantMany(t, forced.Report, busy*streams, len(spans.spans))
	})
}

// wantMany looks at what is left of a stop that cut RPCs.
func wantMany(t *testing.T, r *tracer.Report, rpcs, spans int) {
	t.Helper()
	if n := r.RPCsCut["greeter.v1.Greeter/Chat"]; n != rpcs {
		t.Errorf("%d RPCs were cut, want %d", n, rpcs)
	}
	if len(r.Spans.Lost) > 0 || spans != r.Spans.Sent || spans > 1500+400 {
		t.Errorf("%d spans, %d sent, lost %v", spans, r.Spans.Sent, r.Spans.Lost)
	}
	if len(r.Checkpoints) != 3 {
		t.Errorf("%d checkpoints, want those of 1, 3 and 6 s", len(r.Checkpoints))
	}
	for name, write := range map[string]func(io.Writer) error{
		"text": r.WriteText, "JSON": r.WriteJSON, "HTML": r.WriteHTML,
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		wantSized(t, name, b.String())
	}
}

// wantSized expects an answer of bearable size that names an RPC.
func wantSized(t *testing.T, what, s string) {
	t.Helper()
	if len(s) > 1<<20 || !strings.Contains(s, "rpc greeter.v1.Greeter/Chat") {
		t.Errorf("%s: %d bytes, of at most 1 MiB, and it must name the RPC: %.500s", what, len(s), s)
	}
}
