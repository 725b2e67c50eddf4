// Flow.java BOOTSTRAP TOPIC SECONDS RATE - numbered records from Apache Kafka's own Java client, idempotent; java runs this file as it is.
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Flow {
    static final int PARTITIONS = 3;
    static final int TICK_MS = 10;
    static final PrintStream out = new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false);

    static synchronized void say(String line) {
        out.println(line);
    }

    static void send(KafkaProducer<byte[], byte[]> producer, String topic, int n) {
        byte[] value = Integer.toString(n).getBytes(StandardCharsets.UTF_8);
        producer.send(new ProducerRecord<>(topic, n % PARTITIONS, null, value), (where, error) -> {
            if (error != null)
                say("failed " + n + " " + error);
            else
                say("ack " + n + " " + where.partition() + " " + where.offset() + " " + System.currentTimeMillis());
        });
    }

    public static void main(String[] args) throws Exception {
        int burst = Integer.parseInt(args[3]) * TICK_MS / 1000;
        int n = 0;
        Map<String, Object> settings = Map.of("bootstrap.servers", args[0], "acks", "all", "enable.idempotence", true,
            "linger.ms", 5, "retry.backoff.ms", 20, "reconnect.backoff.max.ms", 200);
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            long end = System.nanoTime() + Integer.parseInt(args[2]) * 1000000000L;
            while (System.nanoTime() < end) {
                for (int i = 0; i < burst; i++)
                    send(producer, args[1], n++);
                Thread.sleep(TICK_MS);
            }
        }
        say("end " + n);
        out.flush();
    }
}
