import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.RecordBatch;

/** Writes record batches of every codec as Apache Kafka's own builder makes them: lines "name hex". */
public class KafkaBatches {
    private static final int RECORDS = 60;

    public static void main(String[] args) throws Exception {
        try (PrintWriter out = new PrintWriter(args[0])) {
            for (CompressionType type : CompressionType.values()) {
                print(out, type.name, many(Compression.of(type).build(), TimestampType.CREATE_TIME));
            }
            print(out, "log-append-time", many(Compression.NONE, TimestampType.LOG_APPEND_TIME));
            print(out, "few", few());
            print(out, "commit", MemoryRecords.withEndTransactionMarker(77, 1700000000000L, 3, 4711L, (short) 5,
                new EndTransactionMarker(ControlRecordType.COMMIT, 9)).buffer());
        }
    }

    /** Offsets from 0, timestamps 1700000000000 + i, key k{i}, value "value number {i} " ten times. */
    private static ByteBuffer many(Compression compression, TimestampType type) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 16), RecordBatch.MAGIC_VALUE_V2, compression, type,
            0L, 1700000009999L, 42L, (short) 3, 17, false, RecordBatch.NO_PARTITION_LEADER_EPOCH);
        for (int i = 0; i < RECORDS; i++) {
            builder.append(1700000000000L + i, bytes("k" + i), bytes(("value number " + i + " ").repeat(10)));
        }
        return builder.build().buffer();
    }

    /** Base offset 1000, epoch 6: null key, null value, headers with and without a value, timestamps that go down. */
    private static ByteBuffer few() {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 12), RecordBatch.MAGIC_VALUE_V2, Compression.NONE,
            TimestampType.CREATE_TIME, 1000L, RecordBatch.NO_TIMESTAMP, RecordBatch.NO_PRODUCER_ID, RecordBatch.NO_PRODUCER_EPOCH,
            RecordBatch.NO_SEQUENCE, false, 6);
        builder.append(1700000000500L, null, bytes("only a value"));
        builder.append(1700000000400L, bytes("tombstone"), null);
        builder.append(1700000000600L, bytes("key"), bytes("value"),
            new Header[] {new RecordHeader("a", bytes("1")), new RecordHeader("none", (byte[]) null), new RecordHeader("a", new byte[0])});
        return builder.build().buffer();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static void print(PrintWriter out, String name, ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        out.println(name + " " + HexFormat.of().formatHex(bytes));
    }
}
