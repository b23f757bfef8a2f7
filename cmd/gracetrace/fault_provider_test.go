// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// envProvider is when the process shuts down its own, global provider: before,
// at the signal, during the stop, after it, or never. Without it there is none.
const envProvider = "GRACETRACE_TEST_PROVIDER"

// appScope is the instrumentation scope of the application's own spans.
const appScope = "app"

// provide does what an application, or an auto-instrumentation, does. It returns
// what is to be done at the end of main.
func provide() (end func(), err error) {
	end = func() {}
	when := os.Getenv(envProvider)
	if when == "" {
		return end, nil
	}
	exp, err := otlptracegrpc.New(context.Background())
	if err != nil {
		return nil, err
	}
	p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exp))
	otel.SetTracerProvider(p)
	_, span := otel.Tracer(appScope).Start(context.Background(), "start")
	span.End()
	shut := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = p.Shutdown(ctx)
	}
	signalled := make(chan os.Signal, 1)
	signal.Notify(signalled, syscall.SIGTERM)
	switch when {
	case "before":
		shut()
	case "at the signal":
		go func() { <-signalled; shut() }()
	case "during":
		go func() { <-signalled; <-time.After(500 * time.Millisecond); shut() }()
	case "after":
		end = shut
	}
	return end, nil
}
