// Codecs.java - writes kafka-codecs.jsonl: contents compressed by Apache Kafka's own classes and their libraries.
// java -cp "$PEERS_HOME/kafka-4.3.1/*" tests/vectors/Codecs.java > tests/vectors/kafka-codecs.jsonl
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.common.compress.*;
import org.apache.kafka.common.utils.ByteBufferOutputStream;

public class Codecs {
    static byte[] lines(int n) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < n; i++)
            text.append("kiln ").append(i % 100).append('\n');
        return text.toString().getBytes(StandardCharsets.US_ASCII);
    }

    static byte[] kafka(Compression compression, byte[] content) throws IOException {
        ByteBufferOutputStream to = new ByteBufferOutputStream(1 << 20);
        try (OutputStream out = compression.wrapForOutput(to, (byte) 2)) {
            out.write(content);
        }
        to.buffer().flip();
        byte[] bytes = new byte[to.buffer().remaining()];
        to.buffer().get(bytes);
        return bytes;
    }

    static void row(String codec, String name, int lines, byte[]... parts) throws IOException {
        StringBuilder hex = new StringBuilder();
        for (byte[] part : parts)
            hex.append(HexFormat.of().formatHex(part));
        System.out.printf("{\"codec\":\"%s\",\"name\":\"%s\",\"lines\":%d,\"hex\":\"%s\"}%n", codec, name, lines, hex);
    }

    public static void main(String[] args) throws IOException {
        Map<String, Compression> codecs = new LinkedHashMap<>();
        codecs.put("gzip", Compression.gzip().build());
        codecs.put("snappy", Compression.snappy().build());
        codecs.put("lz4", Compression.lz4().build());
        codecs.put("zstd", Compression.zstd().build());
        for (Map.Entry<String, Compression> codec : codecs.entrySet())
            for (int n : new int[] {0, 1, 3, 20000})
                row(codec.getKey(), "kafka", n, kafka(codec.getValue(), lines(n)));
        row("gzip", "level 9", 20000, kafka(Compression.gzip().level(9).build(), lines(20000)));
        row("lz4", "level 17", 20000, kafka(Compression.lz4().level(17).build(), lines(20000)));
        row("zstd", "level 22", 20000, kafka(Compression.zstd().level(22).build(), lines(20000)));
        for (int n : new int[] {0, 1, 20000})
            row("snappy", "raw block", n, org.xerial.snappy.Snappy.compress(lines(n)));
        // "kiln 0\n" is what both begin with, so twice 100 lines are 200.
        for (Map.Entry<String, Compression> codec : codecs.entrySet())
            if (!codec.getKey().equals("lz4"))
                row(codec.getKey(), "twice", 200, kafka(codec.getValue(), lines(100)), kafka(codec.getValue(), lines(100)));
        row("gzip", "and padding", 3, kafka(codecs.get("gzip"), lines(3)), new byte[40]);
        row("lz4", "and more", 3, kafka(codecs.get("lz4"), lines(3)), lines(3));
        row("snappy", "and two bytes", 3, kafka(codecs.get("snappy"), lines(3)), new byte[2]);
    }
}
