import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * One instance of a copy job by Java's clients: BOOTSTRAP SOURCE TARGET INSTANCE. Copies a topic into the same partitions of another, with
 * the offsets in the transaction; a record in a third topic lists what each transaction has copied. Goes on until it is ended.
 */
public class CopyJob {
    private static final int BATCH_RECORDS_MAX = 50;

    public static void main(String[] args) throws Exception {
        for (;;) {
            try {
                copy(args[0], args[1], args[2], args[3]);
            } catch (RuntimeException error) {
                // A service that is supervised begins again, with what is committed.
                System.err.println("java " + args[3] + ": " + error);
            }
            Thread.sleep(200);
        }
    }

    private static void copy(String bootstrap, String source, String target, String instance) {
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(consumerProperties(bootstrap, target));
                KafkaProducer<String, String> producer = new KafkaProducer<>(producerProperties(bootstrap, target, instance))) {
            producer.initTransactions();
            consumer.subscribe(Collections.singleton(source));
            for (;;) {
                ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(200));
                if (!records.isEmpty()) copyInTransaction(consumer, producer, records, target);
            }
        }
    }

    private static void copyInTransaction(
            KafkaConsumer<String, String> consumer,
            KafkaProducer<String, String> producer,
            ConsumerRecords<String, String> records,
            String target) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        List<String> values = new ArrayList<>();
        producer.beginTransaction();
        try {
            for (ConsumerRecord<String, String> record : records) {
                producer.send(new ProducerRecord<>(target, record.partition(), null, record.value()));
                values.add(record.value());
                offsets.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
            }
            producer.send(new ProducerRecord<>(target + "-lists", String.join(" ", values)));
            producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
            producer.commitTransaction();
        } catch (RuntimeException error) {
            // Of no use where another has taken over; whatever is left open, the next producer of the id aborts.
            try {
                producer.abortTransaction();
            } catch (RuntimeException late) {
                error.addSuppressed(late);
            }
            throw error;
        }
    }

    private static Properties consumerProperties(String bootstrap, String group) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("group.id", group);
        properties.put("enable.auto.commit", "false");
        properties.put("isolation.level", "read_committed");
        properties.put("auto.offset.reset", "earliest");
        properties.put("session.timeout.ms", "6000");
        properties.put("max.poll.records", String.valueOf(BATCH_RECORDS_MAX));
        properties.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        properties.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        return properties;
    }

    private static Properties producerProperties(String bootstrap, String target, String instance) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("transactional.id", target + "-" + instance);
        properties.put("transaction.timeout.ms", "10000");
        properties.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        properties.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        return properties;
    }
}
