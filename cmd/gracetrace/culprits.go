// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/culprits"
)

const (
	defaultSince         = time.Hour
	defaultAnswerTimeout = 30 * time.Second
	defaultSilence       = time.Minute
	defaultTop           = 10
	// ahead is how far the clocks of a fleet may be ahead of ours.
	ahead = 10 * time.Minute
)

type culpritsFlags struct {
	jaeger, ui, service, version string
	ca, headerFile               string
	since, until                 momentValue
	by                           partsValue
	sort                         orderValue
	top                          int
	timeout, failOver, silence   durationValue
	json, progress, alsoRoots    bool
}

func newCulprits() *cobra.Command {
	f := culpritsFlags{
		jaeger: localJaegerUI, ui: os.Getenv(envUI), sort: orderValue{culprits.ByTimeHeld},
		since: momentValue{ago: defaultSince, text: "1h"}, timeout: durationValue{defaultAnswerTimeout},
		silence: durationValue{defaultSilence},
	}
	cmd := &cobra.Command{
		Use:   "culprits --service NAME",
		Short: "Add up what held a fleet's shutdowns, by what Jaeger has",
		Long: `culprits asks a Jaeger, 2.13 or later, for the shutdowns of a service. It prints
how many there were and how they ended; how long each phase took; whom the
phases blame, by kind, state, method and client, with a link to the worst trace
of each; and the same by the service's version.

A shutdown whose end was not sent counts as killed if nothing was heard of it
for a minute (--silence), for two if it had lasted for one; else it still runs. The stop of a group of
servers counts once.

--since and --until are a duration before now (90m, 2d), or a time in RFC 3339.

Headers for a Jaeger behind a login are in ` + envJaegerHeaders + `, as
name=value,name=value with values percent-encoded, or one a line, name: value,
in the file of --header-file. A proxy is taken from HTTPS_PROXY.

The exit code is 0 if all was answered, even if there are none; 1 if not, or not
all of it, or if --fail-over is given and Jaeger does not know the service; 2 if
the command line is wrong; and 3 if, with --fail-over, a shutdown was forced,
killed, or took longer.`,
		Example: `  gracetrace culprits --service greeter --since 1h
  gracetrace culprits --service greeter --since 2d --by method,state --sort count
  gracetrace culprits --jaeger https://jaeger.example --service greeter --json |
    jq '.culprits[0]'
  gracetrace culprits --service greeter --service-version 1.4.2 --fail-over 20s`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.jaeger, "jaeger", f.jaeger, "`URL` of Jaeger's query service")
	flags.StringVar(&f.service, "service", "", "service.name of the shutdowns")
	flags.StringVar(&f.version, "service-version", "", "only those of this service.version")
	flags.Var(&f.since, "since", "those that began since then")
	flags.Var(&f.until, "until", "and before then (default now)")
	flags.Var(&f.by, "by", "tell culprits apart by some of kind,state,method,client")
	flags.Var(&f.sort, "sort", "order of the culprits: held or count")
	flags.IntVar(&f.top, "top", defaultTop, "print so many culprits; --json has all")
	flags.Var(&f.failOver, "fail-over", "exit with 3 if one was forced, killed or longer")
	flags.Var(&f.silence, "silence", "without an end, and silent for so long: killed")
	flags.BoolVar(&f.alsoRoots, "also-roots", false,
		"find those that have lost their first span, too, in twice the time")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.BoolVar(&f.progress, "progress", false, "say how far it is even if stderr is no terminal")
	flags.StringVar(&f.ui, "ui", f.ui, "`URL` of Jaeger in links (default that of --jaeger)")
	flags.StringVar(&f.ca, "ca", "", "trust the certificates in this PEM `file`")
	flags.StringVar(&f.headerFile, "header-file", "", "send the headers in this `file`")
	flags.Var(&f.timeout, "timeout", "of one answer")
	return cmd
}

