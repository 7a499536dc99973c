import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Executors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Searches a topic in AKHQ's way. AKHQ itself is not run: Maven's registry has no jar of it, and nothing here needs Docker. The facts are from its
 * RecordRepository and application.yml: each search has a consumer of its own, which is assigned every partition from the first offset on,
 * with max.poll.records of 50 and read_committed; key and value are searched for the text, whatever its case; each poll is followed by an event
 * with how far it is; it ends when a poll has waited for a second and brought nothing, or with 50 matches. What AKHQ does besides (a registry's
 * schemas, masking, its web framework) is left out, which spares it work.
 *
 * `java AkhqSearch.java BOOTSTRAP` prints its port; `GET /search?topic=T&text=X` streams the events.
 */
final class AkhqSearch {
    private static final int PAGE = 50;
    private static final Duration POLL = Duration.ofSeconds(1);

    private AkhqSearch() {}

    public static void main(String[] args) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/search", exchange -> answer(args[0], exchange));
        server.start();
        System.out.println("http://127.0.0.1:" + server.getAddress().getPort());
    }

    private static void answer(String bootstrap, HttpExchange exchange) throws IOException {
        Map<String, String> asked = new HashMap<>();
        for (String pair : exchange.getRequestURI().getRawQuery().split("&")) {
            String[] parts = pair.split("=", 2);
            asked.put(parts[0], URLDecoder.decode(parts[1], StandardCharsets.UTF_8));
        }
        exchange.getResponseHeaders().set("content-type", "text/event-stream");
        exchange.sendResponseHeaders(200, 0);
        try (OutputStream out = exchange.getResponseBody()) {
            search(bootstrap, asked.get("topic"), asked.get("text").toLowerCase(Locale.ROOT), out);
        } catch (RuntimeException failure) {
            failure.printStackTrace();
        }
    }

    private static void search(String bootstrap, String topic, String text, OutputStream out) throws IOException {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("max.poll.records", PAGE);
        settings.put("isolation.level", "read_committed");
        settings.put("enable.auto.commit", "false");
        ByteArrayDeserializer bytes = new ByteArrayDeserializer();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, bytes, bytes)) {
            List<TopicPartition> partitions = new ArrayList<>();
            consumer.partitionsFor(topic).forEach(each -> partitions.add(new TopicPartition(topic, each.partition())));
            Map<TopicPartition, Long> begins = consumer.beginningOffsets(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            Map<TopicPartition, Long> now = new HashMap<>(begins);
            consumer.assign(partitions);
            begins.forEach(consumer::seek);
            int found = 0;
            while (found < PAGE) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(POLL);
                if (records.isEmpty()) break;
                List<String> matches = new ArrayList<>();
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    now.put(new TopicPartition(topic, record.partition()), record.offset() + 1);
                    if (has(record.key(), text) || has(record.value(), text)) matches.add(json(record));
                }
                found += matches.size();
                send(out, "searchBody", matches, begins, now, ends);
            }
            send(out, "searchEnd", List.of(), begins, now, ends);
        }
    }

    private static boolean has(byte[] bytes, String text) {
        return bytes != null && new String(bytes, StandardCharsets.UTF_8).toLowerCase(Locale.ROOT).contains(text);
    }

    private static String json(ConsumerRecord<byte[], byte[]> record) {
        return "{\"partition\":" + record.partition() + ",\"offset\":" + record.offset() + ",\"timestamp\":" + record.timestamp()
            + ",\"key\":" + quoted(record.key()) + ",\"value\":" + quoted(record.value()) + "}";
    }

    private static String quoted(byte[] bytes) {
        if (bytes == null) return "null";
        StringBuilder text = new StringBuilder("\"");
        for (char each : new String(bytes, StandardCharsets.UTF_8).toCharArray()) {
            if (each == '"' || each == '\\') text.append('\\').append(each);
            else if (each < ' ') text.append(String.format("\\u%04x", (int) each));
            else text.append(each);
        }
        return text.append('"').toString();
    }

    /** How far each partition is comes with every event, as there. */
    private static void send(
        OutputStream out,
        String event,
        List<String> matches,
        Map<TopicPartition, Long> begins,
        Map<TopicPartition, Long> now,
        Map<TopicPartition, Long> ends
    ) throws IOException {
        long scanned = 0;
        long total = 0;
        List<String> offsets = new ArrayList<>();
        for (Map.Entry<TopicPartition, Long> each : ends.entrySet()) {
            TopicPartition partition = each.getKey();
            scanned += now.get(partition) - begins.get(partition);
            total += each.getValue() - begins.get(partition);
            offsets.add("\"" + partition.partition() + "\":{\"begin\":" + begins.get(partition) + ",\"current\":" + now.get(partition)
                + ",\"end\":" + each.getValue() + "}");
        }
        String data = "{\"scanned\":" + scanned + ",\"total\":" + total + ",\"offsets\":{" + String.join(",", offsets)
            + "},\"records\":[" + String.join(",", matches) + "]}";
        out.write(("event: " + event + "\ndata: " + data + "\n\n").getBytes(StandardCharsets.UTF_8));
        out.flush();
    }
}
