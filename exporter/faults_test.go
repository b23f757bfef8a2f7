// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package exporter

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	"go.opentelemetry.io/otel/attribute"
)

// TestFaults is the fault table: whole stops whose collector fails, each with and
// without a spool, to the exact millisecond. -rewrite writes what they print.
//
// Whatever the fault: the exit takes at most 2 s longer, every span is counted once,
// and what is counted as sent is what the collector has.
//
// Under the race detector it is every third row: all of them take a minute and a half.
// make floor and make matrix run all, without it.
func TestFaults(t *testing.T) {
	for _, file := range []string{"testdata/faults.txt", "testdata/faults_http.txt"} {
		faultTable(t, file)
	}
}

func faultTable(t *testing.T, file string) {
	t.Helper()
	row := 0
	datadriven.RunTest(t, file, func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		f := readFault(t, d)
		if row++; raced && row%3 != 1 {
			return d.Expected
		}
		bare, spooled := runFault(t, f, ""), runFault(t, f, filepath.Join(t.TempDir(), "spool"))
		lines := []string{rowTitles, bare.row("no spool"), spooled.row("spool")}
		lines = append(lines, bare.told...)
		for _, line := range spooled.told {
			if !slices.Contains(bare.told, line) {
				lines = append(lines, "with spool: "+line)
			}
		}
		return strings.Join(lines, "\n") + "\n"
	})
}

// stopped is what came of a stop.
type stopped struct {
	Result
	added time.Duration
	c     *faulty
	told  []string
}

const rowFormat = "%-8s  %-8s  %-9s  %-7s  %-34s  %-5s  %-7s  %s"

var rowTitles = strings.TrimRight(
	fmt.Sprintf(rowFormat, "", "added", "delivered", "spooled", "lost", "calls", "largest", "first at"), " ")

func (s *stopped) row(name string) string {
	var lost []string
	for _, reason := range slices.Sorted(maps.Keys(s.Lost)) {
		lost = append(lost, fmt.Sprintf("%d %s", s.Lost[reason], reason))
	}
	if lost == nil {
		lost = []string{"0"}
	}
	delivered := fmt.Sprint(len(s.c.spans))
	if s.c.twice > 0 {
		delivered += fmt.Sprintf("+%d", s.c.twice)
	}
	first := "never"
	if !s.c.first.IsZero() {
		first = s.c.first.Sub(s.c.opened).String()
	}
	return fmt.Sprintf(rowFormat, name, s.added, delivered, fmt.Sprint(s.Spooled),
		strings.Join(lost, ", "), fmt.Sprint(s.c.calls), fmt.Sprint(s.c.most), first)
}

// runFault runs a process that stops.
func runFault(t *testing.T, f fault, spool string) (s *stopped) {
	t.Helper()
	files := secure(t, f.tls)
	speak(t, f.http)
	synctest.Test(t, func(t *testing.T) {
		l := &logs{}
		c := newFaulty(f, files.write(t))
		c.begin()
		e := mustNew(t, Config{ScopeName: "test", SpoolDir: spool, Logger: l.logger(), dial: c.net.dial})
		time.Sleep(30 * time.Second)
		if f.tls == "rotated" {
			c.leave()
			c.conf = files.write(t)
			c.serve()
		}
		time.Sleep(30 * time.Second)
		session := openWith(t, e, f.disk, spool != "")
		end := c.signal()
		emitted := stop(session, f)
		start := time.Now()
		r := session.Flush(t.Context())
		s = &stopped{Result: r, added: time.Since(start), c: c}
		s.check(t, emitted)
		end()
		e.Close()
		c.leave()
		time.Sleep(time.Minute) // for what waits for nobody
		synctest.Wait()
		s.tell(l)
	})
	return s
}

// openWith opens a session whose spool, if it has one, is on a disk with a fault.
func openWith(t *testing.T, e *Exporter, disk string, spool bool) *Session {
	t.Helper()
	if disk == "" || !spool {
		return e.Open()
	}
	st := &badStore{from: time.Now().Add(5 * time.Second)}
	switch disk {
	case "full":
		st.err = syscall.ENOSPC
	case "quota":
		st.err = syscall.EDQUOT
	case "read-only":
		st.from, st.err = time.Now(), syscall.EROFS
	case "hangs", "hangs-late":
		st.hang = make(chan struct{})
		if disk == "hangs-late" {
			st.from = time.Now().Add(20 * time.Second)
		}
		time.AfterFunc(time.Minute, func() { close(st.hang) })
	case "removed":
		st.from, st.gone = time.Now().Add(time.Hour), true
	default:
		t.Fatalf("disk=%s", disk)
	}
	e.cfg.SpoolDir = ""
	return withStore(t, e, st)
}

// tlsFiles are named in the environment, and written by the collector's operator.
type tlsFiles struct {
	mode string
	dir  string
}

