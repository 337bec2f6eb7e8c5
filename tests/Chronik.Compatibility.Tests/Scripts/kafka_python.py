"""kafka_python.py BOOTSTRAP NAME: a topic's life with kafka-python. Ends with a traceback when something is not as it should be."""
import sys

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

bootstrap, name = sys.argv[1:]

# 2.0.2 asks for versions that newer brokers have dropped unless it is told which broker it speaks to.
common = {"bootstrap_servers": bootstrap, "api_version": (2, 5, 0)}

admin = KafkaAdminClient(**common)
admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])
assert name in admin.list_topics()

producer = KafkaProducer(acks="all", compression_type="gzip", linger_ms=5, **common)
sent = [producer.send(name, key=b"k%d" % i, value=b"v%d" % i, headers=[("h", b"%d" % i)], partition=i % 2) for i in range(200)]
assert [f.get(timeout=30).offset for f in sent] == [i // 2 for i in range(200)]
producer.close()


def read(group):
    consumer = KafkaConsumer(name, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False, consumer_timeout_ms=60000, **common)
    seen = []
    for record in consumer:
        seen.append((record.partition, record.offset, record.key, record.value, record.headers))
        if len(seen) == 200:
            break
    consumer.commit()
    consumer.close()
    return seen


seen = read(name + "-group")
assert sorted(seen) == [(i % 2, i // 2, b"k%d" % i, b"v%d" % i, [("h", b"%d" % i)]) for i in sorted(range(200), key=lambda i: (i % 2, i // 2))], seen[:5]

consumer = KafkaConsumer(group_id=name + "-group", **common)
parts = [TopicPartition(name, p) for p in range(2)]
assert [consumer.committed(p) for p in parts] == [100, 100]
assert consumer.end_offsets(parts) == dict.fromkeys(parts, 100)
assert consumer.beginning_offsets(parts) == dict.fromkeys(parts, 0)
assert consumer.offsets_for_times({parts[0]: 0})[parts[0]].offset == 0
consumer.close()

assert (name + "-group", "consumer") in admin.list_consumer_groups()
assert admin.describe_consumer_groups([name + "-group"])[0].state == "Empty"
admin.delete_consumer_groups([name + "-group"])
admin.delete_topics([name])
admin.close()
