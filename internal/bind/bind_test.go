// SPDX-License-Identifier: Apache-2.0

package bind

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/internal/address"
	"github.com/gracetrace/gracetrace/internal/procnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func taken(t *testing.T) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", address.TCP(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lis.Close() })
	return lis
}

func nobody(t *testing.T) func(procnet.Holder) {
	t.Helper()
	return func(h procnet.Holder) { t.Errorf("told that %s", h) }
}

// TestListen: an address that is free is no story.
func TestListen(t *testing.T) {
	for _, at := range []string{
		"127.0.0.1:0", unixPrefix + address.Unix(t, "a.sock"),
	} {
		lis, a := Listen(t.Context(), at, time.Minute, nobody(t))
		if a.Troubled() || a.Err != nil || a.Retries != 0 || a.Type() != "" {
			t.Fatalf("%s: %+v", at, a)
		}
		_ = lis.Close()
	}
}

// TestInUse: without a retry the error comes at once and says who has it.
func TestInUse(t *testing.T) {
	address := taken(t).Addr().String()
	_, a := Listen(t.Context(), address, 0, nobody(t))
	if !errors.Is(a.Err, errInUse) || a.Type() != "address_in_use" || a.Retries != 0 {
		t.Errorf("%+v, want the address in use", a)
	}
	if !strings.Contains(a.Err.Error(), address) {
		t.Errorf("the error does not name the address: %v", a.Err)
	}
	want := "this process itself listens on " + address
	if runtime.GOOS == "linux" && !strings.HasSuffix(a.Err.Error(), want) {
		t.Errorf("%v, want at its end %q", a.Err, want)
	}
}

// TestRetry: the address is taken as soon as it is free.
func TestRetry(t *testing.T) {
	other := taken(t)
	told := 0
	lis, a := Listen(t.Context(), other.Addr().String(), time.Minute, func(procnet.Holder) {
		told++
		_ = other.Close()
	})
	if a.Err != nil || a.Retries != 1 || !a.Troubled() || told != 1 {
		t.Fatalf("%+v, told %d times, want one retry and once", a, told)
	}
	if took := a.End.Sub(a.Begin); took < minBackoff {
		t.Errorf("it took %s, want %s at least", took, minBackoff)
	}
	_ = lis.Close()
}

// TestRetryEnds: it is not tried for longer than asked for, and at the end of it, even
// if to find the holder has taken all of that.
func TestRetryEnds(t *testing.T) {
	for _, retry := range []time.Duration{60 * time.Millisecond, time.Nanosecond} {
		_, a := Listen(t.Context(), taken(t).Addr().String(), retry, func(procnet.Holder) {})
		if !errors.Is(a.Err, errInUse) || a.Retries < 1 || a.Retries > 2 {
			t.Errorf("%s: %+v, want a retry in the end and, if there is time, one at 50ms", retry, a)
		}
		if a.End.Sub(a.Begin) < retry || !strings.Contains(a.Err.Error(), "still after ") {
			t.Errorf("%s: %v", retry, a.Err)
		}
	}
}

// TestRetryCancelled: both reasons are in the error.
func TestRetryCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, a := Listen(ctx, taken(t).Addr().String(), time.Hour, func(procnet.Holder) { cancel() })
	if !errors.Is(a.Err, errInUse) || !errors.Is(a.Err, context.Canceled) || a.Retries != 0 {
		t.Errorf("%+v, want the address in use, and cancelled", a)
	}
}

// TestOtherErrors: nothing but an address in use is tried again.
func TestOtherErrors(t *testing.T) {
	for address, want := range map[string]string{
		"50051": "address_invalid", ":99999": "address_invalid",
		"192.0.2.1:80":             "address_not_available", // TEST-NET-1, RFC 5737
		unixPrefix + "/nowhere/at": "_OTHER",
	} {
		_, a := Listen(t.Context(), address, time.Hour, nobody(t))
		if a.Err == nil || a.Type() != want || a.Retries != 0 {
			t.Errorf("%s: %+v, want %s", address, a, want)
		}
	}
}

// TestNotPermitted: who may listen on such a port is said.
func TestNotPermitted(t *testing.T) {
	a := Attempt{Address: ":80", Err: fs.ErrPermission}
	if err := a.explain(); !strings.Contains(err.Error(), "CAP_NET_BIND_SERVICE") ||
		!errors.Is(err, fs.ErrPermission) || a.Type() != "permission_denied" {
		t.Errorf("%v, %s", err, a.Type())
	}
	a.Address = "unix:/run/a.sock"
	if err := a.explain(); strings.Contains(err.Error(), "1024") {
		t.Errorf("a path is not a port: %v", err)
	}
}
