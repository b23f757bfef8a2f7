// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"net/http"
	"os"
	"syscall"
	"testing"

	"github.com/gracetrace/gracetrace/server"
)

// envRunGroup makes the test binary be a group whose last member hangs.
const envRunGroup = "GRACETRACE_TEST_RUN_GROUP"

func runGroupUntilSignal() {
	t := printingTracer()
	g := server.NewGroup(t)
	g.Add(server.Member{Name: "api", Server: server.New(t), Addr: "127.0.0.1:0"})
	g.Add(server.Member{Name: "web", HTTP: &http.Server{}, Addr: "127.0.0.1:0"})
	g.Add(server.Member{
		Name: "stuck", After: []string{"api", "web"},
		Close: func(context.Context) error { select {} },
	})
	if err := g.Run(context.Background()); err != nil {
		fatal(err)
	}
}

// TestGroupSecondSignal: who held is in the log and with the collector before the
// process exits.
func TestGroupSecondSignal(t *testing.T) {
	cmd, _ := rerun(t, envRunGroup)
	printed := printing(t, cmd)
	until(t, printed, "serving member=web", "")
	_ = cmd.Process.Signal(syscall.SIGTERM)
	until(t, printed, "shutdown progress", "")
	_ = cmd.Process.Signal(os.Interrupt)
	wantExit(t, cmd, printed, 130, // that of a SIGINT
		"second signal", "shutdown finished", "outcome=forced", "stuck took ",
		"the process exited on a second signal", "sent: member stuck\n", "sent: shutdown\n")
}
