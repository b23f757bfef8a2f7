// SPDX-License-Identifier: Apache-2.0

package watch_test

import (
	"testing"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// TestServedBy: what package server has said counts, else the one server that is seen
// to accept connections.
func TestServedBy(t *testing.T) {
	for _, tt := range []struct {
		name, said string
		seen       []string
		want       string
	}{
		{"nothing is known", "", nil, ""},
		{"it was said", "0x1", []string{"0x2"}, "0x1"},
		{"it was seen", "", []string{"0x2", "0x2"}, "0x2"},
		{"there are several", "", []string{"0x2", "0x3", "0x2"}, ""},
		{"it was not always seen", "", []string{"", "0x2"}, "0x2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := watch.NewServer()
			if tt.said != "" {
				s.SetAddress(tt.said)
			}
			for _, a := range tt.seen {
				s.ServedBy(a)
			}
			if got := s.ServerAddress(); got != tt.want {
				t.Errorf("the server is %q, want %q", got, tt.want)
			}
		})
	}
}
