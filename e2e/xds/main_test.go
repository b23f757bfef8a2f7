// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/credentials/tls/certprovider"

	"github.com/gracetrace/gracetrace/internal/woven"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(envProgram); kind != "" {
		if err := runProgram(kind); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1) //nolint:forbidigo // a main of its own
		}
		return
	}
	certprovider.Register(&noCertificates)
	flag.Parse()
	must(flag.Set("test.parallel", "16"))           // they wait, for the most part
	must(os.Setenv("OTEL_TRACES_EXPORTER", "none")) // where it is compiled into the tests
	goleak.VerifyTestMain(m)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// TestWoven fails where the tests were to be instrumented and are not.
func TestWoven(t *testing.T) {
	if os.Getenv("REQUIRE_WOVEN") != "" && len(woven.Points()) == 0 {
		t.Fatal("REQUIRE_WOVEN is set, and grpc-go is not instrumented: see make weave")
	}
}
