// Client.java BOOTSTRAP BASE - the steps of plan.py with Apache Kafka's own Java client; java runs this file as it is.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.Function;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.*;

public class Client {
    static final int COUNT = 300;
    static final int WAIT_MS = 15000;
    static String at;
    static long base;
    static Admin admin;
    static KafkaConsumer<byte[], byte[]> consumer;

    static Map<String, Object> config(Object... pairs) {
        Map<String, Object> map = new HashMap<>(Map.of("bootstrap.servers", at, "request.timeout.ms", WAIT_MS,
            "default.api.timeout.ms", WAIT_MS));
        for (int i = 0; i < pairs.length; i += 2)
            map.put((String) pairs[i], pairs[i + 1]);
        return map;
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    static ProducerRecord<byte[], byte[]> record(String topic, int i) {
        long time = base + (i == 150 ? 1000 * 1000 : i * 1000L);
        String key = i % 5 == 0 ? null : "k" + i % 17;
        String value = i % 7 == 3 && key != null ? null : i % 7 == 4 ? "" : ("value-" + i + "-").repeat(1 + i % 50);
        var r = new ProducerRecord<>(topic, 0, time, bytes(key), bytes(value));
        if (i % 3 == 0)
            r.headers().add("n", bytes("" + i)).add("none", bytes(""));
        return r;
    }

    static String sized(byte[] data) {
        return data == null ? "-1:" : data.length + ":" + new String(data, StandardCharsets.UTF_8);
    }

    static String row(ConsumerRecord<byte[], byte[]> r) {
        var headers = new StringJoiner(",");
        for (Header h : r.headers())
            headers.add(h.key() + "=" + new String(h.value(), StandardCharsets.UTF_8));
        return r.offset() + " " + r.timestamp() + " " + sized(r.key()) + " " + sized(r.value()) + " " + headers;
    }

    static List<String> create(String[] a) throws Exception {
        Map<String, String> configs = new HashMap<>();
        for (int i = 4; i < a.length; i++)
            configs.put(a[i].split("=")[0], a[i].split("=")[1]);
        var topic = new NewTopic(a[1], Integer.parseInt(a[2]), Short.parseShort(a[3])).configs(configs);
        admin.createTopics(List.of(topic)).all().get();
        return List.of("ok");
    }

    static List<String> send(List<ProducerRecord<byte[], byte[]>> records, String codec, String acks) throws Exception {
        boolean idempotent = acks.equals("idempotent");
        var settings = config("compression.type", codec, "acks", idempotent ? "all" : acks, "linger.ms", 200,
            "enable.idempotence", idempotent, "batch.size", 200000, "max.request.size", 4000000,
            "delivery.timeout.ms", WAIT_MS + 200, "max.block.ms", WAIT_MS);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (var r : records)
                sent.add(producer.send(r));
            long first = sent.get(0).get().offset();
            for (int i = 0; i < sent.size(); i++) {
                if (!acks.equals("0") && sent.get(i).get().offset() != first + i)
                    throw new IllegalStateException("record " + i + " has offset " + sent.get(i).get().offset());
            }
            return List.of(acks.equals("0") ? "ok" : "ok " + first + " " + (first + sent.size() - 1));
        }
    }

    static List<String> produce(String[] a) throws Exception {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < COUNT; i++)
            records.add(record(a[1], Integer.parseInt(a[4]) + i));
        return send(records, a[2], a[3]);
    }

    static List<String> huge(String[] a) throws Exception {
        byte[] value = new byte[1500000];
        new Random(1).nextBytes(value);
        return send(List.of(new ProducerRecord<>(a[1], 0, null, value)), "none", "all");
    }

    static List<String> consume(String topic, long offset, int count, Function<ConsumerRecord<byte[], byte[]>, String> text) {
        var where = new TopicPartition(topic, 0);
        consumer.assign(List.of(where));
        consumer.seek(where, offset);
        List<String> found = new ArrayList<>();
        long until = System.nanoTime() + WAIT_MS * 1000000L;
        while (found.size() < count) {
            for (var r : consumer.poll(Duration.ofSeconds(1)))
                found.add(text.apply(r));
            if (System.nanoTime() > until)
                throw new IllegalStateException("only " + found.size() + " of " + count + " records of " + topic);
        }
        return found.subList(0, count);
    }

    static List<String> offset(String[] a) throws Exception {
        var where = new TopicPartition(a[1], 0);
        OffsetSpec spec = switch (a[2]) {
            case "start" -> OffsetSpec.earliest();
            case "end" -> OffsetSpec.latest();
            case "greatest" -> OffsetSpec.maxTimestamp();
            default -> OffsetSpec.forTimestamp(Long.parseLong(a[2]));
        };
        return List.of("" + admin.listOffsets(Map.of(where, spec)).partitionResult(where).get().offset());
    }

    static List<String> step(String[] a) throws Exception {
        return switch (a[0]) {
            case "topics" -> admin.listTopics().names().get().stream().sorted().toList();
            case "create" -> create(a);
            case "produce" -> produce(a);
            case "huge" -> huge(a);
            case "consume" -> consume(a[1], Long.parseLong(a[2]), Integer.parseInt(a[3]), Client::row);
            case "values" -> consume(a[1], 0, Integer.parseInt(a[2]),
                r -> new String(r.value(), StandardCharsets.UTF_8));
            case "offset" -> offset(a);
            default -> throw new IllegalArgumentException(a[0]);
        };
    }

    /** The line of what the broker refused; what it did not refuse goes on up. */
    static String refused(Exception e) throws Exception {
        Throwable cause = e instanceof ExecutionException ? e.getCause() : e;
        if (e instanceof OffsetOutOfRangeException)
            return "error 1";
        if (!(cause instanceof ApiException))
            throw e;
        Errors code = Errors.forException(cause);
        return "error " + code.code() + (code == Errors.MESSAGE_TOO_LARGE ? "" : " " + cause.getMessage());
    }

    public static void main(String[] args) throws Exception {
        at = args[0];
        base = Long.parseLong(args[1]);
        var in = new BufferedReader(new InputStreamReader(System.in));
        try (var a = Admin.create(config());
             var c = new KafkaConsumer<>(config("auto.offset.reset", "none", "enable.auto.commit", false,
                 "fetch.max.wait.ms", 50),
                 new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            admin = a;
            consumer = c;
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                System.out.println("== " + line);
                try {
                    step(line.split(" ")).forEach(System.out::println);
                } catch (Exception e) {
                    System.out.println(refused(e));
                }
            }
        }
    }
}
