import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

/**
 * Reads lines "Name version hex" and lets Apache Kafka's own classes read each message, say what is in it and write it again.
 * Writes "Name version hex json", the hex being what Kafka wrote.
 */
public class KafkaGolden {
    private static final String[] PACKAGES = {
        "org.apache.kafka.common.message.", "org.apache.kafka.coordinator.group.generated.",
        "org.apache.kafka.coordinator.transaction.generated.",
    };

    public static void main(String[] args) throws Exception {
        int skipped = 0;
        try (PrintWriter out = new PrintWriter(args[1])) {
            for (String line : Files.readAllLines(Path.of(args[0]))) {
                String[] words = line.split(" ", -1);
                short version = Short.parseShort(words[1]);
                byte[] bytes = HexFormat.of().parseHex(words[2]);
                Class<?> type = find(words[0]);
                Message message = (Message) type.getConstructor().newInstance();
                if (version < message.lowestSupportedVersion() || version > message.highestSupportedVersion()) {
                    skipped++;
                    continue;
                }
                try {
                    ByteBuffer buffer = ByteBuffer.wrap(bytes);
                    message.read(new ByteBufferAccessor(buffer), version);
                    if (buffer.hasRemaining()) throw new IllegalStateException("bytes are left: " + buffer.remaining());
                    ObjectSerializationCache cache = new ObjectSerializationCache();
                    ByteBuffer again = ByteBuffer.allocate(message.size(cache, version));
                    message.write(new ByteBufferAccessor(again), cache, version);
                    String hex = HexFormat.of().formatHex(again.array());
                    if (!Arrays.equals(again.array(), bytes)) System.err.println("DIFFERENT " + line + "\n  kafka " + hex);
                    out.println(words[0] + " " + version + " " + hex + " " + json(type, message, version));
                } catch (Exception e) {
                    System.err.println("FAILED " + line + ": " + e);
                }
            }
        }
        System.err.println("skipped, not known to this Kafka: " + skipped);
    }

    private static Class<?> find(String name) throws ClassNotFoundException {
        for (String start : PACKAGES) {
            for (String end : new String[] {"Data", ""}) {
                try {
                    return Class.forName(start + name + end);
                } catch (ClassNotFoundException e) {
                    // The next one.
                }
            }
        }
        throw new ClassNotFoundException(name);
    }

    private static String json(Class<?> type, Message message, short version) throws Exception {
        Class<?> converter = Class.forName(type.getName() + "JsonConverter");
        try {
            return converter.getMethod("write", type, short.class, boolean.class).invoke(null, message, version, false).toString();
        } catch (NoSuchMethodException e) {
            return converter.getMethod("write", type, short.class).invoke(null, message, version).toString();
        }
    }
}
