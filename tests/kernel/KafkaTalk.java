// SPDX-License-Identifier: MulanPSL-2.0
// Writes so many messages to a topic and reads them as a group does, both with Kafka's own client.

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

final class KafkaTalk {
    /** Arguments: the broker's address, a topic, what each message says, and how many there are. */
    public static void main(String[] args) throws Exception {
        int count = Integer.parseInt(args[3]);
        StringSerializer serializer = new StringSerializer();
        Map<String, Object> sending = Map.of("bootstrap.servers", args[0], "client.id", "talk");
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(sending, serializer, serializer)) {
            for (int i = 0; i < count; i++) producer.send(new ProducerRecord<>(args[1], args[2] + i));
        }
        Map<String, Object> reading = Map.of(
            "bootstrap.servers", args[0], "client.id", "listen", "group.id", "listeners", "auto.offset.reset", "earliest");
        StringDeserializer deserializer = new StringDeserializer();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(reading, deserializer, deserializer)) {
            consumer.subscribe(List.of(args[1]));
            int read = 0;
            while (read < count) read += consumer.poll(Duration.ofSeconds(1)).count();
            consumer.poll(Duration.ofMillis(100)); // asks for what comes behind
            System.out.println(read);
        }
    }
}
