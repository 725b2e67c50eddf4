#!/usr/bin/env python3
"""differential.py - the same requests to Kafka and to kiln, and where the answers differ.

    differential.py record PORT >FILE     asks a broker of Kafka's, fresh and without topics
    differential.py replay PORT FILE KNOWN   asks kiln, fresh too; differences that KNOWN lists are no failure
    differential.py show PORT FILE        what differs, the listed too: for who reads, and no verdict

FILE: one case a line, with the request and the answer (differential_cases.py says what cases are). What
no two brokers share (ids, addresses, clocks) has names in the answers. Plain python3."""
import fnmatch
import json
import sys
import time

import kafka_wire

ZERO = "00" * 16


def substitute(value, ids):
    if isinstance(value, dict):
        return {k: substitute(v, ids) for k, v in value.items()}
    if isinstance(value, list):
        return [substitute(v, ids) for v in value]
    if isinstance(value, str) and value.startswith("$id:"):
        return ids[value[4:]]
    return value


def all_ids(port):
    answer = kafka_wire.ask(port, 3, 12, {"topics": None})
    return {t["name"]: t["topic_id"] for t in answer["topics"]}


class Names:
    """Takes what is each broker's own out of an answer."""

    def __init__(self, port):
        self.port = port
        self.ids, self.names = {}, {}

    def learn(self):
        self.ids = all_ids(self.port)
        self.names = {v: k for k, v in self.ids.items()}

    def value(self, name, value):
        if name == "topic_id" and value != ZERO:
            if value not in self.names:
                self.learn()
            return "$id:" + self.names[value] if value in self.names else "$new"
        if name in ("host", "cluster_id") and value:
            return "$" + name
        if name == "port" and value == self.port:
            return "$port"
        if name == "producer_id" and value >= 0:
            return "$pid"
        if name in ("log_append_time_ms", "timestamp") and abs(value - time.time() * 1000) < 3600000:
            return "$now"
        if name == "finalized_features_epoch":
            return "$epoch"
        if name in ("log_dir", "replica_directory_id"):
            return "$" + name
        if name in ("last_fetch_timestamp", "last_caught_up_timestamp") and value > 0:
            return "$now"
        return value

    def clean(self, value, name=""):
        if isinstance(value, dict):
            return {k: self.clean(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.clean(v, name) for v in value]
        return self.value(name, value)


def without_defaults(answer):
    """What a topic has of its broker alone is looked at in a few cases, not in hundreds."""
    for topic in answer["topics"]:
        if topic.get("configs"):
            topic["configs"] = [c for c in topic["configs"] if c["config_source"] == 1]


def without_progress(answer):
    """How far a metadata log is, and where its quorum listens, is each broker's own."""
    for topic in answer["topics"]:
        for partition in topic["partitions"]:
            if partition["high_watermark"] > 0:
                partition["high_watermark"] = partition["current_voters"][0]["log_end_offset"] = "$end"
                partition["leader_epoch"] = "$epoch"
    for node in answer.get("nodes", []):
        node["listeners"] = len(node["listeners"])


def ask(port, case, names):
    if "raw" in case:
        frame = bytes.fromhex(case["raw"])
    else:
        if "$id:" in json.dumps(case["body"]):
            names.learn()
        body = substitute(case["body"], names.ids)
        frame = kafka_wire.encode_request(case["key"], case["version"], body)
    silent = case["key"] == 0 and "body" in case and case["body"]["acks"] == 0
    data = kafka_wire.exchange(port, frame, case.get("wait_s", 0.3 if silent else 20))
    if data is None:
        return {"closed": True}
    if data == "none":
        return {"none": True}
    answer = names.clean(kafka_wire.decode_answer(case["key"], case["version"], data))
    if case["name"].startswith("create/config"):
        without_defaults(answer)
    if case["key"] == 55:
        without_progress(answer)
    return answer


def by_name(rows):
    """Rows that are told apart by a field of theirs come in any order. None: they are not."""
    for field in ("name", "topic", "topic_id", "api_key", "partition_index", "index"):
        if isinstance(rows, list) and rows and all(isinstance(r, dict) and r.get(field) is not None for r in rows):
            names = {str(r[field]): r for r in rows}
            if len(names) == len(rows):
                return names
    return None


def differences(kafka, kiln, path=""):
    if isinstance(kafka, dict) and isinstance(kiln, dict):
        for name in sorted(set(kafka) | set(kiln)):
            yield from differences(kafka.get(name, "absent"), kiln.get(name, "absent"), path + "." + name)
    elif by_name(kafka) is not None and by_name(kiln) is not None:
        a, b = by_name(kafka), by_name(kiln)
        for name in sorted(set(a) | set(b)):
            yield from differences(a.get(name, "absent"), b.get(name, "absent"), "%s[%s]" % (path, name))
    elif isinstance(kafka, list) and isinstance(kiln, list):
        if len(kafka) != len(kiln):
            yield path + ".count", len(kafka), len(kiln)
        for i, (a, b) in enumerate(zip(kafka, kiln)):
            yield from differences(a, b, "%s[%d]" % (path, i))
    elif kafka != kiln:
        yield path, kafka, kiln


def warm_up(port):
    """A broker of Kafka's has no producer ids at first."""
    while kafka_wire.ask(port, 22, 0, {"transactional_id": None, "transaction_timeout_ms": 1})["error_code"]:
        time.sleep(0.1)


def settle(port, case):
    """Kafka answers that a topic is there before its partitions are led, and that a broker's setting has
    changed before the broker goes by it."""
    if case["key"] in (33, 44) and not case["body"]["validate_only"] and any(
            r["resource_type"] == 4 for r in case["body"]["resources"]):
        time.sleep(1)
    if case["key"] != 19 or "body" not in case or case["body"]["validate_only"]:
        return
    made = [t["name"] for t in case["answer"]["topics"] if t["error_code"] == 0]
    counts = {t["name"]: len(t["partitions"]) for t in kafka_wire.ask(port, 3, 1, {"topics": None})["topics"]}
    for name in made:
        while True:
            rows = [{"partition_index": i, "timestamp": -1} for i in range(counts.get(name, 1))]
            answer = kafka_wire.ask(port, 2, 1, {"replica_id": -1, "topics": [{"name": name, "partitions": rows}]})
            if all(p["error_code"] == 0 for p in answer["topics"][0]["partitions"]):
                break
            time.sleep(0.05)


def record(port):
    import differential_cases
    names = Names(port)
    warm_up(port)
    for case in differential_cases.cases():
        case["answer"] = ask(port, case, names)
        settle(port, case)
        print(json.dumps(case, separators=(",", ":"), ensure_ascii=True))


def is_known(known, case, path):
    full = case["name"] + "/v%d" % case["version"] + path
    for row in known:
        if fnmatch.fnmatchcase(full, row[0].replace("[", "[[]")):
            row[2] += 1
            return True
    return False


def read_known(path):
    """Lines "PATTERN  REASON"; # begins a comment."""
    rows = []
    for line in open(path):
        if line.strip() and not line.startswith("#"):
            pattern, reason = line.split(None, 1)
            rows.append([pattern, reason.strip(), 0])
    return rows


def replay(port, path, known):
    names = Names(port)
    failed, count = 0, 0
    for line in open(path):
        case = json.loads(line)
        answer = ask(port, case, names)
        count += 1
        for where, kafka, kiln in differences(case["answer"], answer):
            if is_known(known, case, where):
                continue
            failed += 1
            print("%s/v%d%s\n    asked %s\n    Kafka %s\n    kiln  %s" % (
                case["name"], case["version"], where,
                json.dumps(case.get("body", case.get("raw")))[:300], json.dumps(kafka)[:300], json.dumps(kiln)[:300]))
    unused = [row[0] for row in known if row[2] == 0]
    for pattern in unused:
        print("nothing differs any more at %s: take it out of the list" % pattern)
    return count, failed, unused


def main():
    verb, port = sys.argv[1], int(sys.argv[2])
    if verb == "record":
        record(port)
    elif verb == "show":
        count, differ, _ = replay(port, sys.argv[3], [])
        print("%d requests, %d differences, listed ones too" % (count, differ))
    elif verb == "replay":
        known = read_known(sys.argv[4])
        count, failed, unused = replay(port, sys.argv[3], known)
        print("%d requests, %d differences that are not listed, %d that are" % (
            count, failed, sum(row[2] for row in known)))
        sys.exit(failed > 0 or len(unused) > 0 or count == 0)
    else:
        sys.exit("there is no verb " + verb + ": record, replay or show")


main()
