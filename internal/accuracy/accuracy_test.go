// SPDX-License-Identifier: Apache-2.0

package accuracy

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/selfsigned"
	"github.com/gracetrace/gracetrace/internal/woven"
)

var (
	shutdowns = flag.Int("shutdowns", 60, "how many to measure")
	spinning  = flag.Int("spinning", 0, "how many goroutines keep the processors busy during each")
	kindly    = flag.Bool("kinds", false, "print a row for each kind, too, and the worst")
	seed      = flag.Uint64("seed", 1, "of the order and the numbers of connections")
)

// TestAccuracy stops servers in every way that a stop can go, over TCP, and prints for
// each boundary of its phases when the public hooks saw it, less when grpc's own source
// crossed it. It asserts no time: what is asserted holds at any load.
func TestAccuracy(t *testing.T) {
	requireWoven(t)
	r := &ruler{}
	woven.Install(r)
	certs := &certificates{}
	var err error
	if certs.server, certs.client, err = selfsigned.Config(); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(*seed, 0))
	list := schedule(*shutdowns)
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	var all samples
	for i, k := range list {
		r.forget()
		s := &scene{kind: k, t: t, rand: random, certs: certs, table: r.claimed, spinning: *spinning}
		report, conns := s.play()
		grpcs, since := r.read()
		if report == nil || since == 0 {
			t.Fatalf("shutdown %d, %s: no report, or the tracer was not told", i, k.name)
		}
		all.add(t, k.name, conns, seen(report, since), grpcs)
	}
	all.wantEach(t, len(list))
	fmt.Fprintf(os.Stdout, "grpc %s, %d shutdowns, %d connections, %d goroutines spinning\n%s",
		grpc.Version, len(list), all.conns, *spinning, all.table())
	if *kindly {
		fmt.Fprint(os.Stdout, all.byKind(), all.worst())
	}
}

// requireWoven skips where grpc-go is not instrumented, or fails where that is asked
// for.
func requireWoven(t *testing.T) {
	t.Helper()
	switch {
	case len(woven.Points()) > 0:
	case os.Getenv("REQUIRE_WOVEN") != "":
		t.Fatal("REQUIRE_WOVEN is set, and grpc-go is not instrumented: see make accuracy")
	default:
		t.Skip("grpc-go is not instrumented: see make accuracy")
	}
}

// spin keeps the processors busy until stopped.
func spin(n int) (stop func()) {
	var (
		wg   sync.WaitGroup
		over atomic.Bool
	)
	for range n {
		wg.Go(func() {
			for !over.Load() { // that is the load
			}
		})
	}
	return func() {
		over.Store(true)
		wg.Wait()
	}
}
