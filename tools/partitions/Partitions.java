import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Utils;

/** Prints what Kafka's own classes make of keys: packages/producer/src/java-partitions.test.ts makes the same keys and compares. */
public class Partitions {
  static final int[] PARTITION_COUNTS = {1, 2, 3, 6, 7, 12, 50, 97, 1000};
  static final int[] CODE_POINTS = {'k', '7', 0xe9, 0xdf, 0x3b4, 0x6d41, 0x20ac, 0xffff, 0x10400, 0x1f30a};
  static final int KEY_UNITS_MAX = 80;
  static final int SAMPLES = 12;

  static int state;

  /** The generator that the test has too: the upper half of a linear congruential one. */
  static int next(int below) {
    state = state * 1664525 + 1013904223;
    return (state >>> 16) % below;
  }

  static byte[] key(int number, StringSerializer serializer) {
    int units = next(KEY_UNITS_MAX);
    if (number % 3 == 0) {
      byte[] bytes = new byte[units];
      for (int at = 0; at < units; at++) bytes[at] = (byte) next(256);
      return bytes;
    }
    StringBuilder text = new StringBuilder();
    for (int at = 0; at < units; at++) {
      text.appendCodePoint(number % 3 == 1 ? 32 + next(95) : CODE_POINTS[next(CODE_POINTS.length)]);
    }
    return serializer.serialize("topic", text.toString());
  }

  public static void main(String[] args) throws Exception {
    int keys = Integer.parseInt(args[0]);
    state = Integer.parseInt(args[1]);
    MessageDigest hashes = MessageDigest.getInstance("SHA-256");
    List<MessageDigest> partitions = new ArrayList<>();
    for (int ignored : PARTITION_COUNTS) partitions.add(MessageDigest.getInstance("SHA-256"));
    List<String> samples = new ArrayList<>();
    StringSerializer serializer = new StringSerializer();
    for (int number = 0; number < keys; number++) {
      byte[] key = key(number, serializer);
      int hash = Utils.murmur2(key);
      hashes.update(ByteBuffer.allocate(4).putInt(hash).array());
      for (int at = 0; at < PARTITION_COUNTS.length; at++) {
        int partition = BuiltInPartitioner.partitionForKey(key, PARTITION_COUNTS[at]);
        partitions.get(at).update(ByteBuffer.allocate(4).putInt(partition).array());
      }
      if (number < SAMPLES) samples.add("    [\"" + HexFormat.of().formatHex(key) + "\", " + hash + "]");
    }
    StringBuilder out = new StringBuilder("{\n  \"keys\": " + keys + ",\n  \"seed\": " + args[1] + ",\n");
    out.append("  \"murmur2Sha256\": \"" + hex(hashes) + "\",\n  \"partitionsSha256\": {\n");
    for (int at = 0; at < PARTITION_COUNTS.length; at++) {
      out.append("    \"" + PARTITION_COUNTS[at] + "\": \"" + hex(partitions.get(at)) + "\"");
      out.append(at + 1 < PARTITION_COUNTS.length ? ",\n" : "\n");
    }
    out.append("  },\n  \"samples\": [\n" + String.join(",\n", samples) + "\n  ]\n}\n");
    System.out.write(out.toString().getBytes(StandardCharsets.UTF_8));
    System.out.flush();
  }

  static String hex(MessageDigest digest) {
    return HexFormat.of().formatHex(digest.digest());
  }
}
