"""The rows of `run` about three nodes whose links are equally narrow: how much more they give to readers than the leader alone
(`followers`), and how much of the link a node uses that was away (`link-catchup`).

Each node has a network namespace of its own, whose ways out and in are limited with tc (tbf); the clients are outside. Needs root.
"""
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

from brokers import LOAD, OURS, Broker, own_folder
from cluster import Cluster

ROWS = ["followers", "link-catchup"]
NODES = 3
READERS = 2  # For each node: while one waits for the leader's word the other keeps the link busy.
RESPONSE = 4 << 20
TOPIC = "narrow"


def ip(*arguments):
    subprocess.run(["ip", *map(str, arguments)], check=True, capture_output=True, text=True)


class Network:
    """A namespace for each node, all on one bridge, on which this process has an address too."""

    def __init__(self):
        self.name = f"chb{random.randrange(10**6)}"
        self.base = f"10.{random.randrange(200, 250)}.{random.randrange(1, 250)}"
        ip("link", "add", self.name + "b", "type", "bridge")
        ip("addr", "add", self.base + ".254/24", "dev", self.name + "b")
        ip("link", "set", self.name + "b", "up")
        for node in range(1, NODES + 1):
            space, outside = self.space(node), f"{self.name}v{node}"
            ip("netns", "add", space)
            ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", outside, "master", self.name + "b", "up")
            ip("-n", space, "addr", "add", self.host(node) + "/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")

    def space(self, node):
        return f"{self.name}n{node}"

    def host(self, node):
        return f"{self.base}.{node}"

    def limit(self, rate):
        """Both directions: the way out at the node's end, the way in at the bridge's."""
        limited = ["root", "tbf", "rate", rate, "burst", "256kb", "latency", "20ms"]
        for node in range(1, NODES + 1):
            subprocess.run(["ip", "netns", "exec", self.space(node), "tc", "qdisc", "replace", "dev", "eth0", *limited], check=True)
            subprocess.run(["tc", "qdisc", "replace", "dev", f"{self.name}v{node}", *limited], check=True)

    def remove(self):
        for node in range(1, NODES + 1):
            subprocess.run(["ip", "netns", "del", self.space(node)], capture_output=True)
        subprocess.run(["ip", "link", "del", self.name + "b"], capture_output=True)


class Client:
    """One connection that asks what this needs, and no more."""

    def __init__(self, host):
        self.socket = socket.create_connection((host, 9092), timeout=30)
        self.input = self.socket.makefile("rb", 1 << 20)

    def ask(self, key, version, body):
        request = struct.pack(">hhih", key, version, 1, 5) + b"bench" + body
        self.socket.sendall(struct.pack(">i", len(request)) + request)
        size = struct.unpack(">i", self.input.read(4))[0]
        return memoryview(self.input.read(size))[4:]

    def leader(self):
        """Who leads the topic's partition, by Metadata of version 1."""
        name = TOPIC.encode()
        rest = self.ask(3, 1, struct.pack(">ih", 1, len(name)) + name)
        at = 4
        for _ in range(struct.unpack_from(">i", rest, 0)[0]):
            at += 4
            at += 2 + struct.unpack_from(">h", rest, at)[0] + 4
            rack = struct.unpack_from(">h", rest, at)[0]
            at += 2 + max(0, rack)
        at += 4 + 4 + 2 + 2 + len(name) + 1 + 4 + 2 + 4
        return struct.unpack_from(">i", rest, at)[0]

    def fetch(self, offset):
        """The batches from an offset on: where to go on, which is the start again at the end, and their bytes."""
        name = TOPIC.encode()
        body = struct.pack(">iiiibii", -1, 500, 1, RESPONSE, 0, 0, -1)
        body += struct.pack(">ih", 1, len(name)) + name + struct.pack(">iiiqqi", 1, 0, -1, offset, -1, RESPONSE)
        rest = self.ask(1, 11, body + struct.pack(">ih", 0, 0))
        at = 4 + 2 + 4 + 4 + 2 + len(name) + 4 + 4
        error = struct.unpack_from(">h", rest, at)[0]
        if error != 0:
            raise OSError(f"fetch: error {error}")
        watermark = struct.unpack_from(">q", rest, at + 2)[0]
        at += 2 + 24
        at += 4 + 16 * max(0, struct.unpack_from(">i", rest, at)[0]) + 4
        size = struct.unpack_from(">i", rest, at)[0]
        end, at = at + 4 + size, at + 4
        while at + 61 <= end:
            base, length = struct.unpack_from(">qi", rest, at)
            if at + 12 + length > end:
                break
            offset = base + struct.unpack_from(">i", rest, at + 23)[0] + 1
            at += 12 + length
        return 0 if offset >= watermark else offset, size


