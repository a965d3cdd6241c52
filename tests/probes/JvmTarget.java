// SPDX-License-Identifier: MulanPSL-2.0
// A Java machine to be observed: it makes threads, a deadlock, buffers and collections of a known number, and writes
// what it knows of itself into the file that is its first argument, again and again.

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ClassLoadingMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;

final class JvmTarget {
    private static final int PARKED = 23;
    private static final int BUFFERS = 3;
    private static final int BUFFER_BYTES = 1 << 20;
    private static final int COLLECTIONS = 5;
    private static final List<ByteBuffer> KEPT = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        for (int n = 0; n < PARKED; n++) start(JvmTarget::park);
        Object one = new Object();
        Object two = new Object();
        CountDownLatch both = new CountDownLatch(2);
        start(() -> lock(one, two, both));
        start(() -> lock(two, one, both));
        for (int n = 0; n < BUFFERS; n++) KEPT.add(ByteBuffer.allocateDirect(BUFFER_BYTES));
        for (int n = 0; n < COLLECTIONS; n++) System.gc();
        for (;;) {
            write(new File(args[0]));
            Thread.sleep(100);
        }
    }

    private static void start(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        thread.start();
    }

    private static void park() {
        for (;;) LockSupport.park();
    }

    private static void lock(Object first, Object second, CountDownLatch both) {
        synchronized (first) {
            both.countDown();
            while (both.getCount() > 0) Thread.yield();
            synchronized (second) {
                park();
            }
        }
    }

    private static void write(File file) throws IOException {
        StringBuilder text = new StringBuilder();
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        text.append("threads ").append(threads.getThreadCount()).append('\n');
        text.append("daemons ").append(threads.getDaemonThreadCount()).append('\n');
        text.append("peak ").append(threads.getPeakThreadCount()).append('\n');
        text.append("started ").append(threads.getTotalStartedThreadCount()).append('\n');
        ClassLoadingMXBean classes = ManagementFactory.getClassLoadingMXBean();
        text.append("loaded ").append(classes.getTotalLoadedClassCount()).append('\n');
        for (BufferPoolMXBean pool : ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class)) {
            if (!pool.getName().equals("direct")) continue;
            text.append("buffers ").append(pool.getCount()).append('\n');
            text.append("buffer_bytes ").append(pool.getTotalCapacity()).append('\n');
        }
        MemoryUsage heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage();
        text.append("heap_max ").append(heap.getMax()).append('\n');
        text.append("heap_init ").append(heap.getInit()).append('\n');
        text.append("start ").append(ManagementFactory.getRuntimeMXBean().getStartTime()).append('\n');
        File draft = new File(file.getPath() + ".new");
        try (FileOutputStream out = new FileOutputStream(draft)) {
            out.write(text.toString().getBytes(StandardCharsets.UTF_8));
        }
        if (!draft.renameTo(file)) throw new IOException("cannot rename " + draft);
    }
}
