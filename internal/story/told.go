// SPDX-License-Identifier: Apache-2.0

package story

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
)

// told are the options by which handlers learn of the drain.
func (s *story) told(args arguments) (opts []grpc.ServerOption, err error) {
	s.health = health.NewServer()
	if args.keys["health"] == "told" {
		opts = append(opts, server.Health(s.health))
	}
	if args.has("endrecv") {
		opts = append(opts, server.EndRecv(
			greeterv1.Greeter_Chat_FullMethodName, greeterv1.Greeter_Upload_FullMethodName))
	}
	after, err := args.duration("cancelstreams", 0)
	if after > 0 {
		opts = append(opts, server.CancelStreams(after))
	}
	return opts, err
}
