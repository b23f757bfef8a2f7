// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// TestServersThatStopTogether share the dumps of their goroutines, and each finds
// its own handler in them.
func TestServersThatStopTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTracer(t)
		reports := make(chan *tracer.Report, 2)
		methods := []string{
			greeterv1.Greeter_Chat_FullMethodName, greeterv1.Greeter_Upload_FullMethodName,
		}
		for _, method := range methods {
			s := server.New(tr, server.GracePeriod(10*time.Second))
			greeterv1.RegisterGreeterServer(s, &greeter.Server{})
			lis := servertest.Listen()
			go func() { _ = s.Serve(lis) }()
			c, err := servertest.Connect(t.Context(), lis.Dial, servertest.Obedient())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			if _, err := c.Open(servertest.Call{Method: method, KeepOpen: true}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			go func() {
				var forced *server.DeadlineError
				if err := s.Shutdown(context.Background()); !errors.As(err, &forced) {
					t.Errorf("Shutdown: %v, want a *DeadlineError", err)
				}
				reports <- forced.Report
			}()
		}
		for range methods {
			r := <-reports
			if v := r.Checkpoints[1].Verdict; !strings.Contains(v, ".go:") {
				t.Errorf("at 3 s the handler's place is not known: %s", v)
			}
		}
	})
}
