"""python secured_clients.py kafka-python|confluent-kafka: makes the attempts that stand as JSON on the standard input, and prints a result
for each, a line of JSON. `version` prints what is installed."""

import json
import logging
import sys
import time

LATE_S = 15


class Said(logging.Handler):
    """What kafka-python says of a refusal: to whoever has called it, it speaks of a timeout alone."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())
        if record.exc_info and record.exc_info[1] is not None:
            self.lines.append(repr(record.exc_info[1]))


SAID = Said()


def kafka_python(attempt):
    from kafka import KafkaConsumer, KafkaProducer
    from kafka.net.sasl.oauth import AbstractTokenProvider

    options = {
        "bootstrap_servers": attempt["bootstrap"],
        "security_protocol": attempt["protocol"],
        "request_timeout_ms": 10_000,
        "bootstrap_timeout_ms": 4_000,
    }
    SAID.lines.clear()
    tls, login = attempt.get("tls"), attempt.get("login")
    if tls:
        options["ssl_cafile"] = tls["authority"]
        if "shown" in tls:
            options["ssl_certfile"] = tls["shown"]["certificate"]
            options["ssl_keyfile"] = tls["shown"]["key"]
    if login:
        options["sasl_mechanism"] = login["mechanism"]
        if login["mechanism"] == "OAUTHBEARER":

            class Provider(AbstractTokenProvider):
                def token(self):
                    return login["token"]

            options["sasl_oauth_token_provider"] = Provider()
        else:
            options["sasl_plain_username"] = login["user"]
            options["sasl_plain_password"] = login["password"]
    producer = KafkaProducer(acks="all", max_block_ms=LATE_S * 1000, delivery_timeout_ms=LATE_S * 1000, **options)
    try:
        producer.send(attempt["topic"], value=attempt["value"].encode()).get(timeout=LATE_S)
    finally:
        producer.close(timeout=1)
    consumer = KafkaConsumer(
        attempt["topic"],
        group_id=attempt["group"],
        auto_offset_reset="earliest",
        consumer_timeout_ms=LATE_S * 1000,
        session_timeout_ms=9_000,
        **options,
    )
    try:
        return any(record.value.decode() == attempt["value"] for record in consumer)
    finally:
        consumer.close()


def confluent_kafka(attempt):
    from confluent_kafka import Consumer, KafkaException, Producer

    errors = []
    options = {
        "bootstrap.servers": attempt["bootstrap"],
        "security.protocol": attempt["protocol"],
        "log_level": 0,
        "error_cb": errors.append,
        "message.timeout.ms": LATE_S * 1000,
    }
    tls, login = attempt.get("tls"), attempt.get("login")
    if tls:
        options["ssl.ca.location"] = tls["authority"]
        if "shown" in tls:
            options["ssl.certificate.location"] = tls["shown"]["certificate"]
            options["ssl.key.location"] = tls["shown"]["key"]
    if login:
        options["sasl.mechanism"] = login["mechanism"]
        if login["mechanism"] == "OAUTHBEARER":
            options["sasl.oauthbearer.method"] = "oidc"
            options["sasl.oauthbearer.client.id"] = login["user"]
            options["sasl.oauthbearer.client.secret"] = login["password"]
            options["sasl.oauthbearer.token.endpoint.url"] = login["tokenUrl"]
        else:
            options["sasl.username"] = login["user"]
            options["sasl.password"] = login["password"]

    def refusal():
        # Connections that are lost for good are told of beside what went wrong with them.
        named = [error for error in errors if error.name() not in ("_TRANSPORT", "_ALL_BROKERS_DOWN")]
        return named[0] if named else None

    delivered = []
    producer = Producer(options)
    producer.produce(attempt["topic"], attempt["value"].encode(), callback=lambda error, _: delivered.append(error))
    until = time.monotonic() + LATE_S
    while not delivered and time.monotonic() < until and refusal() is None:
        producer.poll(0.1)
    if not delivered or delivered[0] is not None:
        producer.purge()
        raise KafkaException(refusal() or (delivered or errors or ["not delivered"])[0])
    del options["message.timeout.ms"]
    consumer = Consumer({**options, "group.id": attempt["group"], "auto.offset.reset": "earliest"})
    consumer.subscribe([attempt["topic"]])
    try:
        until = time.monotonic() + LATE_S
        while time.monotonic() < until:
            record = consumer.poll(0.2)
            if record is not None and record.error() is not None:
                raise KafkaException(record.error())
            if record is not None and record.value().decode() == attempt["value"]:
                return True
        return False
    finally:
        consumer.close()


PATTERNS = [
    ("authorization", ("TopicAuthorization", "TOPIC_AUTHORIZATION")),
    ("tls", ("_SSL", "SslAuthentication", "SSLCert", "SSLError", "certificate", "CERTIFICATE")),
    ("authentication", ("SaslAuthentication", "AuthenticationFailed", "_AUTHENTICATION")),
    ("disconnected", ("NoBrokers", "_TRANSPORT", "_ALL_BROKERS_DOWN", "Timeout", "_MSG_TIMED_OUT", "Disconnected", "ConnectionError")),
]


def classify(text):
    return next((outcome for outcome, words in PATTERNS if any(word in text for word in words)), "other")


def run(client):
    for attempt in json.load(sys.stdin):
        try:
            outcome, text = ("read", "") if client(attempt) else ("other", "what was written was not read")
        except Exception as error:  # Whatever it is, it is what came of the attempt.
            chain, at = [], error
            while at is not None:
                chain.append(f"{type(at).__name__}: {at!r}")
                at = at.__cause__ or at.__context__
            text = " <- ".join([*chain, *SAID.lines])
            outcome = classify(text)
        print(json.dumps({"id": attempt["id"], "outcome": outcome, "text": text}), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "version":
        import confluent_kafka as confluent
        import kafka

        print(f"kafka-python {kafka.__version__}, confluent-kafka {confluent.__version__} (librdkafka {confluent.libversion()[0]})")
    else:
        logging.getLogger("kafka").addHandler(SAID)
        logging.getLogger("kafka").propagate = False
        run({"kafka-python": kafka_python, "confluent-kafka": confluent_kafka}[sys.argv[1]])
