// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

const methodHealthWatch = "grpc.health.v1.Health/Watch"

// situation is a shutdown, and whom its verdict blames.
type situation struct {
	*timeline
	holder          // nothing of its own where nobody is blamed
	rpc    *rpcLine // that the holder is, or none
}

// worthARemedy is the least that a phase must have lasted for advice to be given:
// an RPC that takes its time is none of it.
const worthARemedy = 500 * time.Millisecond

func (tl *timeline) situation(main *phaseView) *situation {
	s := &situation{timeline: tl, rpc: &rpcLine{conn: -1}}
	if main.culprit == nil || main.length(tl) < worthARemedy {
		return s
	}
	s.holder = *main.culprit
	for i := range tl.rpcs {
		if r := &tl.rpcs[i]; s.ofRPC() && r.id == s.key.id {
			s.rpc = r
		}
	}
	return s
}

func (s *situation) ofRPC() bool { return s.Kind == HolderRPC || s.Kind == HolderHandler }

// open reports whether an RPC is to blame that its client has not given up.
func (s *situation) open() bool { return s.Kind == HolderRPC }

// method is that of the RPC to blame, for decisions: it may be withheld.
func (s *situation) method() string { return cmp.Or(s.rpc.asksFor(), s.Method) }

// business is the same for an RPC of the application's own.
func (s *situation) business() bool { return s.open() && !s.Infrastructure }

// isClient reports whether the peer to blame is known to speak HTTP/2 as a client
// does: one that says nothing, or leaves a PING unanswered, is no gateway.
func (s *situation) isClient() bool {
	return s.Kind != HolderHandshake && s.State != statePingUnacked
}

// isFrozen reports whether a Send waits for a socket that takes nothing more.
func (s *situation) isFrozen() bool { return s.open() && s.frozen(s.rpc, &s.holder) != nil }

// isDraining reports whether the connection of an RPC has been draining since
// before the stop.
func (s *situation) isDraining() bool {
	return s.Kind == HolderRPC && s.rpc != nil && s.drainingSince(s.rpc) != nil
}

// byPlane reports whether a control plane is the reason.
func (s *situation) byPlane() bool {
	if s.rpc.conn >= 0 {
		return s.conns[s.rpc.conn].byPlane
	}
	return slices.ContainsFunc(s.conns, func(c connLine) bool {
		return s.Kind == HolderConnection && c.id == s.key.id && c.byPlane
	})
}

// accepting reports whether an accept loop is to blame.
func (s *situation) accepting() bool {
	return s.Kind == HolderListener && s.key.part == "accept"
}

// goType is the type of the listener to blame.
func (s *situation) goType() string { return s.listeners[s.key.id].goType }

// leftBehind reports whether a handler was still running when the call returned.
func (s *situation) leftBehind() bool {
	for i := range s.rpcs {
		if r := &s.rpcs[i]; s.returned <= s.now && !s.abandoned && r.begin <= 0 && r.end > s.returned {
			return true
		}
	}
	return false
}

// before reports whether grpc-go is known to be older than a version.
func (s *situation) before(v release) bool {
	is, ok := parseRelease(s.grpcVersion)
	return ok && is.compare(v) < 0
}

// since reports whether grpc-go is known not to be older than a version.
func (tl *timeline) since(v release) bool {
	is, ok := parseRelease(tl.grpcVersion)
	return ok && is.compare(v) >= 0
}

// release is a version's numbers. Of a prerelease (1.86.0-dev) they are those of
// the release it leads to: it may have what that has.
type release [3]int

func parseRelease(s string) (r release, ok bool) {
	numbers, _, _ := strings.Cut(strings.TrimPrefix(s, "v"), "-")
	var rest string
	n, _ := fmt.Sscanf(numbers, "%d.%d.%d%s", &r[0], &r[1], &r[2], &rest)
	return r, n == len(r)
}

func (r release) compare(o release) int { return slices.Compare(r[:], o[:]) }