// secure sets the environment of a process.
func secure(t *testing.T, mode string) tlsFiles {
	t.Helper()
	files := tlsFiles{mode, t.TempDir()}
	env := []string{
		"OTEL_SERVICE_NAME", "greeter", "OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20old",
		"OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:4317",
	}
	switch mode {
	case "", "server": // which only the server speaks
		env[len(env)-1] = "http://127.0.0.1:4317"
	case "client", "unknown": // only the client; a certificate of nobody we know
	case "both", "rotated":
		env = append(env, "OTEL_EXPORTER_OTLP_CERTIFICATE", filepath.Join(files.dir, "collector.crt"),
			"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", filepath.Join(files.dir, "client.crt"),
			"OTEL_EXPORTER_OTLP_CLIENT_KEY", filepath.Join(files.dir, "client.key"))
	default:
		t.Fatalf("tls=%s", mode)
	}
	clean(t, env...)
	return files
}

// write makes new certificates, and returns the collector's side of them.
func (f tlsFiles) write(t *testing.T) *tls.Config {
	t.Helper()
	if f.mode == "" || f.mode == "client" {
		return nil
	}
	cert, key := writeCert(t, f.dir, "collector")
	client, _ := writeCert(t, f.dir, "client")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(client)
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{pair}}
	if f.mode == "both" || f.mode == "rotated" {
		conf.ClientAuth, conf.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		conf.ClientCAs.AppendCertsFromPEM(text)
	}
	return conf
}

func (s *stopped) check(t *testing.T, emitted int) {
	t.Helper()
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.added > flushLimit {
		t.Errorf("the exit took %v longer", s.added)
	}
	if n := total(s.Result) + s.Spooled; n != emitted {
		t.Errorf("%d of %d spans are counted", n, emitted)
	}
	if s.Sent != len(s.c.spans) {
		t.Errorf("%d spans sent, the collector has %d", s.Sent, len(s.c.spans))
	}
	if s.c.other > 0 {
		t.Errorf("%d spans came twice and were not the same", s.c.other)
	}
}

// messageSize depends on how many digits the process's id has.
var messageSize = regexp.MustCompile(`\(\d+ vs\.`)

// tell keeps what is logged.
func (s *stopped) tell(l *logs) {
	for line := range strings.Lines(l.String()) {
		_, line, _ = strings.Cut(strings.TrimSpace(line), "level=")
		s.told = append(s.told, line)
	}
	if s.Err != nil {
		s.told = append(s.told, "err: "+messageSize.ReplaceAllString(s.Err.Error(), "(N vs."))
	}
	if s.GoneAt > 0 {
		s.told = append(s.told, "gone at "+s.GoneAt.String())
	}
}

// stop emits 1,200 spans as a stop of 20 s does: what it has met at 1, 3, 6, 11 and
// 16 s, the phases and connections that end in between, and the rest at its end. Of
// those that end together the first is under way when the others come.
func stop(s *Session, f fault) (emitted int) {
	start := time.Now()
	emit := func(at time.Duration, n int, name string, more int) {
		time.Sleep(time.Until(start.Add(at)))
		for i := range n {
			emitted++
			s.Emit(stopSpan(emitted, name, start, more))
			if i == 0 {
				synctest.Wait()
			}
		}
	}
	const sec, ms = time.Second, time.Millisecond
	emit(0, 1, "grpc.server.shutdown started", f.span)
	emit(10*ms, 2, "quit", f.span)
	emit(1*sec, 4, "checkpoint handshake wait", f.span)
	emit(3*sec, 4, "checkpoint handshake wait", f.span)
	emit(3100*ms, 3, "handshake wait", f.span)
	for _, at := range []time.Duration{6 * sec, 11 * sec, 16 * sec} {
		emit(at, 4, "checkpoint conn wait", f.span)
		emit(at+200*ms, 91, "connection", f.span)
	}
	emit(20*sec, 900, "rpc Greeter/Watch", f.span)
	emit(20*sec, 1, "grpc.server.shutdown", f.span+f.big)
	return emitted
}

func stopSpan(n int, name string, start time.Time, more int) Span {
	sp := span(n, name)
	sp.Start, sp.End = start, time.Now()
	sp.Attributes = []attribute.KeyValue{
		attribute.String("rpc.system.name", "grpc"),
		attribute.String("rpc.method", "greeter.v1.Greeter/Watch"),
		attribute.String("network.peer.address", "10.0.0.8"),
		attribute.Int("network.peer.port", 40000+n),
		attribute.String("user_agent.original", "grpc-go/1.85.0"),
		attribute.String("shutdown.holder.kind", "rpc"),
		attribute.String("shutdown.holder.state", "in Recv"),
		attribute.Float64("shutdown.holder.age", 12.5),
		attribute.String("code.stacktrace", strings.Repeat("x", more)),
	}
	return sp
}
