# SPDX-License-Identifier: Apache-2.0
#
# The gracetrace command: demo, serve, load and the rest.

FROM golang:1.26.8 AS build
# The root module alone, on the versions its go.mod names: what
# `go install github.com/gracetrace/gracetrace/cmd/gracetrace@latest` gives.
ENV GOWORK=off CGO_ENABLED=0
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN go build -trimpath -ldflags="-s -w" -o /out/gracetrace ./cmd/gracetrace

FROM scratch
# For collectors behind TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/gracetrace /gracetrace
# By number, so that Kubernetes' runAsNonRoot can tell.
USER 65532:65532
EXPOSE 50051
# Exec form: process 1 is gracetrace and gets the SIGTERM, not a shell.
ENTRYPOINT ["/gracetrace"]
