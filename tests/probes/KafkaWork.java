// SPDX-License-Identifier: MulanPSL-2.0
// Work for a Kafka broker, by Kafka's own client: a topic with messages, of which a group has read some. Prints what
// that client says of the group's lag, partition by partition.

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringSerializer;

final class KafkaWork {
    private static final String TOPIC = "orders";
    private static final String GROUP = "readers";

    /** Arguments: the broker's address, then the messages and the read ones of each partition, as 11:7. */
    public static void main(String[] args) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", args[0]);
        try (Admin admin = Admin.create(settings)) {
            admin.createTopics(List.of(new NewTopic(TOPIC, args.length - 1, (short) 1))).all().get();
            StringSerializer serializer = new StringSerializer();
            Map<TopicPartition, OffsetAndMetadata> read = new HashMap<>();
            try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings, serializer, serializer)) {
                for (int number = 0; number < args.length - 1; number++) {
                    String[] counts = args[number + 1].split(":");
                    for (int n = Integer.parseInt(counts[0]); n > 0; n--) {
                        producer.send(new ProducerRecord<>(TOPIC, number, null, "message"));
                    }
                    read.put(new TopicPartition(TOPIC, number), new OffsetAndMetadata(Long.parseLong(counts[1])));
                }
            }
            admin.alterConsumerGroupOffsets(GROUP, read).all().get();
            for (TopicPartition part : read.keySet()) print(admin, part);
        }
    }

    private static void print(Admin admin, TopicPartition part) throws Exception {
        long end = admin.listOffsets(Map.of(part, OffsetSpec.latest())).partitionResult(part).get().offset();
        long read = admin.listConsumerGroupOffsets(GROUP).partitionsToOffsetAndMetadata().get().get(part).offset();
        System.out.println(part.partition() + " " + end + " " + read);
    }
}
