// SPDX-License-Identifier: Apache-2.0

package exporter

// protocol is a value of OTEL_EXPORTER_OTLP_PROTOCOL. (OpenTelemetry
// specification, OTLP Exporter Configuration, Specify Protocol.)
type protocol string

const (
	protocolGRPC     protocol = "grpc"
	protocolProtobuf protocol = "http/protobuf"
	protocolJSON     protocol = "http/json"
)

// readProtocol returns grpc where the specification would rather have
// http/protobuf: it is what the app's own Go exporter did for years, and what
// the users of a gRPC server have open.
func readProtocol() (protocol, error) {
	name, v := signal("PROTOCOL")
	switch p := protocol(v); p {
	case "":
		return protocolGRPC, nil
	case protocolGRPC, protocolProtobuf, protocolJSON:
		return p, nil
	}
	return protocolGRPC, bad(name, v, "not a protocol, want %s, %s or %s",
		protocolGRPC, protocolProtobuf, protocolJSON)
}

func (p protocol) http() bool { return p == protocolProtobuf || p == protocolJSON }
