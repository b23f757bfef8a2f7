// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/credentials/tls/certprovider"
)

func TestMain(m *testing.M) {
	certprovider.Register(noCertificates)
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil { // they wait, for the most part
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
