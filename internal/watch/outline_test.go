// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"testing"
)

// TestOutline: all are counted, some are told, and those that have ended are not.
func TestOutline(t *testing.T) {
	s := NewServer()
	m := &Method{Name: "pkg.Service/Method"}
	rpcs := make([]*RPC, 5)
	for i := range rpcs {
		rpcs[i] = s.Begin(context.Background(), m)
	}
	s.Watch(func() {})
	s.End(rpcs[0])
	for n, want := range map[int]int{0: 0, 3: 3, 4: 4, 100: 4} {
		o := s.Outline(n)
		if o.RPCs != 5 || len(o.Some) != want {
			t.Errorf("of 4 RPCs and one that has ended, %d wanted: it counts %d and tells %d",
				n, o.RPCs, len(o.Some))
		}
		for _, r := range o.Some {
			if r.End != 0 || r.Ctx == nil || r.Method != m {
				t.Errorf("it tells of %+v", r)
			}
		}
	}
}
