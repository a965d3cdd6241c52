// SPDX-License-Identifier: MulanPSL-2.0
// Rows about the Java machines of this host, from their own management beans; where those are out of reach, from
// their performance data in /tmp/hsperfdata_*. One file, so that `java JvmProbe.java` runs it without a build.

import com.sun.tools.attach.AttachNotSupportedException;
import com.sun.tools.attach.VirtualMachine;
import com.sun.tools.attach.VirtualMachineDescriptor;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ClassLoadingMXBean;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryMXBean;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryUsage;
import java.lang.management.PlatformManagedObject;
import java.lang.management.RuntimeMXBean;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import javax.management.MBeanServerConnection;
import javax.management.remote.JMXConnector;
import javax.management.remote.JMXConnectorFactory;
import javax.management.remote.JMXServiceURL;

final class JvmProbe {
    private static final long TIMEOUT_NS = TimeUnit.SECONDS.toNanos(3);
    private static final int MAX_JVMS = 200;

    private final Map<String, Jvm> jvms = new HashMap<>();
    private final ExecutorService workers = Executors.newCachedThreadPool(work -> {
        Thread thread = new Thread(work, "jvm");
        thread.setDaemon(true);
        return thread;
    });

    public static void main(String[] args) throws Exception {
        long periodMs = period(args);
        // A machine that hangs must not hold us for ever.
        System.setProperty("sun.rmi.transport.tcp.responseTimeout", "3000");
        System.setProperty("sun.tools.attach.attachTimeout", "2000");
        long parent = parent();
        watchStdin();
        JvmProbe probe = new JvmProbe();
        for (long next = System.nanoTime(); parent() == parent;) {
            probe.readAll();
            next = Math.max(next + TimeUnit.MILLISECONDS.toNanos(periodMs), System.nanoTime());
            TimeUnit.NANOSECONDS.sleep(next - System.nanoTime());
        }
        System.exit(0); // whatever still hangs
    }

    private static long period(String[] args) {
        String text = args.length == 0 ? "5" : args.length == 2 && args[0].equals("-t") ? args[1] : "";
        if (!text.matches("\\d{1,5}(\\.\\d{1,3})?") || Double.parseDouble(text) < 0.05) {
            System.err.println("[ERROR] usage: jvm_probe.sh [-t SECONDS]");
            System.exit(2);
        }
        return (long) (Double.parseDouble(text) * 1000);
    }

    private static long parent() {
        return ProcessHandle.current().parent().map(ProcessHandle::pid).orElse(0L);
    }

    /** The agent closes our stdin to end us, and so does its death. A terminal or /dev/null says nothing. */
    private static void watchStdin() throws IOException {
        String target = Files.readSymbolicLink(Path.of("/proc/self/fd/0")).toString();
        if (!target.startsWith("pipe:") && !target.startsWith("socket:")) return;
        Thread thread = new Thread(() -> {
            try {
                byte[] ignored = new byte[4096];
                while (System.in.read(ignored) >= 0) {}
            } catch (IOException gone) {
                // As good as closed.
            }
            Runtime.getRuntime().halt(0);
        });
        thread.setDaemon(true);
        thread.start();
    }

    private void readAll() throws InterruptedException {
        Map<String, Future<List<String>>> running = new LinkedHashMap<>();
        Map<String, Jvm> living = new HashMap<>();
        String self = String.valueOf(ProcessHandle.current().pid());
        for (String pid : machines()) {
            if (pid.equals(self) || living.size() == MAX_JVMS) continue;
            Jvm jvm = jvms.getOrDefault(pid, new Jvm(pid));
            living.put(pid, jvm);
            running.put(pid, jvm.begin(workers));
        }
        jvms.entrySet().stream().filter(e -> !living.containsKey(e.getKey())).forEach(e -> e.getValue().close());
        jvms.clear();
        jvms.putAll(living);
        Complaints.about("host", jvms.isEmpty() ? "no rows: there is no Java machine, or none that shows itself" : null);
        long deadline = System.nanoTime() + TIMEOUT_NS;
        for (Map.Entry<String, Future<List<String>>> each : running.entrySet()) {
            finish(each.getKey(), each.getValue(), deadline);
        }
    }

