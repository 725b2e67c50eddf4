// Package steps reads the steps of plan.py and runs them with the functions of a client written in Go.
package steps

import (
	"bufio"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
)

// Count is how many shared records one step produces.
const Count = 300

// Header is one header of a record.
type Header struct{ Name, Value string }

// Record is a record as a client sends or reads it; Key and Value may be nil.
type Record struct {
	Offset, Time int64
	Key, Value   []byte
	Headers      []Header
}

// BrokerError is what the broker refused: Kafka's code, and its sentence or an empty text.
type BrokerError struct {
	Code     int16
	Sentence string
}

func (e *BrokerError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("error %d %s", e.Code, e.Sentence))
}

// Client is what each Go client implements; an error that is no *BrokerError ends the program.
type Client interface {
	Topics() ([]string, error)
	Create(topic string, partitions int32, replicas int16, config map[string]*string) error
	// Send answers the first and the last offset.
	Send(topic, codec, acks string, records []Record) (int64, int64, error)
	Consume(topic string, offset int64, count int) ([]Record, error)
	// Offset takes a time in ms, or -1 for the end, -2 for the start, -3 for the greatest time.
	Offset(topic string, time int64) (int64, error)
}

func shared(first int, base int64) []Record {
	records := make([]Record, 0, Count)
	for i := first; i < first+Count; i++ {
		r := Record{Time: base + int64(i)*1000}
		if i == 150 {
			r.Time = base + 1000*1000
		}
		if i%5 != 0 {
			r.Key = []byte(fmt.Sprintf("k%d", i%17))
		}
		switch {
		case i%7 == 3 && r.Key != nil:
		case i%7 == 4:
			r.Value = []byte{}
		default:
			r.Value = []byte(strings.Repeat(fmt.Sprintf("value-%d-", i), 1+i%50))
		}
		if i%3 == 0 {
			r.Headers = []Header{{"n", strconv.Itoa(i)}, {"none", ""}}
		}
		records = append(records, r)
	}
	return records
}

func sized(data []byte) string {
	if data == nil {
		return "-1:"
	}
	return fmt.Sprintf("%d:%s", len(data), data)
}

func row(r Record) string {
	headers := make([]string, len(r.Headers))
	for i, h := range r.Headers {
		headers[i] = h.Name + "=" + h.Value
	}
	return fmt.Sprintf("%d %d %s %s %s", r.Offset, r.Time, sized(r.Key), sized(r.Value), strings.Join(headers, ","))
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// huge is a record that no codec makes small enough for the broker's limit.
func huge() []Record {
	value, state := make([]byte, 1500000), uint32(1)
	for i := range value {
		state = state*1664525 + 1013904223
		value[i] = byte(state >> 24)
	}
	return []Record{{Value: value}}
}

func produce(c Client, topic, codec, acks string, records []Record) ([]string, error) {
	first, last, err := c.Send(topic, codec, acks, records)
	if err != nil || acks == "0" {
		return []string{"ok"}, err
	}
	return []string{fmt.Sprintf("ok %d %d", first, last)}, nil
}

func create(c Client, args []string) ([]string, error) {
	config := map[string]*string{}
	for _, pair := range args[3:] {
		key, value, _ := strings.Cut(pair, "=")
		config[key] = &value
	}
	return []string{"ok"}, c.Create(args[0], int32(number(args[1])), int16(number(args[2])), config)
}

func consume(c Client, topic string, offset int64, count int, text func(Record) string) ([]string, error) {
	records, err := c.Consume(topic, offset, count)
	lines := make([]string, 0, len(records))
	for _, r := range records {
		lines = append(lines, text(r))
	}
	return lines, err
}

func step(c Client, name string, args []string, base int64) ([]string, error) {
	switch name {
	case "topics":
		names, err := c.Topics()
		sort.Strings(names)
		return names, err
	case "create":
		return create(c, args)
	case "produce":
		return produce(c, args[0], args[1], args[2], shared(int(number(args[3])), base))
	case "huge":
		return produce(c, args[0], "none", "all", huge())
	case "consume":
		return consume(c, args[0], number(args[1]), int(number(args[2])), row)
	case "values":
		return consume(c, args[0], 0, int(number(args[1])), func(r Record) string { return string(r.Value) })
	case "offset":
		special := map[string]int64{"end": -1, "start": -2, "greatest": -3}
		time, named := special[args[1]]
		if !named {
			time = number(args[1])
		}
		offset, err := c.Offset(args[0], time)
		return []string{strconv.FormatInt(offset, 10)}, err
	}
	return nil, fmt.Errorf("unknown step %s", name)
}

// Run runs the steps on stdin.
func Run(c Client, base string) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		words := strings.Fields(in.Text())
		fmt.Println("==", strings.Join(words, " "))
		lines, err := step(c, words[0], words[1:], number(base))
		if refused, ok := err.(*BrokerError); ok {
			lines = []string{refused.Error()}
		} else if err != nil {
			fmt.Fprintf(os.Stderr, "FAILED: %s: %v\n", in.Text(), err)
			os.Exit(1)
		}
		for _, line := range lines {
			fmt.Println(line)
		}
	}
}
