package io.vkdelegate;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.WeakHashMap;

/** A device with its compiled kernels, for any number of methods, in any thread. */
public final class Engine implements AutoCloseable {
    private final Set<Method> methods = Collections.newSetFromMap(new WeakHashMap<>());
    private long handle;

    public Engine(Options options) {
        handle = Native.engineCreate(options.texts(), options.numbers());
    }

    public Engine() {
        this(new Options());
    }

    /** The device's name. */
    public synchronized String device() {
        return new String(Native.engineDevice(handle()), java.nio.charset.StandardCharsets.UTF_8);
    }

    long handle() {
        if (handle == 0) {
            throw new IllegalStateException("this engine is closed");
        }
        return handle;
    }

    synchronized void add(Method method) {
        methods.add(method);
    }

    /** Closes the methods that work on it, too. Again: does nothing. */
    @Override
    public void close() {
        List<Method> all;
        synchronized (this) {
            all = new ArrayList<>(methods);
        }
        for (Method method : all) {
            method.close();
        }
        synchronized (this) {
            if (handle != 0) {
                Native.engineDestroy(handle);
            }
            handle = 0;
        }
    }
}