// query checks what the flags say together.
func (f *culpritsFlags) query(now time.Time) (*culprits.Query, error) {
	q := &culprits.Query{
		Service: f.service, Version: f.version, Now: now, By: f.by.parts, FailOver: f.failOver.d,
		Silence: f.silence.d, AlsoRoots: f.alsoRoots,
		From: f.since.at(now), To: now.Add(ahead),
	}
	if f.until.set() {
		q.To = f.until.at(now)
	}
	switch {
	case f.service == "":
		return nil, usageError{errors.New("--service is empty: want the service.name of the shutdowns")}
	case !q.From.Before(q.To):
		return nil, usageError{fmt.Errorf("--since %s is not before --until %s", &f.since, &f.until)}
	case f.top < 1:
		return nil, usageError{fmt.Errorf("--top %d: want 1 or more", f.top)}
	}
	var err error
	conf := culprits.Config{URL: f.jaeger, Timeout: f.timeout.d}
	if conf.Headers, err = readJaegerHeaders(f.headerFile); err != nil {
		return nil, err
	}
	if conf.TLS, err = readCA(f.ca); err != nil {
		return nil, err
	}
	if q.Jaeger, err = culprits.NewClient(conf); err != nil {
		return nil, usageError{fmt.Errorf("--jaeger %w", err)}
	}
	ui, err := culprits.BaseURL(cmp.Or(f.ui, f.jaeger))
	if err != nil {
		return nil, usageError{fmt.Errorf("--ui %w", err)}
	}
	q.UI = ui.String()
	return q, nil
}

func (f *culpritsFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	q, err := f.query(time.Now())
	if err != nil {
		return err
	}
	defer q.Jaeger.Close()
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	shown := newSearchProgress(stderr, f.progress)
	q.Progress = shown.show
	r, err := culprits.Collect(ctx, q)
	shown.end()
	if err != nil {
		return fmt.Errorf("%s: %w", q.Jaeger, err)
	}
	if f.json {
		err = r.WriteJSON(stdout)
	} else {
		err = r.WriteText(stdout, culprits.TextOptions{Top: f.top, Sort: f.sort.order})
	}
	switch {
	case err != nil:
		return err
	case r.Over != nil && r.Over.Shutdowns > 0:
		return overError{errors.New(r.Over.Text())}
	case r.Over != nil && r.Unknown:
		return fmt.Errorf("--fail-over: nothing to judge: %s", r.Notes[len(r.Notes)-1])
	case !r.Complete:
		return fmt.Errorf("not complete: %s", r.Incomplete[0])
	}
	return nil
}

// overError is shutdowns that broke --fail-over.
type overError struct{ error }

func (e overError) Unwrap() error { return e.error }

// momentValue is a time, or a duration before now.
type momentValue struct {
	ago  time.Duration
	time time.Time
	text string
}

func (v *momentValue) Type() string   { return "time" }
func (v *momentValue) String() string { return v.text }
func (v *momentValue) set() bool      { return v.text != "" }

func (v *momentValue) Set(s string) error {
	if at, err := time.Parse(time.RFC3339Nano, s); err == nil {
		*v = momentValue{time: at, text: s}
		return nil
	}
	d, err := parseDays(s)
	if err != nil || d < 0 {
		return errors.New("want a duration such as 90m, 2d or 1w, or a time such as 2026-01-31T12:00:00Z")
	}
	*v = momentValue{ago: d, text: s}
	return nil
}

func (v *momentValue) at(now time.Time) time.Time {
	if v.time.IsZero() {
		return now.Add(-v.ago)
	}
	return v.time
}

// maxUnits is how many days or weeks are far enough back.
const maxUnits = 5000

// parseDays is time.ParseDuration, and knows days and weeks of 24 hours.
func parseDays(s string) (time.Duration, error) {
	for unit, hours := range map[string]float64{"d": 24, "w": 7 * 24} {
		number, found := strings.CutSuffix(s, unit)
		if !found {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !(n >= 0 && n <= maxUnits) { // NaN is neither
			return 0, errors.New("not a number of days or weeks")
		}
		return time.Duration(n * hours * float64(time.Hour)), nil
	}
	return time.ParseDuration(s)
}

// partsValue is a list of parts of a culprit.
type partsValue struct{ parts []culprits.Part }

func (v *partsValue) Type() string { return "list" }

func (v *partsValue) String() string {
	names := make([]string, 0, len(v.parts))
	for _, p := range v.parts {
		names = append(names, string(p))
	}
	return strings.Join(names, ",")
}

func (v *partsValue) Set(s string) error {
	var parts []culprits.Part
	for name := range strings.SplitSeq(s, ",") {
		p := culprits.Part(strings.TrimSpace(name))
		if !slices.Contains(culprits.AllParts(), p) {
			return errors.New("want some of kind, state, method and client, such as method,state")
		}
		parts = append(parts, p)
	}
	v.parts = parts
	return nil
}

// orderValue is one of the orders.
type orderValue struct{ order culprits.Order }

func (v *orderValue) Type() string   { return "order" }
func (v *orderValue) String() string { return string(v.order) }

func (v *orderValue) Set(s string) error {
	switch o := culprits.Order(s); o {
	case culprits.ByTimeHeld, culprits.ByCount:
		v.order = o
		return nil
	}
	return errors.New("want held or count")
}
