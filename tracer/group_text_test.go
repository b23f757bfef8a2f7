// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/internal/column"
)

// TestGroupText is the whole text of a group with everything in it.
func TestGroupText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newGroup(t)
		h.begin()
		r, _ := h.finish()
		want, err := os.ReadFile("testdata/group.txt")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), text(t, r)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestMemberLines: verdicts on members that neither the group's nor a bar tells.
func TestMemberLines(t *testing.T) {
	member := func(name string, took Duration, verdict, err string) *Report {
		r := &Report{
			Outcome: OutcomeGraceful, Duration: took, Verdict: verdict,
			Member: &MemberReport{Name: name, Error: err},
		}
		if strings.HasPrefix(verdict, "forced") {
			r.Outcome = OutcomeForced
		}
		return r
	}
	for _, tt := range []struct {
		member *Report
		want   string // empty: there is none
	}{
		{member("a", 9, "graceful in 1.0s", ""), ""},
		{member("a", 9, "graceful in 12µs, nothing held it", ""), ""},
		{member("a", 9, "graceful in 12µs, but clients were still connecting", ""),
			"a: graceful in 12µs, but clients were still connecting"},
		{member("a", 9, "failed after 1.0s: disk full", "disk full"), "a: failed after 1.0s: disk full"},
		{member("a", 9, "graceful in 12µs, nothing held it", "disk full"), ""}, // the group's says it
		{member("a", 9, "forced after 1.0s", "cut"), "a: forced after 1.0s"},
		{member("a", Duration(9*sec), "forced after 9.0s", "cut"), ""}, // the group's own verdict
		{member("a", Duration(9*sec), "conn wait took 9.0s", "disk full"),
			"a: conn wait took 9.0s; it failed: disk full"},
	} {
		other := member("b", Duration(sec), "graceful in 1.0s", "")
		r := &Report{
			Outcome: OutcomeGraceful, Duration: Duration(9 * sec), Members: []*Report{tt.member, other},
		}
		r.Verdict = groupVerdict(r, "")
		if got := strings.Join(memberLines(r), "\n"); got != tt.want {
			t.Errorf("of %q and %q: %q, want %q", tt.member.Verdict, r.Verdict, got, tt.want)
		}
	}
}

// TestNamedMembers: an HTTP server and the grpc server behind it have one name.
func TestNamedMembers(t *testing.T) {
	member := func(name, kind string) *Report {
		return &Report{Member: &MemberReport{Name: name, Kind: kind}}
	}
	r := &Report{Members: []*Report{
		member("web", memberGRPC), member("web", memberHTTP), member("api", memberGRPC), {}, nil,
	}}
	var names []string
	for _, m := range r.named() {
		names = append(names, m.name)
	}
	if want := []string{"web (grpc)", "web (http)", "api", "member"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}

// TestClientsOfGroup: connections that were refused are counted by each server, in
// the whole network namespace.
func TestClientsOfGroup(t *testing.T) {
	member := func(name string, refused, late int) *Report {
		return &Report{
			Member:  &MemberReport{Name: name},
			Clients: Clients{Refused: refused, LateConnections: late},
			RPCsCut: map[string]int{"a.B/C": 1},
		}
	}
	r := &Report{
		RPCsCut: map[string]int{"a.B/C": 2},
		Members: []*Report{member("api", 50, 3), member("admin", 48, 2)},
	}
	want := []string{
		"50 connections refused in the network namespace after the call",
		"api, admin: 1 RPC cut: a.B/C", "api: 3 connections accepted after the call",
		"admin: 2 connections accepted after the call",
	}
	if diff := cmp.Diff(want, r.allClients()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestGroupStory: each member's story goes on by itself, and the group's own is told
// as the member's of whom it is.
func TestGroupStory(t *testing.T) {
	at := func(sec int, verdict string) Checkpoint {
		return Checkpoint{Offset: Duration(sec) * Duration(1e9), Verdict: verdict}
	}
	r := &Report{
		Checkpoints: []Checkpoint{
			at(1, "web: conn wait for 1.0s so far"), at(3, "web: conn wait for 3.0s so far"),
			at(6, "db: its Close has not returned for 1.0s so far"), at(11, "words"),
		},
		Members: []*Report{
			{
				Member: &MemberReport{Name: "api", Offset: Duration(2 * sec)}, Checkpoints: []Checkpoint{
					at(1, "conn wait for 1.0s so far"), at(3, "conn wait for 3.0s so far"),
					at(6, "conn wait for 6.0s so far"),
				},
			},
			{Member: &MemberReport{Name: "web"}}, {Member: &MemberReport{Name: "db"}}, nil, {},
		},
	}
	want := []string{
		"at 1.0s, web: conn wait for 1.0s so far", "at 3.0s, web: the same",
		"at 3.0s, api: conn wait for 1.0s so far", "until 8.0s, api: the same",
		"at 6.0s, db: its Close has not returned for 1.0s so far", "at 11.0s: words",
	}
	if diff := cmp.Diff(want, storyLines(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestGroupWidth: as for any report.
func TestGroupWidth(t *testing.T) {
	reports := map[string]*Report{
		"nothing in it": {Members: []*Report{{}, nil}}, "only nil": {Members: []*Report{nil}},
		"wide": hostileGroup(strings.Repeat("ＡＢ", 99)),
	}
	for name, text := range hostile {
		reports[name] = hostileGroup(text)
	}
	for name, r := range reports {
		for line := range strings.SplitSeq(text(t, r), "\n") {
			if n := column.Width(line); n > textWidth {
				t.Errorf("%s: %d columns: %q", name, n, line)
			}
			if d := dirt(line); d != "" || strings.TrimRight(line, " ") != line {
				t.Errorf("%s: %s or spaces at the end of %q", name, d, line)
			}
		}
	}
}

// hostileGroup says s wherever a group's report says something.
func hostileGroup(s string) *Report {
	member := func(name string) *Report {
		m := hostileReport(s)
		m.Member = &MemberReport{
			Name: name, Kind: s, After: []string{s, s, s, s, s}, Error: s, Offset: Duration(never),
			Idle: 1 << 40, Active: -1,
		}
		m.Members = []*Report{m}
		return m
	}
	r := hostileReport(s)
	r.Members = []*Report{member(s), member(s + "2"), hostileReport(s), nil}
	r.Members[2].Phases = nil
	return r
}
