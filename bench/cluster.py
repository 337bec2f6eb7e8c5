"""The rows of `run` about a cluster: three nodes of ours and three brokers of Kafka, with three replicas of everything."""
import os
import signal
import statistics
import sys
import threading
import time

from brokers import CACHE, OURS, Broker, answers, kafka_nodes, load, own_folder

ROWS = ["cluster-produce", "cluster-open", "cluster-failover", "cluster-rolling", "cluster-idle", "cluster-create", "cluster-catchup"]
NODES = 3
PERIODS = 6  # So long a load is measured before a node is killed, in periods as when it catches up.


class Cluster:
    """Three brokers that are measured as one."""

    def __init__(self, name, nodes):
        self.name, self.nodes = name, nodes

    def start(self):
        """Starts all of them and returns the seconds until each knows all."""
        began = time.monotonic()
        for node in self.nodes:
            if node.process is None:
                node.launch()
        for node in self.nodes:
            node.ready(brokers=NODES)
        return time.monotonic() - began

    def load(self, *arguments):
        return load(self.name, self.nodes[0].address, [node.process.pid for node in self.nodes], arguments)

    def gap(self, *arguments):
        """As load, and the leader of partition 0 is killed on the way; starts it again."""
        cases = " ".join(f"{at}) kill -9 {node.process.pid};;" for at, node in enumerate(self.nodes, 1))
        result = self.load("gap", *arguments, "--exec", f"case {{leader}} in {cases} esac")
        for node in self.nodes:
            if node.process.poll() is not None:
                node.process = None
        self.start()
        return result

    def rolling(self, pause, *arguments):
        """As load, and each node is stopped with SIGTERM and started again on the way, one after the other, with a pause in between."""
        result = {}
        # The processes change, so their CPU is not measured.
        worker = threading.Thread(target=lambda: result.update(load(self.name, self.nodes[0].address, [], ("gap", *arguments))))
        worker.start()
        time.sleep(pause)
        for node in self.nodes:
            node.stop()
            node.launch()
            node.ready(brokers=NODES)
            time.sleep(pause)
        if not worker.is_alive():
            print(f"  {self.name}: the load ended before the restarts did: --rolling is too short", file=sys.stderr)
        worker.join()
        return result

    def cpu(self):
        return [node.cpu() for node in self.nodes]

    def catch_up(self, options, gigabytes):
        """
        Kills one node while so much is written, and returns the seconds until it is in sync again, the MB/s of all that it was given until
        then, and the p99 of the others' acknowledgements in each period of a load, before and meanwhile.
        """
        topic, rate = "behind", 10_000
        foreground = ("produce", "--topic", topic, "--rate", rate, "--seconds", options.seconds)
        self.load("produce", "--topic", topic, "--replicas", NODES, "--seconds", options.warm)
        # A pause of the machine fills one period or another, so there must be several of both.
        normal = [self.load(*foreground).get("p99_ms") for _ in range(PERIODS)]
        self.nodes[-1].stop(signal.SIGKILL)
        self.nodes[0].wait(lambda address: answers(address, topic), 60)
        self.load_alive("produce", "--topic", topic, "--seconds", 3600, "--requests", int(gigabytes * 1e9 / (6 * 16 * 1033)))
        self.nodes[0].wait(lambda address: not answers(address, topic, in_sync=NODES), 60)
        done, noticed = threading.Event(), []

        def produce():
            while not done.is_set():
                noticed.append(self.load_alive(*foreground).get("p99_ms"))

        clients = threading.Thread(target=produce)
        clients.start()
        try:
            started = self.nodes[-1].start()
            began = time.monotonic()
            self.nodes[0].wait(lambda address: answers(address, topic, in_sync=NODES), 1800)
            seconds = time.monotonic() - began
        finally:
            done.set()
            clients.join()
        normal, during = ([p99 for p99 in periods if p99 is not None] for periods in (normal, noticed))
        print(f"  {self.name}: ack p99 in periods of {options.seconds:g} s before {normal} ms, meanwhile {during}", file=sys.stderr)
        return started + seconds, gigabytes * 1000 / seconds + rate * 1033 / 1e6, normal, during

    def add_catch_up(self, options, table, label, bound, speed, cache):
        """Measures it, and compares its speed with that of what bounds it, in MB/s."""
        seconds, mb_s, normal, during = self.catch_up(options, options.catchup_gb)
        table.add(f"{label}: process start to in sync", "s", self.name, seconds, cache=("<=", 1) if cache else None)
        table.add(f"{label}: catching up", "MB/s", self.name, mb_s, cache=(">=", 1) if cache else None)
        table.add(f"{label}: catching up, part of {bound}", "x", self.name, mb_s / speed, absolute=(">=", 0.8))
        for which, of in (("median", statistics.median), ("worst", max)):
            name = f"{label}: ack p99 of others at 10 MB/s, the {which} of {options.seconds:g} s"
            if normal and during:
                table.add(f"{name}, before", "ms", self.name, of(normal))
                table.add(f"{name}, meanwhile", "ms", self.name, of(during))
                table.add(f"{name}, meanwhile to before", "x", self.name, of(during) / of(normal), absolute=("<=", 2))

    def load_alive(self, *arguments):
        """As load, whichever nodes live."""
        return load(self.name, self.nodes[0].address, [node.process.pid for node in self.nodes[:-1]], arguments)


