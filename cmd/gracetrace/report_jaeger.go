// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/culprits"
	"github.com/gracetrace/gracetrace/tracer"
)

// jaegerFlags say how to ask a Jaeger for one trace.
type jaegerFlags struct {
	url, ca, headerFile string
	timeout             durationValue
}

// add adds the flags to a command, and says what its arguments are with --jaeger.
func (f *jaegerFlags) add(cmd *cobra.Command, names string) {
	f.timeout = durationValue{defaultAnswerTimeout}
	flags := cmd.Flags()
	flags.StringVar(&f.url, "jaeger", "", "ask the Jaeger at this `URL`: "+names)
	flags.StringVar(&f.ca, "ca", "", "of --jaeger: trust the certificates in this PEM `file`")
	flags.StringVar(&f.headerFile, "header-file", "", "of --jaeger: send the headers in this `file`")
	flags.Var(&f.timeout, "timeout", "of --jaeger: of one answer")
}

// asks reports whether a name is one of a trace in a Jaeger, by --jaeger or because
// it is a link.
func (f *jaegerFlags) asks(name string) bool {
	return f.url != "" || strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// reports reads a file, or standard input, or asks for a trace.
func (f *jaegerFlags) reports(ctx context.Context, stdin io.Reader, name string) (
	[]*tracer.Report, error,
) {
	if f.asks(name) {
		return f.read(ctx, name)
	}
	reports, err := readReports(stdin, name)
	if errors.Is(err, fs.ErrNotExist) && culprits.IsTraceID(name) {
		return nil, fmt.Errorf("%w; for the trace of that id say --jaeger URL", err)
	}
	return reports, err
}

// read asks for the trace of that id or link.
func (f *jaegerFlags) read(ctx context.Context, name string) ([]*tracer.Report, error) {
	conf := culprits.Config{URL: f.url, Timeout: f.timeout.d}
	id := name
	if f.url == "" {
		var err error
		if conf.URL, id, err = culprits.SplitLink(name); err != nil {
			return nil, usageError{err}
		}
		if err = f.trusts(conf.URL); err != nil {
			return nil, usageError{err}
		}
	}
	var err error
	if conf.Headers, err = readJaegerHeaders(f.headerFile); err != nil {
		return nil, err
	}
	if conf.TLS, err = readCA(f.ca); err != nil {
		return nil, err
	}
	client, err := culprits.NewClient(conf)
	if err != nil {
		return nil, usageError{fmt.Errorf("--jaeger %w", err)}
	}
	defer client.Close()
	return client.Trace(ctx, id)
}

// trusts is about the headers of the environment, which are secrets: a link may come
// from anywhere, and is sent them only if it leads to the Jaeger that is known.
func (*jaegerFlags) trusts(link string) error {
	if os.Getenv(envJaegerHeaders) == "" {
		return nil
	}
	to, err := culprits.BaseURL(link)
	if err != nil {
		return err
	}
	known, err := culprits.BaseURL(os.Getenv(envUI))
	if err == nil && known.Scheme == to.Scheme && strings.EqualFold(known.Host, to.Host) {
		return nil
	}
	return fmt.Errorf("the headers in %s are not sent to %s, which is not %s: say --jaeger %s and the trace's id",
		envJaegerHeaders, to, envUI, to)
}
