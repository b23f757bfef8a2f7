// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/gracetrace/gracetrace/internal/greeter"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// Programs that serve does not stand for. Like it they log where they listen.
const (
	envWatched = "GRACETRACE_TEST_WATCHED" // health checks that package server does not know
	envBusy    = "GRACETRACE_TEST_BUSY"    // the same, and goroutines that leave no processor idle
	envGroup   = "GRACETRACE_TEST_GROUP"   // two servers, and something that takes this time to close
)

// programs are what the test binary is if a variable says so.
var programs = map[string]func(context.Context, *tracer.Tracer) error{
	envWatched: runWatched,
	envBusy:    runBusy,
	envGroup:   runGroup,
}

// runProgram runs one if it is to be run.
func runProgram() {
	for env, run := range programs {
		if os.Getenv(env) == "" {
			continue
		}
		t, err := tracer.New(context.Background(),
			tracer.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil))))
		if err == nil {
			err = run(context.Background(), t)
		}
		if err != nil {
			os.Exit(exitFailure)
		}
		os.Exit(exitOK)
	}
}

func runWatched(ctx context.Context, t *tracer.Tracer) error {
	lis, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := server.New(t)
	greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
	healthv1.RegisterHealthServer(srv, health.NewServer())
	return srv.Run(ctx, lis)
}

// spinning is how many goroutines wait for a processor all the time.
const spinning = 8

func runBusy(ctx context.Context, t *tracer.Tracer) error {
	for range spinning {
		go func() { // ends with the process
			for n := uint64(0); ; n++ {
				_ = n
			}
		}()
	}
	return runWatched(ctx, t)
}

func runGroup(ctx context.Context, t *tracer.Tracer) error {
	closing, err := time.ParseDuration(os.Getenv(envGroup))
	if err != nil {
		return err
	}
	srv := server.New(t)
	greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
	g := server.NewGroup(t)
	g.Add(server.Member{Name: "api", Server: srv, Addr: "127.0.0.1:0"})
	web := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	g.Add(server.Member{
		Name: "web", Addr: "127.0.0.1:0",
		HTTP: &http.Server{Handler: web, ReadHeaderTimeout: time.Second},
	})
	g.Add(server.Member{Name: "store", After: []string{"web"}, Close: func(ctx context.Context) error {
		select {
		case <-time.After(closing):
		case <-ctx.Done():
		}
		return nil
	}})
	return g.Run(ctx)
}
