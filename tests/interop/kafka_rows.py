#!/usr/bin/env python3
"""kafka_rows.py KAFKA KILN - two dumps of the same files must tell the same: what Kafka's DumpLogSegments printed, and the
rows of kiln log dump --json --records. Prints what it compared, or the first difference and exits with 1."""
import json
import os
import re
import sys

BATCH = re.compile(
    r"baseOffset: (?P<base_offset>\d+) lastOffset: (?P<last_offset>\d+) count: (?P<records>\d+) "
    r"baseSequence: (?P<base_sequence>-?\d+) lastSequence: -?\d+ producerId: (?P<producer_id>-?\d+) "
    r"producerEpoch: (?P<producer_epoch>-?\d+) partitionLeaderEpoch: (?P<leader_epoch>-?\d+) "
    r"isTransactional: (?P<transactional>\w+) isControl: (?P<control>\w+) .*position: (?P<position>\d+) "
    r"(?P<timestamps>\w+): (?P<max_timestamp>-?\d+) size: (?P<size>\d+) magic: 2 "
    r"compresscodec: (?P<codec>\w+) crc: (?P<crc>\d+) isvalid: (?P<crc_ok>\w+)")
RECORD = re.compile(r"\| offset: (?P<offset>\d+) \w+: (?P<timestamp>-?\d+)")
ENTRY = re.compile(r"offset: (?P<offset>\d+) position: (?P<position>\d+)$")
TIME = re.compile(r"timestamp: (?P<timestamp>-?\d+) offset: (?P<offset>\d+)$")
PRODUCER = re.compile(
    r"producerId: (?P<producer_id>\d+) producerEpoch: (?P<producer_epoch>\d+) "
    r"coordinatorEpoch: (?P<coordinator_epoch>-?\d+) .* lastSequence: (?P<last_sequence>-?\d+) "
    r"lastOffset: (?P<last_offset>-?\d+) offsetDelta: (?P<offset_delta>\d+) timestamp: (?P<timestamp>-?\d+)")
METADATA = re.compile(r'"type":"(\w+)","version":(\d+)')
ROWS = [("batch", BATCH), ("record", RECORD), ("entry", ENTRY), ("entry", TIME), ("producer", PRODUCER)]


def fail(text):
    print("FAILED:", text, file=sys.stderr)
    sys.exit(1)


def kafka_row(line):
    """One line as (row, its fields as text), or None when it is no row."""
    for row, pattern in ROWS:
        found = pattern.match(line)
        if not found:
            continue
        fields = found.groupdict()
        if row == "batch":
            fields["crc"] = "%08x" % int(fields["crc"])
            fields["timestamps"] = {"CreateTime": "create", "LogAppendTime": "append"}[fields["timestamps"]]
        decoded = METADATA.search(line) if row == "record" else None
        if decoded:
            fields["metadata"], fields["version"] = decoded[1].lower(), decoded[2]
        return row, fields
    return None


def read_kafka(path):
    """File name -> its rows. A line that is neither row nor heading is a complaint."""
    files, rows = {}, None
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if line.startswith("Dumping "):
            rows = files.setdefault(os.path.realpath(line[len("Dumping "):]), [])
        elif line and not line.startswith("Log starting offset: ") and not line.endswith(" is empty."):
            row = kafka_row(line)
            if row is None or rows is None:
                fail("Kafka's tool says: " + line)
            rows.append(row)
    return files


def read_kiln(path):
    files = {}
    for line in open(path, encoding="utf-8"):
        row = json.loads(line)
        if row["row"] == "file":
            files[os.path.realpath(row["path"])] = []
        else:
            files[os.path.realpath(row["file"])].append((row["row"], row))
    return files


def as_text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def compare(name, kafka, kiln):
    if len(kafka) != len(kiln):
        fail("%s: Kafka has %d rows, kiln %d" % (name, len(kafka), len(kiln)))
    for (kafka_kind, fields), (kiln_kind, row) in zip(kafka, kiln):
        if kafka_kind != kiln_kind:
            fail("%s: Kafka has a %s where kiln has a %s" % (name, kafka_kind, kiln_kind))
        for key, value in fields.items():
            missing = "-1" if key in ("producer_id", "producer_epoch", "base_sequence") else None
            if as_text(row.get(key, missing)) != value:
                fail("%s: %s is %s for Kafka and %s for kiln: %s" % (name, key, value, row.get(key), row))


def main():
    kafka, kiln = read_kafka(sys.argv[1]), read_kiln(sys.argv[2])
    if not kafka or kafka.keys() != kiln.keys():
        fail("not the same files: Kafka %s, kiln %s" % (sorted(kafka), sorted(kiln)))
    for name in sorted(kafka):
        compare(name, kafka[name], kiln[name])
    print("ok  %d files, %d rows" % (len(kafka), sum(len(rows) for rows in kiln.values())))


main()
