// sarama BOOTSTRAP BASE - the steps of plan.py with Sarama.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/IBM/sarama"

	"kiln/interop/steps"
)

const wait = 15 * time.Second

type client struct{ at []string }

func refused(err error) error {
	var topic *sarama.TopicError
	if errors.As(err, &topic) {
		sentence := ""
		if topic.ErrMsg != nil {
			sentence = *topic.ErrMsg
		}
		return &steps.BrokerError{Code: int16(topic.Err), Sentence: sentence}
	}
	var code sarama.KError
	if errors.As(err, &code) {
		return &steps.BrokerError{Code: int16(code)}
	}
	return err
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Return.Successes = true
	c.Producer.MaxMessageBytes = 4000000
	c.Producer.Flush.Frequency = 200 * time.Millisecond
	c.Consumer.Return.Errors = true
	c.Consumer.MaxWaitTime = 50 * time.Millisecond
	return c
}

func (c *client) Topics() ([]string, error) {
	one, err := sarama.NewClient(c.at, config())
	if err != nil {
		return nil, err
	}
	defer one.Close()
	return one.Topics()
}

func (c *client) Create(topic string, partitions int32, replicas int16, settings map[string]*string) error {
	admin, err := sarama.NewClusterAdmin(c.at, config())
	if err != nil {
		return err
	}
	defer admin.Close()
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: replicas, ConfigEntries: settings}
	if err = admin.CreateTopic(topic, detail, false); err != nil {
		return refused(err)
	}
	return nil
}

func producerConfig(codec, acks string) *sarama.Config {
	c := config()
	c.Producer.Compression = map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}[codec]
	switch acks {
	case "0":
		c.Producer.RequiredAcks = sarama.NoResponse
	case "1":
		c.Producer.RequiredAcks = sarama.WaitForLocal
	case "idempotent":
		c.Producer.Idempotent = true
		c.Net.MaxOpenRequests = 1
		fallthrough
	default:
		c.Producer.RequiredAcks = sarama.WaitForAll
	}
	return c
}

func message(topic string, r steps.Record) *sarama.ProducerMessage {
	m := &sarama.ProducerMessage{Topic: topic, Timestamp: time.UnixMilli(r.Time)}
	if r.Key != nil {
		m.Key = sarama.ByteEncoder(r.Key)
	}
	if r.Value != nil {
		m.Value = sarama.ByteEncoder(r.Value)
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(h.Name), Value: []byte(h.Value)})
	}
	return m
}

func (c *client) Send(topic, codec, acks string, records []steps.Record) (int64, int64, error) {
	producer, err := sarama.NewSyncProducer(c.at, producerConfig(codec, acks))
	if err != nil {
		return 0, 0, err
	}
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, len(records))
	for i, r := range records {
		messages[i] = message(topic, r)
	}
	if err = producer.SendMessages(messages); err != nil {
		var each sarama.ProducerErrors
		if errors.As(err, &each) {
			err = each[0].Err
		}
		return 0, 0, refused(err)
	}
	if acks != "0" {
		for i, m := range messages {
			if m.Offset != messages[0].Offset+int64(i) {
				return 0, 0, fmt.Errorf("record %d of %s is told to have offset %d", i, topic, m.Offset)
			}
		}
	}
	return messages[0].Offset, messages[len(messages)-1].Offset, nil
}

func record(m *sarama.ConsumerMessage) steps.Record {
	r := steps.Record{Offset: m.Offset, Time: m.Timestamp.UnixMilli(), Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, steps.Header{Name: string(h.Key), Value: string(h.Value)})
	}
	return r
}

func (c *client) Consume(topic string, offset int64, count int) ([]steps.Record, error) {
	consumer, err := sarama.NewConsumer(c.at, config())
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	partition, err := consumer.ConsumePartition(topic, 0, offset)
	if err != nil {
		return nil, refused(err)
	}
	defer partition.Close()
	var found []steps.Record
	late := time.After(wait)
	for len(found) < count {
		select {
		case m := <-partition.Messages():
			found = append(found, record(m))
		case e := <-partition.Errors():
			return nil, refused(e.Err)
		case <-late:
			return nil, fmt.Errorf("only %d of %d records of %s", len(found), count, topic)
		}
	}
	return found, nil
}

func (c *client) Offset(topic string, at int64) (int64, error) {
	one, err := sarama.NewClient(c.at, config())
	if err != nil {
		return 0, err
	}
	defer one.Close()
	offset, err := one.GetOffset(topic, 0, at)
	return offset, refused(err)
}

func main() {
	steps.Run(&client{at: []string{os.Args[1]}}, os.Args[2])
}
