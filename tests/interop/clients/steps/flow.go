package steps

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	partitions = 3
	tick       = 10 * time.Millisecond
)

// Flow is numbered records at a steady rate, and what became of them as lines for failover.py:
// `ack N PARTITION OFFSET MS`, `failed N WHY` and at last `end COUNT`.
type Flow struct {
	At    []string
	Topic string
	lock  sync.Mutex
	out   *bufio.Writer
}

// NewFlow takes BOOTSTRAP TOPIC SECONDS RATE from the command line.
func NewFlow() *Flow {
	return &Flow{At: strings.Split(os.Args[1], ","), Topic: os.Args[2], out: bufio.NewWriter(os.Stdout)}
}

// Acked tells where a record is.
func (f *Flow) Acked(n int, partition int32, offset int64) {
	f.lock.Lock()
	defer f.lock.Unlock()
	fmt.Fprintln(f.out, "ack", n, partition, offset, time.Now().UnixMilli())
}

// Failed tells of a record that the client gave up.
func (f *Flow) Failed(n int, why error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	fmt.Fprintln(f.out, "failed", n, why)
}

// Run gives the records to send, which must not wait for an answer; it returns how many they were.
func (f *Flow) Run(send func(n int, partition int32, value []byte)) int {
	end := time.Now().Add(time.Duration(number(os.Args[3])) * time.Second)
	burst := int(number(os.Args[4]) * int64(tick) / int64(time.Second))
	n := 0
	for time.Now().Before(end) {
		for i := 0; i < burst; i++ {
			send(n, int32(n%partitions), []byte(fmt.Sprint(n)))
			n++
		}
		time.Sleep(tick)
	}
	return n
}

// End is called when nothing more will be acknowledged.
func (f *Flow) End(count int) {
	f.lock.Lock()
	defer f.lock.Unlock()
	fmt.Fprintln(f.out, "end", count)
	f.out.Flush()
}

// Fatal ends the program for an error of the client's making.
func Fatal(err error) {
	fmt.Fprintln(os.Stderr, "FAILED:", err)
	os.Exit(1)
}
