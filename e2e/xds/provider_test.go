// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"google.golang.org/grpc/credentials/tls/certprovider"
)

// stuck is a source of certificates, as an agent on the same host is one, that has
// none to give.
type stuck struct{ asked sync.Map } // by server: chan struct{}

var noCertificates stuck

func (*stuck) Name() string { return "stuck" }

// of is told when a server asks.
func (s *stuck) of(server string) chan struct{} {
	c, _ := s.asked.LoadOrStore(server, make(chan struct{}, 16))
	return c.(chan struct{})
}

func (s *stuck) ParseConfig(config any) (*certprovider.BuildableConfig, error) {
	text, ok := config.(json.RawMessage)
	if !ok {
		return nil, fmt.Errorf("the configuration is a %T", config)
	}
	var c struct {
		Server string `json:"server"`
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, err
	}
	return certprovider.NewBuildableConfig(s.Name(), text,
		func(certprovider.BuildOptions) certprovider.Provider { return waiting{s.of(c.Server)} }), nil
}

type waiting struct{ asked chan<- struct{} }

func (w waiting) KeyMaterial(ctx context.Context) (*certprovider.KeyMaterial, error) {
	w.asked <- struct{}{}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (waiting) Close() {}