def chronik_nodes(options, folder, port):
    """Ours take three ports each: for clients, health, and each other."""
    def address(node, which):
        return f"127.0.0.1:{port + 3 * (node - 1) + which}"

    nodes = []
    for node in range(1, NODES + 1):
        own = own_folder(folder, node, NODES, options.last)
        command = [options.chronik, "--node-id", str(node), "--data", os.path.join(own, "data"), "--kafka", address(node, 0)]
        command += ["--http", address(node, 1), "--akka", address(node, 2), "--bootstrap-expect", str(NODES)]
        for seed in range(1, NODES + 1):
            command += ["--seed", address(seed, 2)]
        command += ["--set", "chronik.broker.min.insync.replicas=2"]
        nodes.append(Broker(OURS, own, port + 3 * (node - 1), command))
    return nodes


def disk_speed(folder, gigabytes=1):
    """MB/s of one file that is written from front to end, and synced."""
    path, block = os.path.join(folder, "disk"), os.urandom(1 << 20)
    began = time.monotonic()
    with open(path, "wb", buffering=0) as file:
        for _ in range(int(gigabytes * 1000)):
            file.write(block)
        os.fsync(file.fileno())
    seconds = time.monotonic() - began
    os.remove(path)
    return gigabytes * 1000 * 1.048576 / seconds


