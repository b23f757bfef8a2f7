module github.com/gracetrace/gracetrace/examples

go 1.26.0

require (
	github.com/gracetrace/gracetrace v0.0.0-00010101000000-000000000000
	go.opentelemetry.io/otel v1.47.0
	go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc v1.47.0
	google.golang.org/grpc v1.85.0
)

replace github.com/gracetrace/gracetrace => ../
