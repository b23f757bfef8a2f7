// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// readSpan is a span that was read, of whatever format. Times are microseconds
// since 1970.
type readSpan struct {
	trace, id, parent string // hexadecimal
	name, service     string
	version           string // of the service
	process           string // service.instance.id; "": not told
	start, end        int64
	attrs             map[string]any // string, bool, int64, float64 or []string
}

// maxMoment is in the year 2112: differences of moments fit a Duration.
const maxMoment = 1 << 52

// clampTime makes a number of microseconds one that can be calculated with.
func clampTime(us int64) int64 { return min(max(us, 0), maxMoment) }

// spanSet is the spans of an input by trace, in the order of their appearance.
type spanSet struct {
	traces []*readTrace
	byID   map[string]*readTrace
}

// add ignores a span that was read already: an export that is sent again sends
// the same spans.
func (s *spanSet) add(sp *readSpan) {
	if sp.id == "" {
		return // not a span
	}
	sp.end = max(sp.start, sp.end)
	t := s.byID[sp.trace]
	if t == nil {
		t = newReadTrace(sp.trace)
		if s.byID == nil {
			s.byID = make(map[string]*readTrace)
		}
		s.byID[sp.trace] = t
		s.traces = append(s.traces, t)
	}
	t.add(sp)
}

// readTrace is the spans of one trace.
type readTrace struct {
	id       string
	spans    map[string]*readSpan
	children map[string][]*readSpan // by parent
}

func newReadTrace(id string) *readTrace {
	return &readTrace{
		id: id, spans: make(map[string]*readSpan), children: make(map[string][]*readSpan),
	}
}

func (t *readTrace) add(s *readSpan) {
	if t.spans[s.id] == nil {
		t.spans[s.id] = s
		t.children[s.parent] = append(t.children[s.parent], s)
	}
}

// below returns the children of a span in the order of a report: the earliest
// first; of those that start together a connection's own parts, then the oldest.
func (t *readTrace) below(id string) []*readSpan {
	list := slices.Clone(t.children[id])
	sortSpans(list)
	return list
}

func sortSpans(list []*readSpan) {
	part := func(s *readSpan) int {
		if s.text(keyKind) == string(HolderConnection) && s.name != string(HolderConnection) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b *readSpan) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(part(a), part(b)),
			cmp.Compare(a.born(), b.born()), cmp.Compare(a.peer(), b.peer()),
			cmp.Compare(a.number(keyConnection), b.number(keyConnection)),
			cmp.Compare(a.name, b.name), cmp.Compare(a.id, b.id))
	})
}

// born is when a holder began, which may be before the shutdown.
func (s *readSpan) born() int64 { return s.end - s.duration(keyAge).Microseconds() }

// spanIDText makes an id of size bytes hexadecimal. Jaeger has left zeros out
// at its beginning.
func spanIDText(id string, size int) string {
	if strings.Trim(id, "0") == "" {
		return "" // none
	}
	if _, err := hex.DecodeString(strings.Repeat("0", len(id)%2) + id); err == nil && len(id) <= 2*size {
		return strings.Repeat("0", 2*size-len(id)) + strings.ToLower(id)
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(id, "="))
	if err == nil && len(b) == size {
		return hex.EncodeToString(b)
	}
	return id // of somebody else: only to be compared
}

func (s *readSpan) text(key string) string {
	v, _ := s.attrs[key].(string)
	return v
}

func (s *readSpan) flag(key string) bool {
	v, _ := s.attrs[key].(bool)
	return v
}

func (s *readSpan) number(key string) int {
	switch v := s.attrs[key].(type) {
	case int64:
		return int(min(max(v, 0), math.MaxInt32))
	case float64:
		if v > 0 {
			return int(min(v, math.MaxInt32))
		}
	}
	return 0
}

// duration is an attribute in seconds, in whole microseconds.
func (s *readSpan) duration(key string) time.Duration {
	var sec float64
	switch v := s.attrs[key].(type) {
	case int64:
		sec = float64(v)
	case float64:
		sec = v
	}
	us := math.Floor(sec*1e6 + 0.01) // a report cuts to microseconds
	if math.IsNaN(us) {
		return 0
	}
	return time.Duration(min(max(us, -maxMoment), maxMoment)) * time.Microsecond
}

// list is an attribute of several texts. Jaeger makes them one of JSON: in answers
// of its older API always, in those of version 3 if its storage is Badger, Cassandra
// or Elasticsearch, whose model knows no arrays.
func (s *readSpan) list(key string) []string {
	switch v := s.attrs[key].(type) {
	case []string:
		return v
	case string:
		var all []string
		if strings.HasPrefix(v, "[") && json.Unmarshal([]byte(v), &all) == nil {
			return all
		}
		return []string{v}
	}
	return nil
}

func (s *readSpan) left(prefix string) Left {
	return Left{
		Handshakes: s.number(prefix + "handshakes"), Connections: s.number(prefix + "connections"),
		RPCs: s.number(prefix + "rpcs"), Handlers: s.number(prefix + "handlers"),
	}
}

// peer is the reverse of peerAttrs.
func (s *readSpan) peer() string {
	host := s.text(keyPeerAddress)
	if port, ok := s.attrs[keyPeerPort]; ok && host != "" {
		if n, ok := port.(int64); ok {
			return net.JoinHostPort(host, strconv.FormatInt(n, 10))
		}
	}
	return host
}

// since is the time from base to a moment.
func since(base, at int64) time.Duration { return time.Duration(at-base) * time.Microsecond }
