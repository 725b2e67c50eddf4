// franz BOOTSTRAP BASE - the steps of plan.py with franz-go.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"kiln/interop/steps"
)

const wait = 15 * time.Second

type client struct {
	at    string
	admin *kadm.Client
}

func refused(err error, sentence string) error {
	var code *kerr.Error
	if errors.As(err, &code) {
		return &steps.BrokerError{Code: code.Code, Sentence: sentence}
	}
	return err
}

func limit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), wait)
}

func (c *client) Topics() ([]string, error) {
	ctx, cancel := limit()
	defer cancel()
	one, err := kgo.NewClient(kgo.SeedBrokers(c.at)) // one that has been used answers from its cache
	if err != nil {
		return nil, err
	}
	defer one.Close()
	topics, err := kadm.NewClient(one).ListTopics(ctx)
	return topics.Names(), err
}

func (c *client) Create(topic string, partitions int32, replicas int16, config map[string]*string) error {
	ctx, cancel := limit()
	defer cancel()
	answer, err := c.admin.CreateTopic(ctx, partitions, replicas, config, topic)
	if err != nil {
		return refused(err, answer.ErrMessage)
	}
	return nil
}

func options(codec, acks string) []kgo.Opt {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	o := []kgo.Opt{kgo.ProducerBatchCompression(codecs[codec]), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(4000000), kgo.BrokerMaxWriteBytes(8000000), kgo.ProducerLinger(200 * time.Millisecond)}
	switch acks {
	case "0":
		return append(o, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	case "1":
		return append(o, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	case "all":
		return append(o, kgo.RequiredAcks(kgo.AllISRAcks()), kgo.DisableIdempotentWrite())
	}
	return o
}

func (c *client) Send(topic, codec, acks string, records []steps.Record) (int64, int64, error) {
	ctx, cancel := limit()
	defer cancel()
	producer, err := kgo.NewClient(append(options(codec, acks), kgo.SeedBrokers(c.at))...)
	if err != nil {
		return 0, 0, err
	}
	defer producer.Close()
	sent := make([]*kgo.Record, len(records))
	for i, r := range records {
		sent[i] = &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value, Timestamp: time.UnixMilli(r.Time)}
		for _, h := range r.Headers {
			sent[i].Headers = append(sent[i].Headers, kgo.RecordHeader{Key: h.Name, Value: []byte(h.Value)})
		}
	}
	if err = producer.ProduceSync(ctx, sent...).FirstErr(); err != nil {
		return 0, 0, refused(err, "")
	}
	if acks != "0" {
		for i, r := range sent {
			if r.Offset != sent[0].Offset+int64(i) {
				return 0, 0, fmt.Errorf("record %d of %s is told to have offset %d", i, topic, r.Offset)
			}
		}
	}
	return sent[0].Offset, sent[len(sent)-1].Offset, nil
}

func (c *client) Consume(topic string, offset int64, count int) ([]steps.Record, error) {
	ctx, cancel := limit()
	defer cancel()
	from := map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(offset)}}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(c.at), kgo.ConsumePartitions(from),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	var found []steps.Record
	for len(found) < count {
		fetches := consumer.PollRecords(ctx, count-len(found))
		if err = fetches.Err(); err != nil {
			return nil, refused(err, "")
		}
		for _, r := range fetches.Records() {
			one := steps.Record{Offset: r.Offset, Time: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
			for _, h := range r.Headers {
				one.Headers = append(one.Headers, steps.Header{Name: h.Key, Value: string(h.Value)})
			}
			found = append(found, one)
		}
	}
	return found, nil
}

func (c *client) Offset(topic string, at int64) (int64, error) {
	ctx, cancel := limit()
	defer cancel()
	list := map[int64]func(context.Context, ...string) (kadm.ListedOffsets, error){
		-1: c.admin.ListEndOffsets, -2: c.admin.ListStartOffsets, -3: c.admin.ListMaxTimestampOffsets}[at]
	if list == nil {
		return c.offsetAfter(ctx, topic, at)
	}
	offsets, err := list(ctx, topic)
	if err == nil {
		err = offsets.Error()
	}
	found, _ := offsets.Lookup(topic, 0)
	return found.Offset, refused(err, "")
}

// offsetAfter hides what the library does where there is nothing: it answers the end.
func (c *client) offsetAfter(ctx context.Context, topic string, at int64) (int64, error) {
	offsets, err := c.admin.ListOffsetsAfterMilli(ctx, at, topic)
	if err == nil {
		err = offsets.Error()
	}
	found, _ := offsets.Lookup(topic, 0)
	if found.Timestamp < 0 {
		return -1, refused(err, "")
	}
	return found.Offset, refused(err, "")
}

func main() {
	one, err := kgo.NewClient(kgo.SeedBrokers(os.Args[1]))
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAILED:", err)
		os.Exit(1)
	}
	steps.Run(&client{at: os.Args[1], admin: kadm.NewClient(one)}, os.Args[2])
}
