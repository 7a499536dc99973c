import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.SslAuthenticationException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Makes the attempts that stand as JSON on the standard input, and prints a result for each, a line of JSON. */
public class SecuredClient {
    private static final int LATE_MS = 15_000;
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String MODULES = "org.apache.kafka.common.security.";

    public static void main(String[] args) throws Exception {
        for (JsonNode attempt : JSON.readTree(System.in)) {
            ObjectNode result = JSON.createObjectNode().put("id", attempt.get("id").asText());
            try {
                writeAndRead(attempt);
                result.put("outcome", "read").put("text", "");
            } catch (Exception error) {
                Throwable cause = error;
                while (cause instanceof java.util.concurrent.ExecutionException) cause = cause.getCause();
                result.put("outcome", outcome(cause)).put("text", String.valueOf(cause));
            }
            System.out.println(result);
        }
        System.exit(0);
    }

    private static String outcome(Throwable error) {
        for (Throwable at = error; at != null; at = at.getCause()) {
            if (at instanceof SaslAuthenticationException) return "authentication";
            if (at instanceof SslAuthenticationException) return "tls";
            if (at instanceof AuthorizationException) return "authorization";
            // The client could not get a token, and was not built.
            if (String.valueOf(at.getMessage()).contains("LoginException")) return "authentication";
            if (at instanceof javax.security.auth.login.LoginException) return "authentication";
        }
        return error instanceof TimeoutException ? "disconnected" : "other";
    }

    private static void writeAndRead(JsonNode attempt) throws Exception {
        String topic = attempt.get("topic").asText();
        String value = attempt.get("value").asText();
        Properties properties = properties(attempt);
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            producer.send(new ProducerRecord<>(topic, value)).get();
        }
        try (KafkaConsumer<String, String> consumer =
                new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic));
            long until = System.currentTimeMillis() + LATE_MS;
            while (System.currentTimeMillis() < until) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    if (value.equals(record.value())) return;
                }
            }
        }
        throw new IllegalStateException("what was written was not read");
    }

    private static Properties properties(JsonNode attempt) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", attempt.get("bootstrap").asText());
        properties.put("security.protocol", attempt.get("protocol").asText());
        properties.put("group.id", attempt.get("group").asText());
        properties.put("auto.offset.reset", "earliest");
        properties.put("delivery.timeout.ms", String.valueOf(LATE_MS));
        properties.put("max.block.ms", String.valueOf(LATE_MS));
        properties.put("request.timeout.ms", "10000");
        properties.put("linger.ms", "0");
        JsonNode tls = attempt.get("tls");
        if (tls != null) {
            properties.put("ssl.truststore.type", "PEM");
            properties.put("ssl.truststore.location", tls.get("authority").asText());
            if (tls.has("shown")) {
                properties.put("ssl.keystore.type", "PEM");
                properties.put("ssl.keystore.location", tls.get("shown").get("both").asText());
            }
        }
        JsonNode login = attempt.get("login");
        if (login != null) putLogin(properties, login);
        return properties;
    }

    private static void putLogin(Properties properties, JsonNode login) {
        String mechanism = login.get("mechanism").asText();
        String user = login.get("user").asText();
        String password = login.get("password").asText();
        properties.put("sasl.mechanism", mechanism);
        if (mechanism.equals("OAUTHBEARER")) {
            properties.put("sasl.jaas.config", MODULES + "oauthbearer.OAuthBearerLoginModule required clientId=\"" + user
                + "\" clientSecret=\"" + password + "\";");
            properties.put("sasl.login.callback.handler.class", MODULES + "oauthbearer.OAuthBearerLoginCallbackHandler");
            properties.put("sasl.oauthbearer.token.endpoint.url", login.get("tokenUrl").asText());
            return;
        }
        String module = mechanism.equals("PLAIN") ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
        properties.put("sasl.jaas.config",
            MODULES + module + " required username=\"" + user + "\" password=\"" + password + "\";");
    }
}
