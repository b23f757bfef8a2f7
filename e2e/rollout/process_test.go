// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/gracetrace/gracetrace/tracer"
)

// process is one that does a job.
type process struct {
	cmd    *exec.Cmd
	out    *json.Decoder
	stderr bytes.Buffer
}

// start starts the test binary anew, for a job whose spans go to an endpoint, with more
// in its environment.
func start(t *testing.T, j job, endpoint string, env ...string) *process {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.CommandContext(t.Context(), self)}
	p.cmd.Env = []string{
		envJob + "=" + string(text), "OTEL_SERVICE_NAME=" + service, "OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint,
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = &p.stderr
	pipe, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = json.NewDecoder(pipe)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // if the test has failed
	return p
}

// reports are those of a process that ends by itself.
func (p *process) reports() (all []*tracer.Report, err error) {
	for err == nil {
		var l line
		if err = p.out.Decode(&l); err == nil {
			all = append(all, l.Report)
		}
	}
	if errors.Is(err, io.EOF) {
		err = p.cmd.Wait()
	}
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, p.stderr.String())
	}
	return all, nil
}

// told are the traces of a process that waits to be killed, once each of its stops has
// told what holds it.
func (p *process) told(t *testing.T, stops int) (ids []string) {
	t.Helper()
	for len(ids) < stops {
		var l line
		if err := p.out.Decode(&l); err != nil {
			t.Fatalf("after %d of %d: %v\n%s", len(ids), stops, err, p.stderr.String())
		}
		if l.Report != nil {
			t.Fatalf("it has ended: %s", l.Report.Verdict)
		}
		if !slices.Contains(ids, l.Told) {
			ids = append(ids, l.Told)
		}
	}
	return ids
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait() // it was killed
}
