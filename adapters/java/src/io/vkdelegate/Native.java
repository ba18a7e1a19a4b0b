package io.vkdelegate;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** The functions of jni/vkd_jni.c. Handles are pointers; texts are UTF-8. All throw VkdException. */
final class Native {
    static {
        System.loadLibrary("vkdelegate_jni");
    }

    private Native() {}

    static byte[] text(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    static native long engineCreate(byte[][] texts, int[] numbers);

    static native void engineDestroy(long engine);

    static native byte[] engineDevice(long engine);

    static native long programOpen(byte[] path);

    static native long programOpenBytes(ByteBuffer bytes);

    static native void programAddData(long program, byte[] path);

    static native void programClose(long program);

    static native byte[][] programMethods(long program);

    static native long methodLoad(long program, byte[] name, long engine, byte[][] texts, int[] numbers);

    static native void methodUnload(long method);

    static native int methodCount(long method, boolean outputs);

    /** dtype, bytes, rank, dims... */
    static native long[] methodInfo(long method, boolean output, int index);

    /**
     * For each argument, inputs first: its dtype, its rank and eight dims, which are written for outputs, and its
     * bytes.
     */
    static native void methodExecute(long method, int inputs, int[] dtypes, int[] ranks, long[] dims, ByteBuffer[] bytes);
}
