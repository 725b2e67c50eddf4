// sarama_flow BOOTSTRAP TOPIC SECONDS RATE - numbered records from Sarama, idempotent.
package main

import (
	"sync"
	"time"

	"github.com/IBM/sarama"

	"kiln/interop/steps"
)

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Net.MaxOpenRequests = 1
	c.Producer.Idempotent = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Return.Successes = true
	c.Producer.Flush.Frequency = 5 * time.Millisecond
	c.Producer.Retry.Max = 1000 // it counts, and has no limit in time
	c.Producer.Retry.Backoff = 20 * time.Millisecond
	c.Metadata.Retry.Max = 100
	c.Metadata.Retry.Backoff = 20 * time.Millisecond
	return c
}

func main() {
	flow := steps.NewFlow()
	producer, err := sarama.NewAsyncProducer(flow.At, config())
	if err != nil {
		steps.Fatal(err)
	}
	var told sync.WaitGroup
	told.Add(2)
	go func() {
		defer told.Done()
		for m := range producer.Successes() {
			flow.Acked(m.Metadata.(int), m.Partition, m.Offset)
		}
	}()
	go func() {
		defer told.Done()
		for e := range producer.Errors() {
			flow.Failed(e.Msg.Metadata.(int), e.Err)
		}
	}()
	count := flow.Run(func(n int, partition int32, value []byte) {
		producer.Input() <- &sarama.ProducerMessage{Topic: flow.Topic, Partition: partition,
			Value: sarama.ByteEncoder(value), Metadata: n}
	})
	producer.AsyncClose()
	told.Wait()
	flow.End(count)
}
