import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Java's producer as it comes, at a steady pace: BOOTSTRAP TOPIC PARTITIONS ID PACE_MS. It sends a record to every partition again and again,
 * and writes a line for each that is acknowledged ("a PARTITION SEQUENCE OFFSET") or refused ("f PARTITION SEQUENCE ERROR"), until somebody
 * says so; then it waits for all that it has sent, and writes how many those were ("s PARTITION COUNT") and were sent again
 * ("r records COUNT").
 */
public class PacedProducer {
    private static final int UNACKNOWLEDGED_MAX = 20_000;

    public static void main(String[] args) throws Exception {
        String topic = args[1];
        int[] sent = new int[Integer.parseInt(args[2])];
        int id = Integer.parseInt(args[3]);
        long paceMs = Long.parseLong(args[4]);
        AtomicInteger unacknowledged = new AtomicInteger();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties(args[0]))) {
            while (!hasInputEnded()) {
                for (int partition = 0; partition < sent.length && unacknowledged.get() < UNACKNOWLEDGED_MAX; partition++) {
                    unacknowledged.incrementAndGet();
                    send(producer, topic, id, partition, sent[partition]++, unacknowledged);
                }
                Thread.sleep(paceMs);
            }
            producer.flush();
            say("r records " + retriesOf(producer));
        }
        for (int partition = 0; partition < sent.length; partition++) say("s " + partition + " " + sent[partition]);
    }

    private static void send(
            KafkaProducer<String, String> producer, String topic, int id, int partition, int sequence, AtomicInteger unacknowledged) {
        String value = valueOf(id, partition, sequence);
        producer.send(new ProducerRecord<>(topic, partition, null, value), (metadata, error) -> {
            unacknowledged.decrementAndGet();
            if (error == null) say("a " + partition + " " + sequence + " " + metadata.offset());
            else say("f " + partition + " " + sequence + " " + error);
        });
    }

    private static long retriesOf(KafkaProducer<String, String> producer) {
        return producer.metrics().entrySet().stream()
                .filter(each -> each.getKey().name().equals("record-retry-total") && each.getKey().group().equals("producer-metrics"))
                .mapToLong(each -> ((Number) each.getValue().metricValue()).longValue())
                .sum();
    }

    /** As loadValue of ledger.ts makes them. */
    private static String valueOf(int id, int partition, int sequence) {
        StringBuilder value = new StringBuilder(id + " " + partition + " " + sequence + " ");
        while (value.length() < 60 + sequence % 80) value.append('.');
        return value.toString();
    }

    /** One line is one write, whoever writes it. */
    private static void say(String line) {
        synchronized (System.out) {
            System.out.println(line);
        }
    }

    /** Whoever wants it to end says so in a byte. */
    private static boolean hasInputEnded() throws Exception {
        return System.in.available() > 0;
    }

    private static Properties properties(String bootstrap) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("acks", "all");
        properties.put("enable.idempotence", "true");
        properties.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        properties.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        return properties;
    }
}