    /** Those that show performance data, and programs named java, which may hide it or refuse to be attached to. */
    private static Set<String> machines() {
        Set<String> pids = new TreeSet<>();
        for (VirtualMachineDescriptor found : VirtualMachine.list()) pids.add(found.id());
        try (DirectoryStream<Path> folders = Files.newDirectoryStream(Path.of("/proc"), "[0-9]*")) {
            for (Path folder : folders) {
                if (isJava(folder)) pids.add(folder.getFileName().toString());
            }
        } catch (IOException | DirectoryIteratorException failed) {
            Complaints.about("proc", "cannot look for Java machines: " + failed.getMessage());
        }
        return pids;
    }

    private static boolean isJava(Path process) {
        try {
            return Files.readString(process.resolve("comm"), StandardCharsets.ISO_8859_1).equals("java\n");
        } catch (IOException gone) {
            return false;
        }
    }

    private void finish(String pid, Future<List<String>> rows, long deadline) throws InterruptedException {
        try {
            Rows.print(rows.get(Math.max(0, deadline - System.nanoTime()), TimeUnit.NANOSECONDS));
            jvms.get(pid).printed();
        } catch (TimeoutException slow) {
            Complaints.about(pid, "no rows of Java machine " + pid + ": no answer within the time-out");
        } catch (ExecutionException failed) {
            if (ProcessHandle.of(Long.parseLong(pid)).isEmpty()) return;
            Complaints.about(pid, "no rows of Java machine " + pid + ": " + failed.getCause());
        }
    }
}

/** Says what is wrong once, and again when it is something else or takes long. */
final class Complaints {
    private static final long REPEAT_NS = TimeUnit.MINUTES.toNanos(10);
    private static final int MAX_CHARACTERS = 300;
    private static final int MAX_KEPT = 1000;
    private static final Map<String, String> LAST = new HashMap<>();
    private static final Map<String, Long> SINCE = new HashMap<>();

    /** `null` is that all is well. */
    static synchronized void about(String who, String reason) {
        if (reason == null) {
            LAST.remove(who);
            return;
        }
        if (LAST.size() >= MAX_KEPT) LAST.clear();
        long now = System.nanoTime();
        if (reason.equals(LAST.get(who)) && now - SINCE.get(who) < REPEAT_NS) return;
        LAST.put(who, reason);
        SINCE.keySet().retainAll(LAST.keySet());
        SINCE.put(who, now);
        String line = reason.substring(0, Math.min(MAX_CHARACTERS, reason.length()));
        System.err.println("[WARN] " + line.replaceAll("\\p{Cntrl}", " "));
    }
}

/** Rows on their way out: one write each, which a pipe never cuts. */
final class Rows {
    private static final int MAX_CHARACTERS = 300;
    private static final FileOutputStream OUT = new FileOutputStream(FileDescriptor.out);

    static void print(List<String> rows) {
        try {
            for (String row : rows) OUT.write(row.getBytes(StandardCharsets.UTF_8));
        } catch (IOException gone) {
            System.exit(0);
        }
    }

    /** Text is cleaned, a number below zero or null is not known. */
    static String row(String table, Object... fields) {
        StringBuilder line = new StringBuilder("|").append(table).append('|');
        for (Object field : fields) {
            if (field instanceof Double) {
                line.append(String.format(Locale.ROOT, "%.3f", field));
            } else if (field instanceof String) {
                String text = (String) field;
                line.append(text, 0, Math.min(MAX_CHARACTERS, text.length()));
            } else if (field instanceof Number && ((Number) field).longValue() >= 0) {
                line.append(field);
            }
            line.append('|');
        }
        return line.append('\n').toString();
    }

    static String clean(String text) {
        return text == null ? "" : text.replace('|', '/').replaceAll("\\p{Cntrl}", "?");
    }
}

