package io.vkdelegate;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/**
 * A tensor in a direct buffer, from its start on, row-major unless the program says otherwise. The library reads and
 * writes the buffer itself, without a copy in between. Not for two threads at a time.
 */
public final class Tensor {
    /** vkd_dtype, in the header's order. */
    public enum DType {
        BOOL(1),
        UINT8(1),
        INT8(1),
        INT32(4),
        FLOAT16(2),
        FLOAT32(4),
        FLOAT64(8),
        INT64(8);

        /** Bytes of an element. */
        public final int size;

        DType(int size) {
            this.size = size;
        }
    }

    private final DType dtype;
    private final ByteBuffer data;
    long[] shape;

    /** A tensor over a direct buffer of the caller's. Its order is set to the machine's. */
    public Tensor(DType dtype, ByteBuffer data, long... shape) {
        if (!data.isDirect()) {
            throw new VkdException(VkdException.Status.INVALID_ARGUMENT, "a tensor needs a direct buffer");
        }
        if (shape.length > 8) {
            throw new VkdException(VkdException.Status.INVALID_ARGUMENT, shape.length + " dims, expected 8 at most");
        }
        this.dtype = dtype;
        this.data = data.order(ByteOrder.nativeOrder());
        this.shape = shape.clone();
    }

    /** A tensor of zeros. */
    public static Tensor zeros(DType dtype, long... shape) {
        long bytes = dtype.size;
        for (long dim : shape) {
            bytes = Math.multiplyExact(bytes, dim);
        }
        return new Tensor(dtype, ByteBuffer.allocateDirect(Math.toIntExact(bytes)), shape);
    }

    public static Tensor of(float[] values, long... shape) {
        Tensor tensor = zeros(DType.FLOAT32, shape);
        tensor.floats().put(values);
        return tensor;
    }

    public DType dtype() {
        return dtype;
    }

    /** Of an output: as of its last execution. */
    public long[] shape() {
        return shape.clone();
    }

    public ByteBuffer data() {
        return data;
    }

    /** A view of the elements of a FLOAT32 tensor. */
    public FloatBuffer floats() {
        ByteBuffer all = data.duplicate().order(ByteOrder.nativeOrder());
        all.clear();
        return all.asFloatBuffer();
    }
}
