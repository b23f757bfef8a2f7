// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/internal/column"
	"github.com/gracetrace/gracetrace/tracer"
)

func group(members ...*tracer.Report) *tracer.Report {
	r := &tracer.Report{Outcome: tracer.OutcomeGraceful, Members: members, Verdict: "v"}
	for _, m := range members {
		r.Duration = max(r.Duration, m.Duration)
	}
	return r
}

func member(name string, r *tracer.Report) *tracer.Report {
	r.Member = &tracer.MemberReport{Name: name, Kind: "grpc"}
	return r
}

func closes(name string, took tracer.Duration, err string) *tracer.Report {
	return &tracer.Report{
		Outcome: tracer.OutcomeGraceful, Duration: took,
		Member: &tracer.MemberReport{Name: name, Kind: "close", Error: err},
	}
}

// TestCompareGroups: what is said of two groups, by member.
func TestCompareGroups(t *testing.T) {
	refused := func(n int) func(*tracer.Report) { return met(tracer.Clients{Refused: n}) }
	http := closes("api", sec, "")
	http.Member.Kind = "http"
	for _, tt := range []struct {
		name string
		a, b *tracer.Report
		want []string
	}{
		{"the same", group(closes("db", sec, "")), group(closes("db", sec, "")), nil},
		{
			"one closes slower", group(closes("db", sec, "")), group(closes("db", 3*sec, "")),
			[]string{"member db took 2.0s longer"},
		},
		{
			"one fails", group(closes("db", sec, "")), group(closes("db", sec, "disk full")),
			[]string{"db failed: disk full"},
		},
		{
			"and no longer", group(closes("db", sec, "disk full")), group(closes("db", sec, "")),
			[]string{"db no longer failed: disk full"},
		},
		{
			"a phase of a server",
			group(member("api", stopped(took("conn wait", sec)))),
			group(member("api", stopped(took("conn wait", 9*sec, "rpc", "in Recv", "a/Watch")))),
			[]string{"api: conn wait took 8.0s longer, held by rpc a/Watch (in Recv)"},
		},
		{
			"the phase of one of two",
			group(member("api", stopped(took("conn wait", sec))), member("admin", stopped(took("conn wait", sec)))),
			group(member("api", stopped(took("conn wait", sec))), member("admin", stopped(took("conn wait", 3*sec)))),
			[]string{"admin: conn wait took 2.0s longer"},
		},
		{
			"a new member", group(closes("db", sec, "")),
			group(closes("db", sec, ""), member("api", stopped(took("conn wait", 3*sec)))),
			[]string{"a member api of 3.0s"},
		},
		{
			"forced", group(member("api", stopped())), group(with(member("api", stopped()), forced(nil))),
			[]string{"api was forced instead of graceful"},
		},
		{
			"refused connections are counted by both", group(member("api", stopped()), member("admin", stopped())),
			group(with(member("api", stopped()), refused(50)), with(member("admin", stopped()), refused(48))),
			[]string{"50 connections refused instead of 0"},
		},
		{
			"late streams of one", group(member("api", stopped())),
			group(with(member("api", stopped()), met(tracer.Clients{LateStreams: 2}))),
			[]string{"api: 2 RPCs opened after the call instead of 0"},
		},
		{
			"two of one name", group(member("api", stopped(took("conn wait", sec))), http),
			group(member("api", stopped(took("conn wait", 3*sec))), http),
			[]string{"api (grpc): conn wait took 2.0s longer"},
		},
		{
			"with a server alone", stopped(took("conn wait", sec)), group(closes("db", sec, "")),
			[]string{"a member db of 1.0s", "no conn wait, it was 1.0s"},
		},
	} {
		c := Compare(tt.a, tt.b)
		var got []string
		for _, change := range c.Changes {
			got = append(got, change.Text)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestGroupTable has a row for each member and for each of its phases.
func TestGroupTable(t *testing.T) {
	long := strings.Repeat("ＡＢ", 40)
	a := group(member("api", stopped(took("conn wait", sec))), closes("database", sec, ""), closes(long, sec, ""))
	b := group(member("api", stopped(took("conn wait", 3*sec))), closes("database", sec, ""), closes(long, sec, ""))
	var w bytes.Buffer
	if err := Compare(a, b).WriteText(&w); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(w.String(), "\n") {
		if n := column.Width(line); n > 80 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	for _, want := range []string{
		"\nmember api ", "\napi: conn wait ", "\nmember database ", "\nall ",
	} {
		if !strings.Contains(w.String(), want) {
			t.Errorf("no row %q in\n%s", want, w.String())
		}
	}
}