/** One Java machine and the way to its numbers. */
final class Jvm {
    private static final String ADDRESS = "com.sun.management.jmxremote.localConnectorAddress";
    private static final long RETRY_NS = TimeUnit.MINUTES.toNanos(2);
    private static final long SIGQUIT_BIT = 1L << (3 - 1);
    /** Readings that a machine may take to start. */
    private static final int PATIENCE = 4;
    private static final double MS_PER_SECOND = 1000;
    private static final double NS_PER_SECOND = 1e9;

    private final String pid;
    private String mainClass = "Unknown";
    private Future<List<String>> last;
    private boolean taken = true;
    private JMXConnector connector;
    private int unready;
    private boolean refused;
    private long refusedAt;

    Jvm(String pid) {
        this.pid = pid;
    }

    /** The command is the main class or the jar, and arguments, which are nobody's business. */
    private void name(String command) {
        String first = Rows.clean(command).split(" ", 2)[0];
        if (!first.isEmpty()) mainClass = first;
    }

    /** Starts a reading; where the last one still hangs, that one. */
    Future<List<String>> begin(ExecutorService workers) {
        if (taken) {
            Callable<List<String>> work = this::read;
            last = workers.submit(work);
            taken = false;
        } else if (last.isDone()) { // too late for its own reading
            taken = true;
            return begin(workers);
        }
        return last;
    }

    void printed() {
        taken = true;
    }

    void close() {
        if (connector == null) return;
        try {
            connector.close();
        } catch (IOException gone) {
            // The machine ended first.
        }
        connector = null;
    }

    private List<String> read() throws Exception {
        if (connector == null && !reach()) return unready < PATIENCE ? List.of() : performanceData();
        try {
            List<String> rows = beans(connector.getMBeanServerConnection());
            Complaints.about(pid, null);
            return rows;
        } catch (Exception failed) {
            close();
            throw failed;
        }
    }

    /** Whether the machine's beans can be asked. Each attempt interrupts the machine, so not again at once. */
    private boolean reach() {
        if (refused && System.nanoTime() - refusedAt < RETRY_NS) return false;
        try {
            if (!survivesAttaching()) {
                if (++unready < PATIENCE) return false; // it may still be starting
                throw new IOException("it would not survive the signal by which one attaches");
            }
            connector = connect();
            refused = false;
        } catch (Exception failed) {
            if (ProcessHandle.of(Long.parseLong(pid)).isEmpty()) return false;
            unready = PATIENCE;
            refused = true;
            refusedAt = System.nanoTime();
            Complaints.about(pid, "Java machine " + pid + " gives only its performance data: " + failed.getMessage());
        }
        return !refused;
    }

    /**
     * Attaching may send SIGQUIT, which ends a process that does not catch it: a machine that is still starting (seen
     * with 17.0.15), one with -Xrs, or a program that is only named java. The latter two may have the socket already.
     */
    private boolean survivesAttaching() throws IOException {
        long caught = 0;
        String own = pid;
        for (String line : Files.readAllLines(Path.of("/proc", pid, "status"), StandardCharsets.ISO_8859_1)) {
            if (line.startsWith("SigCgt:")) caught = Long.parseUnsignedLong(line.substring(7).trim(), 16);
            if (line.startsWith("NSpid:")) own = line.substring(line.lastIndexOf('\t') + 1);
        }
        return (caught & SIGQUIT_BIT) != 0 || Files.exists(Path.of("/proc", pid, "root/tmp/.java_pid" + own));
    }

    private JMXConnector connect() throws IOException, AttachNotSupportedException {
        String arguments = Files.readString(Path.of("/proc", pid, "cmdline"), StandardCharsets.ISO_8859_1);
        // Asked all the same, it would print the stacks of all its threads.
        if (arguments.contains("-XX:+DisableAttachMechanism")) throw new IOException("it was told not to be attached to");
        VirtualMachine machine = VirtualMachine.attach(pid);
        try {
            Properties properties = machine.getAgentProperties();
            name(properties.getProperty("sun.java.command"));
            String address = properties.getProperty(ADDRESS);
            if (address == null) address = machine.startLocalManagementAgent();
            return JMXConnectorFactory.connect(new JMXServiceURL(address));
        } finally {
            machine.detach();
        }
    }

