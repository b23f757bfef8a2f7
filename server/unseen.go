// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc"
)

// registered are the services that were registered through the Server.
type registered struct {
	mu    sync.Mutex // guards following
	names map[string]bool
	told  bool
}

func (r *registered) add(service string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names == nil {
		r.names = make(map[string]bool)
	}
	r.names[service] = true
}

// maxUnseen bounds the services that are named.
const maxUnseen = 5

// unseen says, once, which services were registered with the grpc server itself:
// generated code of old takes a *grpc.Server. streams says that the server's streams
// are seen by their descriptors only, and not by an interceptor.
func (r *registered) unseen(all map[string]grpc.ServiceInfo, streams bool) (problems []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told {
		return nil
	}
	r.told = true
	var names []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !r.names[name] && slices.ContainsFunc(all[name].Methods, func(m grpc.MethodInfo) bool {
			return streams || !m.IsClientStream && !m.IsServerStream
		}) {
			names = append(names, name)
		}
	}
	if names == nil {
		return nil
	}
	more := ""
	if n := len(names) - maxUnseen; n > 0 {
		names, more = names[:maxUnseen], fmt.Sprintf(" and %d more", n)
	}
	return []string{fmt.Sprintf("%s%s: registered with the grpc server itself, so RPCs of it are not seen: "+
		"register with what server.New or server.Wrap has returned", strings.Join(names, ", "), more)}
}
