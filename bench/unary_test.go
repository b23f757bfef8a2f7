// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/interceptors"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// BenchmarkUnary is a unary RPC over loopback TCP, client included.
func BenchmarkUnary(b *testing.B) {
	req := &greeterv1.SayHelloRequest{Name: "x"}
	for _, kind := range kinds {
		b.Run(kind, func(b *testing.B) {
			address := serve(b, kind)
			c := dial(b, address)
			call := func() {
				if _, err := c.SayHello(context.Background(), req); err != nil {
					b.Error(err)
				}
			}
			call()
			b.Run("serial", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					call()
				}
			})
			b.Run("parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(8)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						call()
					}
				})
			})
		})
	}
}

// BenchmarkUnaryRatio is the same with the contestants taking turns. The cpu
// metrics are the whole process's time, client and kernel included: on a busy
// machine they say more than the clock.
func BenchmarkUnaryRatio(b *testing.B) {
	const calls = 2000
	req := &greeterv1.SayHelloRequest{Name: "x"}
	many := func(kind string) func() time.Duration {
		address := serve(b, kind)
		c := dial(b, address)
		return func() time.Duration {
			return timed(func() {
				for range calls {
					if _, err := c.SayHello(context.Background(), req); err != nil {
						b.Error(err)
					}
				}
			})
		}
	}
	bare, traced := many("bare"), many("traced")
	for b.Loop() {
		m := takeTurns(bare, traced)
		report(b, "", m[0]/calls, m[1]/calls)
		c := takeTurns(spent(bare), spent(traced))
		report(b, "cpu-", c[0]/calls, c[1]/calls)
	}
}

// nothing is a service that does nothing.
type nothing struct {
	greeterv1.UnimplementedGreeterServer
}

func (nothing) SayHello(context.Context, *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	return nil, nil
}

// BenchmarkUnarySensor calls a method's descriptor as grpc does, and so shows
// what the sensor of RPCs alone adds.
func BenchmarkUnarySensor(b *testing.B) {
	bare := &greeterv1.Greeter_ServiceDesc
	traced := interceptors.Describe(newTracer(b), bare, false)
	dec := func(any) error { return nil }
	for _, tt := range []struct {
		name string
		desc *grpc.ServiceDesc
	}{{"bare", bare}, {"traced", traced}} {
		b.Run(tt.name, func(b *testing.B) {
			handle := tt.desc.Methods[0].Handler
			b.Run("serial", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = handle(nothing{}, context.Background(), dec, nil)
				}
			})
			b.Run("parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						_, _ = handle(nothing{}, context.Background(), dec, nil)
					}
				})
			})
		})
	}
}