    private List<String> beans(MBeanServerConnection server) throws IOException {
        List<String> rows = new ArrayList<>();
        RuntimeMXBean runtime = one(server, RuntimeMXBean.class);
        ThreadMXBean threads = one(server, ThreadMXBean.class);
        String vmVersion = Rows.clean(runtime.getVmVersion());
        String vmName = Rows.clean(runtime.getVmName());
        double start = runtime.getStartTime() / MS_PER_SECOND;
        double cpu = one(server, com.sun.management.OperatingSystemMXBean.class).getProcessCpuTime() / NS_PER_SECOND;
        long[] stuck = threads.findDeadlockedThreads();
        int deadlocked = stuck == null ? 0 : stuck.length;
        int living = threads.getThreadCount();
        int peak = threads.getPeakThreadCount();
        rows.add(Rows.row("jvm", pid, mainClass, vmVersion, vmName, start, cpu, living, peak, deadlocked));
        rows.add(Rows.row("jvm_info", pid, mainClass, vmName, Rows.clean(runtime.getVmVendor()), vmVersion, 1));
        rows.add(Rows.row("jvm_proc", pid, mainClass, start, cpu));
        rows.add(Rows.row("jvm_thread", pid, mainClass, living, threads.getDaemonThreadCount(), peak,
                threads.getTotalStartedThreadCount(), deadlocked));
        ClassLoadingMXBean classes = one(server, ClassLoadingMXBean.class);
        rows.add(Rows.row("jvm_class", pid, mainClass, classes.getLoadedClassCount(), classes.getTotalLoadedClassCount()));
        MemoryMXBean memory = one(server, MemoryMXBean.class);
        rows.add(area("heap", memory.getHeapMemoryUsage()));
        rows.add(area("nonheap", memory.getNonHeapMemoryUsage()));
        addPools(server, rows);
        return rows;
    }

    private String area(String area, MemoryUsage usage) {
        return Rows.row("jvm_mem", pid, mainClass, area, usage.getUsed(), usage.getCommitted(), usage.getMax(), usage.getInit());
    }

    private void addPools(MBeanServerConnection server, List<String> rows) throws IOException {
        for (MemoryPoolMXBean pool : ManagementFactory.getPlatformMXBeans(server, MemoryPoolMXBean.class)) {
            MemoryUsage usage = pool.getUsage();
            MemoryUsage after = pool.getCollectionUsage();
            if (usage == null) continue; // the pool is no longer valid
            rows.add(Rows.row("jvm_mem_pool", pid, mainClass, Rows.clean(pool.getName()),
                    usage.getUsed(), usage.getCommitted(), usage.getMax(),
                    after == null ? null : after.getUsed(), after == null ? null : after.getCommitted(),
                    after == null ? null : after.getMax()));
        }
        for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(server, BufferPoolMXBean.class)) {
            rows.add(Rows.row("jvm_buf_pool", pid, mainClass, Rows.clean(pool.getName()),
                    pool.getMemoryUsed(), pool.getCount(), pool.getTotalCapacity()));
        }
        for (GarbageCollectorMXBean gc : ManagementFactory.getPlatformMXBeans(server, GarbageCollectorMXBean.class)) {
            rows.add(Rows.row("jvm_gc", pid, mainClass, Rows.clean(gc.getName()),
                    gc.getCollectionCount(), gc.getCollectionTime() / MS_PER_SECOND));
        }
    }

    private static <T extends PlatformManagedObject> T one(MBeanServerConnection server, Class<T> kind) throws IOException {
        return ManagementFactory.getPlatformMXBean(server, kind);
    }

    /** What the file has: no buffers, no pools, no deadlocks. */
    private List<String> performanceData() throws IOException {
        PerformanceData data = PerformanceData.of(pid);
        name(data.text("sun.rt.javaCommand"));
        String vmVersion = Rows.clean(data.text("java.property.java.vm.version"));
        String vmName = Rows.clean(data.text("java.property.java.vm.name"));
        String vendor = Rows.clean(data.text("java.property.java.vm.vendor"));
        Double start = data.number("sun.rt.createVmBeginTime") / MS_PER_SECOND;
        Double cpu = ProcessHandle.of(Long.parseLong(pid)).flatMap(handle -> handle.info().totalCpuDuration())
                .map(time -> time.toNanos() / NS_PER_SECOND).orElse(null);
        long living = data.number("java.threads.live");
        long peak = data.number("java.threads.livePeak");
        long loaded = data.number("java.cls.loadedClasses") + data.number("java.cls.sharedLoadedClasses");
        long unloaded = data.number("java.cls.unloadedClasses") + data.number("java.cls.sharedUnloadedClasses");
        return List.of(
                Rows.row("jvm", pid, mainClass, vmVersion, vmName, start, cpu, living, peak, null),
                Rows.row("jvm_info", pid, mainClass, vmName, vendor, vmVersion, 1),
                Rows.row("jvm_proc", pid, mainClass, start, cpu),
                Rows.row("jvm_thread", pid, mainClass, living, data.number("java.threads.daemon"), peak,
                        data.number("java.threads.started"), null),
                Rows.row("jvm_class", pid, mainClass, loaded - unloaded, loaded),
                Rows.row("jvm_mem", pid, mainClass, "heap", data.heap("used"), data.heap("capacity"), null, null));
    }
}

