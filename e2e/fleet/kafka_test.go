// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/gracetrace/gracetrace/e2e/internal/program"
)

// The way through Kafka, with a broker that speaks its protocol in this process:
// a shutdown comes out whole, and an application's trace comes out of its own
// topic.
func TestKafka(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "shutdowns", "traces"))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	at := "KAFKA_BROKER=" + broker.ListenAddrs()[0]
	s.collector.args = append(s.collector.args, "--config", "fleet/kafka.yaml")
	s.collector.env = append(s.collector.env, at)
	s.jaeger.args = append(s.jaeger.args, "--config",
		forVersion(t, s.jaeger.args[0], "fleet/ingester.yaml"))
	s.jaeger.env = append(s.jaeger.env, at)
	s.collector.start(t)

	// Before anybody reads: it waits in Kafka.
	program.Build(t).As("orders").To(s.endpoint).Demo(t, "--scenario", "recv", "--grace", "4s")
	failed := newTraceID()
	app := application{endpoint: s.endpoint, service: "shop"}
	app.send(t, failed, 1, "example.com/shop", "GET /", tracepb.Status_STATUS_CODE_ERROR)
	s.awaitDelivery(t)
	if behind := behind(broker); behind == 0 {
		t.Fatal("nothing is in Kafka")
	}

	s.jaeger.start(t)
	awaitEqual(t, "messages that are not stored", int64(0), func() int64 { return behind(broker) })
	s.wantShutdowns(t, "orders", "forced")
	s.awaitSpans(t, failed, 1)
}

// behind counts the messages of which Jaeger has not said that they are stored.
func behind(broker *kfake.Cluster) (n int64) {
	var commits map[string]map[int32]kfake.GroupCommit
	if group := broker.GroupInfo("jaeger"); group != nil {
		commits = group.Commits
	}
	for _, topic := range []string{"shutdowns", "traces"} {
		for _, p := range broker.PartitionInfos(topic) {
			n += p.HighWatermark - commits[topic][p.Partition].Offset
		}
	}
	return n
}