def read(host, seconds, results):
    """Reads the topic from its start, again and again, and notes the bytes of each answer."""
    until = time.monotonic() + seconds
    total = offset = 0
    try:
        client = Client(host)
        while time.monotonic() < until:
            offset, size = client.fetch(offset)
            total += size
    except OSError as e:
        print(f"  reader of {host}: {e}", file=sys.stderr)
    results.append(total)


def megabytes_a_second(hosts, seconds):
    """What readers of these nodes get together, as many as for all nodes whichever they are."""
    results, began = [], time.monotonic()
    threads = [threading.Thread(target=read, args=(hosts[i % len(hosts)], seconds, results)) for i in range(NODES * READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(results) / 1e6 / (time.monotonic() - began)


def start(options, network, work):
    nodes = []
    for node in range(1, NODES + 1):
        own = own_folder(work, node, NODES, options.last)
        host = network.host(node)
        command = ["ip", "netns", "exec", network.space(node), options.chronik, "--node-id", str(node), "--data", os.path.join(own, "data")]
        command += ["--kafka", host + ":9092", "--http", host + ":9644", "--akka", host + ":9192", "--bootstrap-expect", str(NODES)]
        for seed in range(1, NODES + 1):
            command += ["--seed", network.host(seed) + ":9192"]
        nodes.append(Broker(OURS, own, 9092, command, host))
        nodes[-1].launch()
    for node in range(1, NODES + 1):
        until = time.monotonic() + 60
        while True:
            try:
                if urllib.request.urlopen(f"http://{network.host(node)}:9644/health/ready", timeout=2).status == 200:
                    break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
    return nodes


def followers(options, network, table):
    print(f"[{time.strftime('%H:%M:%S')}] followers: links of {options.link}", file=sys.stderr)
    # At least a response for each reader, and more than the link carries in a moment.
    subprocess.run(
        [LOAD, "produce", "-b", network.host(1) + ":9092", "--topic", TOPIC, "--partitions", "1", "--replicas", str(NODES),
         "--requests", "2000"], check=True, capture_output=True)
    network.limit(options.link)
    leader = network.host(Client(network.host(1)).leader())
    everywhere = [network.host(node) for node in range(1, NODES + 1)]
    for _ in range(options.rounds):
        alone = megabytes_a_second([leader], options.seconds)
        together = megabytes_a_second(everywhere, options.seconds)
        table.add(f"links of {options.link}: read from the leader", "MB/s", OURS, alone)
        table.add(f"links of {options.link}: read from three nodes", "MB/s", OURS, together)
        table.add("read from three nodes, to the leader alone", "x", OURS, together / alone, absolute=(">=", 2.5))


def catch_up(options, network, nodes, table):
    rate = options.catchup_link
    print(f"[{time.strftime('%H:%M:%S')}] link-catchup: links of {rate}", file=sys.stderr)
    network.limit(rate)
    # What the link carries of a stream of full Ethernet frames: 1,448 bytes of 1,514 that tc counts.
    payload = int(rate.removesuffix("mbit")) / 8 * 1448 / 1514
    label = f"links of {rate}, {options.catchup_gb:g} GB behind"
    Cluster(OURS, nodes).add_catch_up(options, table, label, "the link's speed", payload, cache=False)


def measure(options, rows, work, brokers, table):
    if os.geteuid() != 0 or not shutil.which("tc"):
        print("  rows about links: need root and tc; left out", file=sys.stderr)
        return
    for row in set(rows) & set(ROWS):
        network = Network()
        try:
            brokers.extend(start(options, network, os.path.join(work, row)))
            if row == "followers":
                followers(options, network, table)
            else:
                catch_up(options, network, brokers, table)
        finally:
            while brokers:
                brokers.pop().stop(signal.SIGKILL)
            network.remove()
