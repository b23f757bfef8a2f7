// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"

	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gracetrace/gracetrace/internal/legible"
)

// envUIURL is where Jaeger's UI is, for links.
const envUIURL = "GRACETRACE_UI_URL"

// Option changes what [New] makes.
type Option interface{ apply(*config) error }

type optionFunc func(*config) error

func (f optionFunc) apply(c *config) error { return f(c) }

type config struct {
	log      *slog.Logger
	report   func(*Report)
	factory  func(context.Context) (sdktrace.SpanExporter, error)
	resource *resource.Resource
	uiURL    string
	origin   origin
	spool    spoolConfig
	withheld withheld
}

func newConfig(opts []Option, env bool) (*config, error) {
	c := &config{log: slog.Default()}
	var errs []error
	if env {
		errs = append(errs, c.readUIURL(), c.readSpool(), c.readWithheld())
	}
	for _, o := range opts {
		if o == nil {
			errs = append(errs, errors.New("a nil Option"))
			continue
		}
		errs = append(errs, o.apply(c))
	}
	if c.spool.off {
		c.spool.dir = ""
	}
	if env {
		c.readOrigin()
	}
	return c, errors.Join(errs...)
}

func (c *config) readUIURL() error {
	v := os.Getenv(envUIURL)
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Errorf("%s=%q: want http://host or https://host", envUIURL, legible.URL(v))
	case u.User != nil:
		return fmt.Errorf("%s=%q: a user or a password, which would be in every log", envUIURL, legible.URL(v))
	case u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return fmt.Errorf("%s=%q: a query or a fragment, which a link to a trace cannot have",
			envUIURL, legible.URL(v))
	}
	c.uiURL = strings.TrimSuffix(v, "/")
	return nil
}

// WithLogger sets where the log records go. By default, slog.Default().
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(c *config) error {
		if l == nil {
			return errors.New("WithLogger: nil *slog.Logger")
		}
		c.log = l
		return nil
	})
}

// WithReport hands f the report of each shutdown, once its spans were flushed.
// The call that stopped the server waits for f, for at most 1 s; a panic in f is
// recovered. By default, nobody gets it.
func WithReport(f func(*Report)) Option {
	return optionFunc(func(c *config) error {
		if f == nil {
			return errors.New("WithReport: nil func")
		}
		c.report = f
		return nil
	})
}

// WithExporter sends the spans through an exporter that f makes. It is called
// once at the start, to probe, and anew at each shutdown, so that certificates
// and tokens are read again; after an error it is called again, until the flush is
// over. ctx is for making it, and ends soon after. The exporter gets batches of spans
// while the stop lasts, its Shutdown is called at the end, and what it has not
// taken 2 s after the stop, or by the end of the grace period, is counted as lost.
// A panic in it is recovered. The OTEL_EXPORTER_OTLP_* variables are then neither
// read nor checked. By default, OTLP over gRPC or HTTP, by these variables.
func WithExporter(f func(context.Context) (sdktrace.SpanExporter, error)) Option {
	return optionFunc(func(c *config) error {
		if f == nil {
			return errors.New("WithExporter: nil func")
		}
		c.factory = f
		return nil
	})
}

// WithResource adds r to the resource of the spans. An attribute of r counts before
// that of OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME, and these before what is
// always there: host.name, process.pid, a random service.instance.id and
// telemetry.sdk.*. By default, it is these and the environment's.
func WithResource(r *resource.Resource) Option {
	return optionFunc(func(c *config) error {
		if r == nil {
			return errors.New("WithResource: nil *resource.Resource")
		}
		c.resource = r
		return nil
	})
}
