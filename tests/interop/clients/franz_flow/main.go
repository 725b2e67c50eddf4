// franz_flow BOOTSTRAP TOPIC SECONDS RATE - numbered records from franz-go, which is idempotent where it is not told otherwise.
package main

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"kiln/interop/steps"
)

const wait = 60 * time.Second

func main() {
	flow := steps.NewFlow()
	producer, err := kgo.NewClient(kgo.SeedBrokers(flow.At...), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(5*time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
		kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		steps.Fatal(err)
	}
	count := flow.Run(func(n int, partition int32, value []byte) {
		r := &kgo.Record{Topic: flow.Topic, Partition: partition, Value: value}
		producer.Produce(context.Background(), r, func(r *kgo.Record, err error) {
			if err != nil {
				flow.Failed(n, err)
			} else {
				flow.Acked(n, r.Partition, r.Offset)
			}
		})
	})
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if err = producer.Flush(ctx); err != nil {
		steps.Fatal(err)
	}
	producer.Close()
	flow.End(count)
}
