// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"context"

	"google.golang.org/grpc/credentials/tls/certprovider"
)

// stuck is a source of certificates, as an agent on the same host is one, that has
// none to give. It says when it is asked.
type stuck struct{ asked chan struct{} }

var noCertificates = stuck{make(chan struct{}, 16)}

func (s stuck) Name() string { return "stuck" }

func (s stuck) ParseConfig(any) (*certprovider.BuildableConfig, error) {
	return certprovider.NewBuildableConfig(s.Name(), nil,
		func(certprovider.BuildOptions) certprovider.Provider { return s }), nil
}

func (s stuck) KeyMaterial(ctx context.Context) (*certprovider.KeyMaterial, error) {
	s.asked <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (stuck) Close() {}
