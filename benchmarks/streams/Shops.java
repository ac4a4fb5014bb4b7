import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The heart of the same work in Kafka Streams: for each shop the 3-minute human reply rate by customer and
 * day, response times, and how many orders, refunds and disputes there were.
 *
 * State is durable as Kafka Streams makes it: RocksDB, with every change in a changelog topic, under the
 * cache that its defaults put before both. It leaves out what slawatch also does (ids remembered, robots
 * and hand-overs, windows, corrections of what comes out of order, agents, rules), so it is a reference on
 * the safe side. Usage: {@code Shops BROKERS TOPIC EVENTS FOLDER}; prints a line a second and at the end:
 * {@code MILLISECONDS CPU_MILLISECONDS EVENTS}.
 */
public final class Shops {
    private static final long LIMIT_MS = 180_000;
    private static final long DAY_MS = 86_400_000;
    private static final AtomicLong TAKEN = new AtomicLong();

    /** What of an event matters here; a decoder of the one pass kind, without an object tree. */
    private static final class Event {
        private static final JsonFactory JSON = new JsonFactory();
        String type = "", shop = "", conversation = "", customer = "", actor = "", action = "", order = "";
        long atMs;

        static Event read(byte[] value) throws IOException {
            Event event = new Event();
            try (JsonParser parser = JSON.createParser(value)) {
                parser.nextToken();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.currentName();
                    parser.nextToken();
                    switch (name) {
                        case "type" -> event.type = parser.getText();
                        case "shop_id" -> event.shop = parser.getText();
                        case "conversation_id" -> event.conversation = parser.getText();
                        case "customer_id" -> event.customer = parser.getText();
                        case "actor" -> event.actor = parser.getText();
                        case "action" -> event.action = parser.getText();
                        case "order_id" -> event.order = parser.getText();
                        case "at" -> event.atMs = OffsetDateTime.parse(parser.getText()).toInstant().toEpochMilli();
                        default -> parser.skipChildren();
                    }
                }
            }
            return event;
        }
    }

    private static final class Counting implements Processor<byte[], byte[], Void, Void> {
        private KeyValueStore<String, byte[]> rounds; // shop, conversation -> ask, customer
        private KeyValueStore<String, byte[]> customers; // shop, day, customer -> late or not
        private KeyValueStore<String, byte[]> days; // shop, day -> counters
        private KeyValueStore<String, byte[]> orders; // shop, order -> what is counted of it
        private final TreeMap<Long, List<String>> deadlines = new TreeMap<>();

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            rounds = context.getStateStore("rounds");
            customers = context.getStateStore("customers");
            days = context.getStateStore("days");
            orders = context.getStateStore("orders");
            try (KeyValueIterator<String, byte[]> open = rounds.all()) {
                open.forEachRemaining(round -> arm(round.key, ByteBuffer.wrap(round.value).getLong()));
            }
            context.schedule(Duration.ofSeconds(1), PunctuationType.STREAM_TIME, this::judge);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            if (record.key() == null) {
                return; // a tick
            }
            Event event;
            try {
                event = Event.read(record.value());
            } catch (IOException error) {
                throw new IllegalStateException(error);
            }
            switch (event.type) {
                case "message" -> message(event);
                case "order", "refund", "dispute" -> order(event);
                default -> { }
            }
            TAKEN.incrementAndGet();
        }

        private void message(Event event) {
            String key = event.shop + "\0" + event.conversation;
            byte[] open = rounds.get(key);
            if (event.actor.equals("customer") && open == null) {
                byte[] customer = event.customer.getBytes(StandardCharsets.UTF_8);
                rounds.put(key, ByteBuffer.allocate(8 + customer.length).putLong(event.atMs).put(customer).array());
                arm(key, event.atMs);
                String whose = event.shop + "\0" + event.atMs / DAY_MS + "\0" + event.customer;
                if (customers.get(whose) == null) {
                    customers.put(whose, new byte[] {0});
                    add(event, 0, 1);
                }
            } else if (event.actor.equals("agent") && open != null) {
                rounds.delete(key);
                ByteBuffer round = ByteBuffer.wrap(open);
                long tookMs = event.atMs - round.getLong();
                if (tookMs > LIMIT_MS) {
                    late(event.shop, event.atMs - tookMs, open);
                }
                add(event, 2, 1);
                add(event, 3, tookMs);
                int bin = (int) Math.min(31, 4 * Math.log1p(tookMs / 1000.0));
                add(event, 8 + bin, 1);
            }
        }

        private void order(Event event) {
            int kind = event.type.equals("order") ? 4 : event.type.equals("refund") ? 5 : 6;
            String key = event.shop + "\0" + event.order;
            byte[] known = orders.get(key);
            int counted = known == null ? 0 : known[0];
            if ((counted & 1 << kind) == 0) {
                orders.put(key, new byte[] {(byte) (counted | 1 << kind)});
                add(event, kind, 1);
            }
        }

        private void judge(long nowMs) {
            while (!deadlines.isEmpty() && deadlines.firstKey() < nowMs) {
                var due = deadlines.pollFirstEntry();
                for (String key : due.getValue()) {
                    byte[] open = rounds.get(key);
                    if (open != null && ByteBuffer.wrap(open).getLong() + LIMIT_MS <= due.getKey()) {
                        late(key.substring(0, key.indexOf('\0')), ByteBuffer.wrap(open).getLong(), open);
                    }
                }
            }
        }

        private void late(String shop, long askMs, byte[] round) {
            String customer = new String(round, 8, round.length - 8, StandardCharsets.UTF_8);
            String whose = shop + "\0" + askMs / DAY_MS + "\0" + customer;
            byte[] known = customers.get(whose);
            if (known == null || known[0] == 0) {
                customers.put(whose, new byte[] {1});
                Event event = new Event();
                event.shop = shop;
                event.atMs = askMs;
                add(event, 1, 1);
            }
        }

        private void add(Event event, int counter, long amount) {
            String key = event.shop + "\0" + event.atMs / DAY_MS;
            byte[] known = days.get(key);
            ByteBuffer day = known == null ? ByteBuffer.allocate(40 * 8) : ByteBuffer.wrap(known.clone());
            day.putLong(8 * counter, day.getLong(8 * counter) + amount);
            days.put(key, day.array());
        }

        private void arm(String key, long askMs) {
            deadlines.computeIfAbsent((askMs + LIMIT_MS) / 1000 * 1000 + 1000, second -> new ArrayList<>()).add(key);
        }
    }

    private static void print() {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        System.out.println(System.currentTimeMillis() + " " + system.getProcessCpuTime() / 1_000_000 + " " + TAKEN.get());
    }

    public static void main(String[] arguments) throws Exception {
        long wanted = Long.parseLong(arguments[2]);
        Properties options = new Properties();
        options.put(StreamsConfig.APPLICATION_ID_CONFIG, "streams-" + arguments[1]);
        options.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        options.put(StreamsConfig.STATE_DIR_CONFIG, arguments[3]);
        options.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        options.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64 << 20);
        options.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        options.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        options.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
        options.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        StreamsBuilder builder = new StreamsBuilder();
        String[] stores = {"rounds", "customers", "days", "orders"};
        for (String name : stores) {
            builder.addStateStore(Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(name), Serdes.String(), Serdes.ByteArray()).withCachingEnabled());
        }
        builder.<byte[], byte[]>stream(arguments[1]).process(Counting::new, stores);
        KafkaStreams streams = new KafkaStreams(builder.build(), options);
        CountDownLatch broken = new CountDownLatch(1);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            broken.countDown();
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler
                .StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        while (TAKEN.get() < wanted) {
            print();
            if (broken.await(1, TimeUnit.SECONDS)) {
                System.exit(1);
            }
        }
        print();
        streams.close();
        print();
    }
}
