"""controllers.py COMMAND PORT... - what controllers say of their quorum (DescribeQuorum, DescribeCluster, ApiVersions).

    leader PORT...      waits until one leads and the others follow it: prints its node id, epoch and high watermark
    listeners PORT...   each offers what a controller's listener does, and tells of all of them
    hostile PORT...     each request of controllers from a stranger: answered or the connection closed, and nobody's epoch moves
"""
import random
import socket
import struct
import sys
import time

import kafka_wire

WAIT_S = 40
LOG, ID = "__cluster_metadata", "00" * 15 + "01"
CONTROLLERS_ALONE = {52: 2, 53: 1, 54: 1, 59: 1}


def ask(port, key, version, body):
    """The answer; None: the connection was closed, or nobody is there."""
    frame = kafka_wire.encode_request(key, version, body)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=3) as line:
            line.sendall(struct.pack(">i", len(frame)) + frame)
            answer = b""
            while len(answer) < 4 or len(answer) < 4 + struct.unpack(">i", answer[:4])[0]:
                piece = line.recv(1 << 16)
                if not piece:
                    return None
                answer += piece
    except OSError:
        return None
    return kafka_wire.decode_answer(key, version, answer[4:])


def describe(port):
    body = {"topics": [{"topic_name": LOG, "partitions": [{"partition_index": 0}]}]}
    answer = ask(port, 55, 2, body)
    return answer and (answer, answer["topics"][0]["partitions"][0])


def agreed(ports):
    """(leader's node id, epoch, high watermark), or None: not all say the same, or a voter that runs is not caught up."""
    said = [describe(port) for port in ports]
    if None in said:
        return None
    leads = [(answer, p) for answer, p in said if p["error_code"] == 0]
    follow = [p for _, p in said if p["error_code"] == 6]
    if len(leads) != 1 or len(leads) + len(follow) != len(ports):
        return None
    answer, partition = leads[0]
    leader, epoch = partition["leader_id"], partition["leader_epoch"]
    # Kafka says no more than that it does not lead.
    if any(p["leader_epoch"] > 0 and (p["leader_id"], p["leader_epoch"]) != (leader, epoch) for p in follow):
        return None
    now_ms = time.time() * 1000
    fresh = [v for v in partition["current_voters"] if abs(now_ms - v["last_fetch_timestamp"]) < 3000]
    even = [v for v in fresh if v["log_end_offset"] == partition["high_watermark"]]
    if len(fresh) != len(ports) or len(even) != len(ports):
        return None
    nodes = {n["node_id"]: n["listeners"][0]["port"] for n in answer["nodes"]}
    if not set(ports) <= set(nodes.values()):
        raise SystemExit(f"the leader says that the nodes are {nodes}")
    return leader, epoch, partition["high_watermark"]


def find_leader(ports):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        found = agreed(ports)
        if found is not None:
            return found
        time.sleep(0.02)
    raise SystemExit(f"nobody leads after {WAIT_S} s: {[describe(port) for port in ports]}")


def check_listeners(ports):
    for port in ports:
        versions = ask(port, 18, 3, {"client_software_name": "test", "client_software_version": "1"})
        offered = {k["api_key"]: k["max_version"] for k in versions["api_keys"]}
        if any(offered.get(key) != newest for key, newest in CONTROLLERS_ALONE.items()) or 3 in offered or 0 in offered:
            raise SystemExit(f"port {port} offers {offered}")
        cluster = ask(port, 60, 1, {"endpoint_type": 2})
        if cluster["error_code"] != 0 or {b["port"] for b in cluster["brokers"]} < set(ports):
            raise SystemExit(f"port {port} says that the controllers are {cluster}")


def part(**fields):
    return [{"topic_name": LOG, "partitions": [{"partition_index": 0, **fields}]}]


def strange(chance, cluster):
    """A request that no controller of this cluster sends: (key, version, body)."""
    epoch = chance.choice([-1, 0, 1, 5, 1000, 2 ** 30, 2 ** 31 - 1])
    who = chance.choice([-2 ** 31, -1, 1, 2, 3, 70, 2 ** 31 - 1])
    offset = chance.choice([-1, 0, 1, 2 ** 40, 2 ** 63 - 1])
    uuid = chance.choice(["00" * 16, "ff" * 16])
    kind = chance.randrange(5)
    if kind == 0:
        return 52, 2, {"cluster_id": cluster, "voter_id": who,
                       "topics": part(replica_epoch=epoch, replica_id=70, replica_directory_id=uuid,
                                      voter_directory_id=uuid, last_offset_epoch=epoch, last_offset=offset, pre_vote=chance.random() < 0.5)}
    if kind == 1:
        return 53, 1, {"cluster_id": cluster, "voter_id": who, "leader_endpoints": [],
                       "topics": part(voter_directory_id=uuid, leader_id=70, leader_epoch=epoch)}
    if kind == 2:
        return 54, 1, {"cluster_id": cluster, "leader_endpoints": [],
                       "topics": part(leader_id=70, leader_epoch=epoch, preferred_candidates=[
                           {"candidate_id": who, "candidate_directory_id": uuid}] * chance.randrange(20))}
    if kind == 3:
        topics = [{"topic_id": ID, "partitions": [
            {"partition": 0, "current_leader_epoch": epoch, "fetch_offset": offset, "last_fetched_epoch": epoch,
             "log_start_offset": -1, "partition_max_bytes": offset & 0x7fffffff}]}]
        return 1, 17, {"cluster_id": cluster, "replica_state": {"replica_id": 70, "replica_epoch": -1}, "max_wait_ms": 0,
                       "min_bytes": 0, "max_bytes": 1 << 20, "session_id": 0, "session_epoch": -1, "topics": topics}
    return 59, 1, {"cluster_id": cluster, "replica_id": who, "max_bytes": chance.choice([-1, 0, 2 ** 31 - 1]), "topics": [
        {"name": LOG, "partitions": [{"partition": 0, "current_leader_epoch": epoch, "position": offset,
                                      "snapshot_id": {"end_offset": offset, "epoch": epoch}}]}]}


def hostile(ports):
    """Strangers who know the cluster's id, and those who do not: neither moves anybody while all is well."""
    leader, epoch, _ = find_leader(ports)
    cluster = ask(ports[0], 60, 1, {"endpoint_type": 2})["cluster_id"]
    chance = random.Random(1)
    answered = 0
    for _ in range(600):
        key, version, body = strange(chance, chance.choice([cluster, cluster, "another", None]))
        answered += ask(chance.choice(ports), key, version, body) is not None
    if answered < 500:
        raise SystemExit(f"only {answered} of 600 were answered")
    after = find_leader(ports)
    if after[:2] != (leader, epoch):
        raise SystemExit(f"strangers moved the quorum from leader {leader}, epoch {epoch} to {after}")


def main():
    command, ports = sys.argv[1], [int(port) for port in sys.argv[2:]]
    if command == "hostile":
        hostile(ports)
    elif command == "listeners":
        check_listeners(ports)
    else:
        print(*find_leader(ports))


if __name__ == "__main__":
    main()
