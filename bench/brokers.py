"""The brokers that `run` measures: how each is started, asked and stopped."""
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOAD = os.path.join(ROOT, "bench/Chronik.Load/bin/Release/net10.0/load")
CHRONIK = os.path.join(ROOT, "src/Chronik.Server/bin/Release/net10.0/chronik")
OURS, CACHE, FSYNC = "chronik", "kafka", "kafka-fsync"


def answers(address, topic=None, brokers=1, in_sync=0):
    """Whether a Metadata request is answered with so many brokers, and every partition of the topic has a leader and so many in sync."""
    name = b"" if topic is None else topic.encode()
    topics = struct.pack(">i", 0) if topic is None else struct.pack(">ih", 1, len(name)) + name
    body = struct.pack(">hhih", 3, 4, 1, 5) + b"bench" + topics + b"\0"
    try:
        with socket.create_connection(address, timeout=5) as s:
            s.sendall(struct.pack(">i", len(body)) + body)
            frame = s.makefile("rb")
            rest = frame.read(struct.unpack(">i", frame.read(4))[0])[8:]
    except (OSError, struct.error):
        return False

    def take(form):
        nonlocal rest
        size = struct.calcsize(form)
        values, rest = struct.unpack(form, rest[:size]), rest[size:]
        return values[0] if len(values) == 1 else values

    def skip(form, size):
        nonlocal rest
        count = take(form)
        rest = rest[max(0, count) * size:]

    found = take(">i")
    for _ in range(found):
        take(">i"), skip(">h", 1), take(">i"), skip(">h", 1)
    if found < brokers or topic is None:
        return found >= brokers
    skip(">h", 1)
    take(">ii")
    if take(">h") != 0:
        return False
    skip(">h", 1)
    take(">b")
    for _ in range(take(">i")):
        error, _, leader = take(">hii")
        if error != 0 or leader < 0:
            return False
        skip(">i", 4)
        count = take(">i")
        take(f">{count}i") if count > 0 else None
        if count < in_sync:
            return False
    return True


def load(name, address, pids, arguments):
    """Runs the load generator and returns what it reports; nothing when it failed."""
    measured = ["--pid", ",".join(map(str, pids))] if pids else []
    command = [LOAD, arguments[0], "-b", "{}:{}".format(*address), *measured, *map(str, arguments[1:])]
    run = subprocess.run(command, capture_output=True, text=True)
    if not run.stdout:
        print(f"  {name}: {' '.join(map(str, arguments))}: {run.stderr.strip()}", file=sys.stderr)
        return {}
    result = json.loads(run.stdout)
    if result.get("errors"):
        print(f"  {name}: {' '.join(map(str, arguments))}: {run.stdout.strip()}", file=sys.stderr)
    return result


def disk_p99(folder, seconds=3):
    """
    Milliseconds of a write and sync into a file that is there already, which nothing but the disk decides: a broker that acknowledges
    after the sync cannot be quicker.
    """
    size, count = 80 << 10, 1000
    path, block = os.path.join(folder, "disk"), os.urandom(size)
    latencies = []
    with open(path, "w+b", buffering=0) as file:
        for _ in range(count):
            file.write(block)
        os.fsync(file.fileno())
        began = time.monotonic()
        for turn in range(seconds * 240):
            time.sleep(max(0, began + turn / 240 - time.monotonic()))
            before = time.monotonic()
            os.pwrite(file.fileno(), block, turn % count * size)
            os.fdatasync(file.fileno())
            latencies.append(time.monotonic() - before)
    os.remove(path)
    return sorted(latencies)[len(latencies) * 99 // 100] * 1000


class Broker:
    """One broker: its command, its folder, its process."""

    def __init__(self, name, folder, port, command, host="127.0.0.1"):
        self.name, self.folder, self.address, self.command = name, folder, (host, port), command
        self.process = None

    def start(self, topic=None):
        """Starts the process and returns the seconds until it answers."""
        self.launch()
        return self.ready(topic)

    def launch(self):
        self.began = time.monotonic()
        with open(os.path.join(self.folder, "output.txt"), "ab") as output:
            self.process = subprocess.Popen(self.command, cwd=self.folder, stdout=output, stderr=output, stdin=subprocess.DEVNULL)

    def ready(self, topic=None, brokers=1):
        began = self.began
        while not answers(self.address, topic, brokers):
            if self.process.poll() is not None or time.monotonic() - began > 120:
                with open(os.path.join(self.folder, "output.txt"), errors="replace") as output:
                    sys.exit(f"{self.name} did not start:\n" + "".join(output.readlines()[-20:]))
            time.sleep(0.002)
        return time.monotonic() - began

    def wait(self, condition, seconds):
        """Waits until a condition, which is told the address, is met."""
        end = time.monotonic() + seconds
        while not condition(self.address):
            if time.monotonic() > end:
                sys.exit(f"{self.name}: what was waited for did not come within {seconds} s")
            time.sleep(0.02)

    def stop(self, how=signal.SIGTERM):
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def load(self, *arguments):
        return load(self.name, self.address, [self.process.pid], arguments)

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        return next(int(line.split()[1]) for line in open(f"/proc/{self.process.pid}/status") if line.startswith("VmRSS:")) / 1024


def chronik(options, folder, port):
    os.makedirs(folder)
    command = [options.chronik, "--data", os.path.join(folder, "data"), "--kafka", f"127.0.0.1:{port}", "--http", f"127.0.0.1:{port + 1}"]
    return Broker(OURS, folder, port, command)


def kafka(name, home, folder, port, fsync):
    return kafka_nodes(name, home, folder, port, 1, ["log.flush.interval.messages=1"] if fsync else [])[0]


def own_folder(folder, node, count, last=None):
    """A new folder of a node; of the last one below another folder, if there is one for it."""
    if last and node == count:
        folder = os.path.join(last, os.path.basename(folder))
    own = os.path.join(folder, str(node))
    os.makedirs(own)
    return own


def kafka_nodes(name, home, folder, port, count, more=(), last=None):
    """Kafka's brokers, each a controller too; they take two ports each."""
    java = ["java", "-cp", os.path.join(home, "libs", "*")]
    tool = java + ["kafka.tools.StorageTool"]
    cluster = subprocess.run(tool + ["random-uuid"], capture_output=True, text=True, check=True).stdout.split()[-1]
    voters = ",".join(f"{node}@127.0.0.1:{port + 2 * node - 1}" for node in range(1, count + 1))
    majority = count // 2 + 1
    nodes = []
    for node in range(1, count + 1):
        own, at = own_folder(folder, node, count, last), port + 2 * node - 2
        settings = {
            "process.roles": "broker,controller",
            "node.id": node,
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://127.0.0.1:{at},CONTROLLER://127.0.0.1:{at + 1}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{at}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": os.path.join(own, "data"),
            "min.insync.replicas": majority,
            "offsets.topic.replication.factor": count,
            "transaction.state.log.replication.factor": count,
            "transaction.state.log.min.isr": majority,
            "share.coordinator.state.topic.replication.factor": count,
            "share.coordinator.state.topic.min.isr": majority,
        }
        path = os.path.join(own, "server.properties")
        with open(path, "w") as file:
            file.writelines(f"{key}={value}\n" for key, value in settings.items())
            file.writelines(f"{setting}\n" for setting in more)
        subprocess.run(tool + ["format", "-t", cluster, "-c", path], check=True, capture_output=True)
        server = java[:1] + ["-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"] + java[1:] + ["kafka.Kafka", path]
        nodes.append(Broker(name, own, at, server))
    return nodes
