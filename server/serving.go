// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path"
	"slices"
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

// logServing says what a stop may take, and what will come in its way. more are
// a group's keys.
func (s *Server) logServing(listeners []net.Listener, p plan, more ...any) {
	more = append(more, "addresses", addresses(listeners), "pid", os.Getpid(),
		"signals", signalNames, "grace_period_ms", p.budget.Milliseconds(),
		"lame_duck_ms", p.lameDuck.Milliseconds(), "drain_ms", p.drain.Milliseconds(),
		"forced_stop_ms", p.forced.Milliseconds(), "app_flush_ms", p.appFlush.Milliseconds(),
		"flush_ms", p.flush.Milliseconds())
	s.t.Logger().Info("serving", append(more, wayOut(s.t)...)...)
	warnOf(s.t.Logger(), p.problems(s.duck))
}

// wayOut says where the spans of a stop will go.
func wayOut(t *tracer.Tracer) []any {
	keys := []any{"exporter", t.Exporter()}
	if where := t.Spool(); where != "" {
		keys = append(keys, "spool", where)
	}
	return keys
}

func warnOf(log *slog.Logger, problems []string) {
	for _, problem := range problems {
		log.Warn("shutdown will suffer", "reason", problem)
	}
}

func addresses(listeners []net.Listener) []string {
	addrs := make([]string, len(listeners))
	for i, lis := range listeners {
		addrs[i] = lis.Addr().String()
	}
	return addrs
}

// tooShort is a drain in which hardly an RPC ends.
const tooShort = time.Second

// problems says how the parts of a budget do not fit. duck is what was asked for.
func (p *plan) problems(duck time.Duration) (list []string) {
	if duck > p.lameDuck {
		list = append(list, fmt.Sprintf("a lame duck of %s does not fit into a grace period of %s: "+
			"it is cut to %s", duck, p.budget, p.lameDuck))
	}
	if p.drain < tooShort {
		list = append(list, fmt.Sprintf("of a grace period of %s only %s are left for RPCs to end",
			p.budget, p.drain))
	}
	return list
}

// shells do not pass on the signals they get.
var shells = []string{"sh", "bash", "dash", "ash", "zsh", "busybox"}

// shellIsFirst says that pid 1 is a shell: in a container it gets the SIGTERM that
// is meant for the server, and the server never does.
func shellIsFirst(proc string) []string {
	if os.Getpid() == 1 {
		return nil
	}
	comm, err := os.ReadFile(path.Join(proc, "1", "comm"))
	name := string(bytes.TrimSpace(comm))
	if err != nil || !slices.Contains(shells, name) {
		return nil
	}
	return []string{fmt.Sprintf("pid 1 is a shell (%s), which does not pass SIGTERM on: use the exec form "+
		"of CMD or ENTRYPOINT, or exec in the script", name)}
}
