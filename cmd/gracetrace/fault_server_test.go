// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"net"
	"os"

	"github.com/gracetrace/gracetrace/internal/greeter"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// envStopping makes the test binary be a server that writes its log and its report
// to standard output, a JSON object a line, and nothing of its own to stderr.
const envStopping = "GRACETRACE_TEST_STOPPING"

// Messages of that log which are not gracetrace's.
const (
	msgReport = "report"
	msgNew    = "start"
	msgRun    = "end"
)

// serveUntilSignal is the main of a user's program. It returns the exit code.
func serveUntilSignal() int {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	if err := limitSelf(); err != nil {
		log.Error(msgNew, "err", err.Error())
		return exitUsage
	}
	endProvider, err := provide()
	if err != nil {
		log.Error(msgNew, "err", err.Error())
		return exitUsage
	}
	defer endProvider()
	t, err := tracer.New(context.Background(), tracer.WithLogger(log),
		tracer.WithReport(func(r *tracer.Report) { log.Info(msgReport, "report", r) }))
	if err != nil {
		log.Error(msgNew, "err", err.Error())
		return exitUsage
	}
	srv := server.New(t)
	greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Error(msgNew, "err", err.Error())
		return exitUsage
	}
	if err := srv.Run(context.Background(), lis); err != nil {
		log.Error(msgRun, "err", err.Error())
		return exitFailure
	}
	return exitOK
}
