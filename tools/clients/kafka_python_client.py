"""kafka-python as a command: python kafka_python_client.py COMMAND BOOTSTRAP [ARGUMENTS]; records are JSON lines.

produce BOOTSTRAP TOPIC CODEC        writes the records on standard input to partition 0
consume BOOTSTRAP TOPIC COUNT        prints the first records of partition 0
group   BOOTSTRAP TOPIC COUNT GROUP  prints records read as a member of a group, and commits them
admin   BOOTSTRAP TOPIC GROUP        administers a topic and a group of these names, and checks what comes back
version                              prints name and version
"""

import json
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition, __version__

READ_MS_MAX = 20_000


def text(value):
    return None if value is None else value.decode()


def octets(value):
    return None if value is None else value.encode()


def produce(bootstrap, topic, codec):
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        compression_type=None if codec == "none" else codec,
        linger_ms=50,
    )
    sent = []
    for line in sys.stdin:
        record = json.loads(line)
        headers = [(name, value.encode()) for name, value in record["headers"].items()]
        key, value = octets(record["key"]), octets(record["value"])
        sent.append(producer.send(topic, key=key, value=value, headers=headers, partition=0))
    producer.flush()
    for future in sent:
        future.get(timeout=10)
    producer.close()


def take(consumer, count):
    taken = 0
    for record in consumer:
        headers = {name: value.decode() for name, value in record.headers}
        print(json.dumps({"key": text(record.key), "value": text(record.value), "headers": headers}))
        taken += 1
        if taken == count:
            return
    sys.exit(f"read {taken} of {count} records")


def reader(bootstrap, **options):
    return KafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        check_crcs=True,
        consumer_timeout_ms=READ_MS_MAX,
        **options,
    )


def consume(bootstrap, topic, count):
    consumer = reader(bootstrap)
    consumer.assign([TopicPartition(topic, 0)])
    consumer.seek_to_beginning()
    take(consumer, int(count))
    consumer.close()


def group(bootstrap, topic, count, name):
    # No more than asked for is fetched, so that the position is what was taken.
    consumer = reader(bootstrap, group_id=name, max_poll_records=1)
    consumer.subscribe([topic])
    take(consumer, int(count))
    consumer.commit()
    consumer.close()


def admin(bootstrap, topic, name):
    from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic

    client = KafkaAdminClient(bootstrap_servers=bootstrap)
    client.create_topics([NewTopic(topic, 2, 1, topic_configs={"retention.ms": "3600000"})])
    client.create_partitions({topic: NewPartitions(3)})
    assert topic in client.list_topics(), "the topic is not listed"
    described = client.describe_topics([topic])
    assert len(described[0]["partitions"]) == 3, described
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    assert "3600000" in str(client.describe_configs([resource])), "the configuration is not described"
    client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs={"retention.ms": "7200000"})])
    assert "7200000" in str(client.describe_configs([resource])), "the configuration is not changed"
    assert client.describe_cluster()["brokers"], "no brokers"
    assert topic in str(client.describe_log_dirs()), "the topic is in no log directory"
    client.delete_topics([topic])

    listed = [entry["group_id"] for entry in client.list_groups()]
    assert name in listed, f"{name} is not among {listed}"
    assert "Empty" in str(client.describe_groups([name])), "the group is not empty"
    assert client.list_group_offsets({name: None}), "the group has no offsets"
    client.delete_groups([name])
    client.close()


def version():
    print(f"kafka-python {__version__}")


if __name__ == "__main__":
    {"produce": produce, "consume": consume, "group": group, "admin": admin, "version": version}[sys.argv[1]](*sys.argv[2:])
