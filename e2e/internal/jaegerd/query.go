// SPDX-License-Identifier: Apache-2.0

package jaegerd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

// ErrNotFound says that Jaeger has no trace with the id.
var ErrNotFound = errors.New("no such trace")

// Trace reads one trace.
func (s *Server) Trace(ctx context.Context, id string) (*timeline.Tree, error) {
	body, err := s.get(ctx, s.Query+"/api/v3/traces/"+id)
	if err != nil {
		return nil, err
	}
	trees, err := Trees(body)
	if err != nil {
		return nil, err
	}
	if len(trees) != 1 {
		return nil, fmt.Errorf("%d traces for one id", len(trees))
	}
	return trees[0], nil
}

// Answer is what the query API answers to a path, as it is.
func (s *Server) Answer(ctx context.Context, path string) ([]byte, error) {
	return s.get(ctx, s.Query+path)
}

// A Search asks for traces as the UI's search page does.
type Search struct {
	Service, Operation string
	Tags               string // a JSON object of strings
	MinDuration        string // such as 10s
	Since              time.Duration
	Limit              int
}

// Find returns the ids of the traces that a search finds. It asks the API of
// Jaeger 1, because that of 2.13's version 3 cannot look for attributes and the
// UI's links must be tried as they are.
func (s *Server) Find(ctx context.Context, q Search) ([]string, error) {
	now := time.Now()
	v := url.Values{
		"service": {q.Service},
		"start":   {strconv.FormatInt(now.Add(-q.Since).UnixMicro(), 10)},
		"end":     {strconv.FormatInt(now.UnixMicro(), 10)},
		"limit":   {strconv.Itoa(q.Limit)},
	}
	if q.Operation != "" {
		v.Set("operation", q.Operation)
	}
	if q.Tags != "" {
		v.Set("tags", q.Tags)
	}
	if q.MinDuration != "" {
		v.Set("minDuration", q.MinDuration)
	}
	body, err := s.get(ctx, s.Query+"/api/traces?"+v.Encode())
	if err != nil {
		return nil, err
	}
	return decodeIDs(body)
}

// FindTrees returns the traces of a service that have a span of the name, whole,
// from version 3 of the API. The names of the parameters are those that both
// 2.13 and 2.20 know.
func (s *Server) FindTrees(ctx context.Context, q Search) ([]*timeline.Tree, error) {
	now := time.Now()
	v := url.Values{
		"query.service_name":   {q.Service},
		"query.operation_name": {q.Operation},
		"query.start_time_min": {now.Add(-q.Since).UTC().Format(time.RFC3339Nano)},
		"query.start_time_max": {now.Add(time.Minute).UTC().Format(time.RFC3339Nano)},
		"query.num_traces":     {strconv.Itoa(q.Limit)},
	}
	body, err := s.get(ctx, s.Query+"/api/v3/traces?"+v.Encode())
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return Trees(body)
}

// Trees are the traces in an answer of /api/v3.
func Trees(body []byte) ([]*timeline.Tree, error) {
	traces, err := decode(body)
	if err != nil {
		return nil, err
	}
	trees := make([]*timeline.Tree, 0, len(traces))
	for _, spans := range traces {
		trees = append(trees, timeline.NewTree(spans))
	}
	return trees, nil
}

// Await asks until find returns a tree that is as wanted, and fails the test
// after half a minute with the last one seen.
func Await(t *testing.T, what string, find func(context.Context) (*timeline.Tree, error),
	want func(*timeline.Tree) bool) *timeline.Tree {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * pollInterval)
	defer tick.Stop()
	last := "nothing"
	for {
		tree, err := find(ctx)
		switch {
		case err != nil:
			last = err.Error()
		case tree != nil && want(tree):
			return tree
		case tree != nil:
			last = "\n" + tree.Outline()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s did not come; last seen: %s", what, last)
		}
	}
}

func (s *Server) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", url, err)
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%s: %w", url, ErrNotFound)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s: %.300s", url, resp.Status, body)
	}
	return body, nil
}
