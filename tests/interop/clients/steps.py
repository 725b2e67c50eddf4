"""steps.py - reads the steps of plan.py and runs them with the functions of a client written in Python."""
import sys

from plan import COUNT, record


class BrokerError(Exception):
    """What the broker refused: Kafka's code, and its sentence or an empty text."""

    def __init__(self, code, sentence=""):
        super().__init__("error %d %s" % (code, sentence))
        self.line = ("error %d %s" % (code, sentence)).rstrip()


def shared(first, base):
    """The shared records as (time, key, value, headers) in bytes."""
    for i in range(first, first + COUNT):
        time, key, value, headers = record(i, base)
        yield (time, None if key is None else key.encode(), None if value is None else value.encode(),
               [(name, text.encode()) for name, text in headers])


def row(offset, time, key, value, headers):
    def sized(data):
        return "-1:" if data is None else "%d:%s" % (len(data), data.decode())

    return "%d %d %s %s %s" % (offset, time, sized(key), sized(value),
                               ",".join("%s=%s" % (name, data.decode()) for name, data in headers or []))


def run(client, base):
    """client has a method for each step; each answers a list of lines."""
    for line in sys.stdin:
        words = line.split()
        print("==", *words)
        name, args = words[0], words[1:]
        try:
            if name == "create":
                config = dict(pair.split("=") for pair in args[3:])
                answer = client.create(args[0], int(args[1]), int(args[2]), config)
            elif name == "produce":
                answer = client.produce(args[0], args[1], args[2], list(shared(int(args[3]), base)))
            elif name == "consume":
                answer = [row(*r) for r in client.consume(args[0], int(args[1]), int(args[2]))]
            elif name == "values":
                answer = [r[3].decode() for r in client.consume(args[0], 0, int(args[1]))]
            else:
                answer = {"topics": client.topics, "huge": client.huge, "offset": client.offset}[name](*args)
        except BrokerError as e:
            answer = [e.line]
        for text in answer:
            print(text)
        sys.stdout.flush()
