package io.vkdelegate;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Set;
import java.util.WeakHashMap;

/** A .pte file. For one thread at a time, which its calls see to; its methods run side by side. */
public final class Program implements AutoCloseable {
    private final Set<Method> methods = Collections.newSetFromMap(new WeakHashMap<>());
    private final ByteBuffer kept; // the library reads it
    private long handle;

    private Program(long handle, ByteBuffer kept) {
        this.handle = handle;
        this.kept = kept;
    }

    public static Program open(String path) {
        return new Program(Native.programOpen(Native.text(path)), null);
    }

    /** The bytes of a direct buffer, all of it, which must not change while the program is open. */
    public static Program open(ByteBuffer bytes) {
        if (!bytes.isDirect()) {
            throw new VkdException(VkdException.Status.INVALID_ARGUMENT, "a program needs a direct buffer");
        }
        return new Program(Native.programOpenBytes(bytes), bytes);
    }

    /** Adds the constants of a .ptd file, before a method is loaded. */
    public synchronized void addData(String path) {
        Native.programAddData(handle(), Native.text(path));
    }

    public synchronized String[] methods() {
        byte[][] names = Native.programMethods(handle());
        String[] all = new String[names.length];
        for (int i = 0; i < all.length; i++) {
            all[i] = new String(names[i], StandardCharsets.UTF_8);
        }
        return all;
    }

    /** Makes a method ready to run, on an engine or, where that is null, on a device of its own. */
    public synchronized Method load(String name, Options options, Engine engine) {
        Method method;
        if (engine == null) {
            method = new Method(this, name, options, 0);
        } else {
            synchronized (engine) {
                method = new Method(this, name, options, engine.handle());
                engine.add(method);
            }
        }
        methods.add(method);
        return method;
    }

    /** "forward", with the defaults. */
    public Method load() {
        return load("forward", new Options(), null);
    }

    long handle() {
        if (handle == 0) {
            throw new IllegalStateException("this program is closed");
        }
        return handle;
    }

    /** Closes its methods, too. Again: does nothing. */
    @Override
    public synchronized void close() {
        for (Method method : new ArrayList<>(methods)) {
            method.close();
        }
        if (handle != 0) {
            Native.programClose(handle);
        }
        handle = 0;
    }
}