/** The file that a machine maps into its memory and keeps up to date, also for jstat. */
final class PerformanceData {
    private static final int MAX_BYTES = 1 << 20;
    private static final int MAGIC = 0xcafec0c0;
    private static final byte LONG = 'J';

    private final Map<String, Long> numbers = new HashMap<>();
    private final Map<String, String> texts = new HashMap<>();

    /** The folder has the name of its user, the file that of the process as its own container counts. */
    static PerformanceData of(String pid) throws IOException {
        String own = Files.lines(Path.of("/proc", pid, "status")).filter(line -> line.startsWith("NSpid:"))
                .map(line -> line.substring(line.lastIndexOf('\t') + 1)).findFirst().orElse(pid);
        Path folder = Path.of("/proc", pid, "root/tmp");
        try (DirectoryStream<Path> folders = Files.newDirectoryStream(folder, "hsperfdata_*")) {
            for (Path each : folders) {
                Path file = each.resolve(own);
                if (Files.isRegularFile(file) && Files.size(file) <= MAX_BYTES) {
                    return new PerformanceData(ByteBuffer.wrap(Files.readAllBytes(file)));
                }
            }
        }
        throw new NoSuchFileException(folder + "/hsperfdata_*/" + own);
    }

    private PerformanceData(ByteBuffer bytes) throws IOException {
        try {
            if (bytes.getInt(0) != MAGIC) throw new IOException("its performance data has an unknown form");
            bytes.order(bytes.get(4) == 0 ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
            int at = bytes.getInt(24);
            for (int left = bytes.getInt(28); left > 0; left--) {
                int length = bytes.getInt(at);
                if (length <= 0) throw new IOException("its performance data is being written");
                entry(bytes, at);
                at += length;
            }
        } catch (IndexOutOfBoundsException cut) {
            throw new IOException("its performance data is cut", cut);
        }
    }

    private void entry(ByteBuffer bytes, int at) {
        String name = text(bytes, at + bytes.getInt(at + 4), Integer.MAX_VALUE);
        int count = bytes.getInt(at + 8);
        int data = at + bytes.getInt(at + 16);
        if (count > 0) texts.put(name, text(bytes, data, count));
        else if (bytes.get(at + 12) == LONG) numbers.put(name, bytes.getLong(data));
    }

    private static String text(ByteBuffer bytes, int from, int most) {
        StringBuilder text = new StringBuilder();
        for (int at = from; at - from < most && bytes.get(at) != 0; at++) text.append((char) (bytes.get(at) & 0xff));
        return text.toString();
    }

    long number(String name) {
        return numbers.getOrDefault(name, 0L);
    }

    String text(String name) {
        return texts.getOrDefault(name, "");
    }

    /** Of all generations and their spaces. */
    long heap(String what) {
        return numbers.entrySet().stream()
                .filter(entry -> entry.getKey().matches("sun\\.gc\\.generation\\.\\d+\\.space\\.\\d+\\." + what))
                .collect(Collectors.summingLong(Map.Entry::getValue));
    }
}