def measure(options, rows, home, work, brokers, table):
    def progress(text):
        print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr)

    clusters = [Cluster(OURS, chronik_nodes(options, os.path.join(work, "ours-3"), options.port))]
    if home:
        port = options.port + 3 * NODES
        clusters.append(Cluster(CACHE, kafka_nodes(CACHE, home, os.path.join(work, "kafka-3"), port, NODES, last=options.last)))
    for cluster in clusters:
        brokers.extend(cluster.nodes)
    progress("starting clusters")
    for cluster in clusters:
        cluster.start()

    rf = ("--replicas", NODES)
    if {"cluster-produce", "cluster-open"} & set(rows):
        progress("cluster: warming up")
        for cluster in clusters:
            cluster.load("produce", "--topic", "six", *rf, "--seconds", options.warm)

    def turns(row, text, run):
        if row in rows:
            for turn in range(options.rounds):
                progress(f"cluster: {text} ({turn + 1} of {options.rounds})")
                for cluster in clusters:
                    run(cluster)

    fastest = {}

    def produce(cluster):
        label = "3 nodes: produce, 6 partitions"
        r = cluster.load("produce", "--topic", "six", "--seconds", options.seconds)
        fastest[cluster.name] = max(fastest.get(cluster.name, 0), r.get("mb_s", 0))
        table.add(label, "MB/s", cluster.name, r.get("mb_s"), cache=(">=", 1.5))
        table.add(label + ": CPU of all brokers", "s/GB", cluster.name, r.get("broker_cpu_s_per_gb"), cache=("<=", 0.5))
        table.add(label + ": ack p99", "ms", cluster.name, r.get("p99_ms"))

    def half_load(cluster):
        # Records of 1,033 bytes on the wire.
        rate = int(fastest.get(cluster.name, 0) / 2 * 1e6 / 1033)
        if rate > 0:
            r = cluster.load("produce", "--topic", "six", "--rate", rate, "--seconds", options.seconds)
            table.add("3 nodes: ack p99 at half load", "ms", cluster.name, r.get("p99_ms"), absolute=("<=", 50))

    def open_loop(cluster):
        r = cluster.load("produce", "--topic", "six", "--rate", 10000, "--seconds", options.seconds)
        table.add("3 nodes: open loop 10 MB/s: ack p50", "ms", cluster.name, r.get("p50_ms"))
        table.add("3 nodes: open loop 10 MB/s: ack p99", "ms", cluster.name, r.get("p99_ms"), cache=("<=", 1.5))

    def failover(cluster):
        r = cluster.gap("--topic", "gap", "--partitions", 30, *rf, "--seconds", options.failover)
        table.add("leader killed: longest time without an append", "ms", cluster.name, r.get("victim_ms"), cache=("<=", 0.1), absolute=("<=", 3000))
        table.add("leader killed: partitions of others", "ms", cluster.name, r.get("other_ms"), absolute=("<=", 100))

    def rolling(cluster):
        r = cluster.rolling(5, "--topic", "rolling", "--partitions", 30, *rf, "--seconds", options.rolling)
        gaps = [r.get("victim_ms"), r.get("other_ms")]
        longest = None if None in gaps else max(gaps)
        label = "rolling restart: longest time without an append"
        table.add(label, "ms", cluster.name, longest, cache=("<=", 0.5), absolute=("<=", 500))
        table.add("rolling restart: the median partition's", "ms", cluster.name, r.get("all_median_ms"), absolute=("<=", 100))
        table.add("rolling restart: errors after a client's retries", "", cluster.name, r.get("failed"), absolute=("<=", 0))

    turns("cluster-produce", "produce, 6 partitions", produce)
    turns("cluster-produce", "half load", half_load)
    turns("cluster-open", "open loop", open_loop)
    turns("cluster-failover", "leader killed", failover)
    turns("cluster-rolling", "rolling restart", rolling)

    if "cluster-catchup" in rows:
        speed = disk_speed(work)
        progress(f"cluster: the disk writes {speed:.0f} MB/s")
        for cluster in clusters:
            progress(f"cluster: {cluster.name}: {options.catchup_gb:g} GB are written while a node is down")
            cluster.add_catch_up(options, table, f"{options.catchup_gb:g} GB behind", "the disk's speed", speed, cache=True)

    if "cluster-idle" in rows:
        progress("cluster: 1,000 partitions")
        for cluster in clusters:
            cluster.load("create", "--topic", "idle", "--topics", 100, "--partitions", 10, *rf)
        time.sleep(60)  # What creation made hot is being compiled.
        for cluster in clusters:
            before = cluster.cpu()
            time.sleep(10)
            for first, last in zip(before, cluster.cpu()):
                table.add("idle with 1,000 partitions: CPU of a node", "% of a core", cluster.name, (last - first) * 10, absolute=("<=", 2))
            for node in cluster.nodes:
                table.add("idle with 1,000 partitions: memory of a node", "MiB", cluster.name, node.memory(), absolute=("<=", 200))

    if "cluster-create" in rows:
        progress("cluster: 3,000 partitions")
        for cluster in clusters:
            r = cluster.load("create", "--topic", "many", "--topics", 300, "--partitions", 10, *rf)
            table.add("3,000 partitions created and led", "s", cluster.name, r.get("led_s"), absolute=("<=", 10))
    for node in brokers:
        node.stop(signal.SIGKILL)
