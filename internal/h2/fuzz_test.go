// SPDX-License-Identifier: Apache-2.0

package h2

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzScanner checks that cutting the bytes anywhere changes nothing and that
// a parser which sees them whole sees the same.
func FuzzScanner(f *testing.F) {
	read, written := conversation(f)
	for _, seed := range [][]byte{read, written, []byte("HTTP/1.1 200 OK\r\n"), {}} {
		f.Add(seed, []byte{})
		f.Add(seed, []byte{1, 0, 1, 7, 9, 24, 255})
		f.Add(seed, []byte{3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3})
	}
	f.Fuzz(func(t *testing.T, data, sizes []byte) {
		for _, direction := range []struct {
			init  func(*Scanner)
			parse func([]byte) ([]Frame, State)
		}{
			{(*Scanner).InitRead, parseRead},
			{(*Scanner).InitWrite, parseWrite},
		} {
			want, wantState := direction.parse(data)
			got, state := scanChunks(direction.init, data, sizes...)
			if state != wantState {
				t.Errorf("state %v, want %v", state, wantState)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("frames (-want +got):\n%s", diff)
			}
		}
	})
}
