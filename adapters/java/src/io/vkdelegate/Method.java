package io.vkdelegate;

import java.nio.ByteBuffer;

/** A method that is ready to run. Calls from several threads follow each other. */
public final class Method implements AutoCloseable {
    private static final int MAX_RANK = 8;

    private final Program program; // outlives it
    private long handle;

    Method(Program program, String name, Options options, long engine) {
        this.program = program;
        handle = Native.methodLoad(program.handle(), Native.text(name), engine, options.texts(), options.numbers());
    }

    public synchronized int inputCount() {
        return Native.methodCount(handle(), false);
    }

    public synchronized int outputCount() {
        return Native.methodCount(handle(), true);
    }

    /** A tensor of zeros that fits this input; where shapes can change, of the largest. */
    public synchronized Tensor newInput(int index) {
        return made(Native.methodInfo(handle(), false, index));
    }

    /** A tensor that fits this output; where shapes can change, of the largest. */
    public synchronized Tensor newOutput(int index) {
        return made(Native.methodInfo(handle(), true, index));
    }

    private static Tensor made(long[] info) {
        long[] shape = new long[(int) info[2]];
        System.arraycopy(info, 3, shape, 0, shape.length);
        return Tensor.zeros(Tensor.DType.values()[(int) info[0]], shape);
    }

    /** Runs it once. The outputs' shapes are set. */
    public synchronized void execute(Tensor[] inputs, Tensor[] outputs) {
        int count = inputs.length + outputs.length;
        int[] dtypes = new int[count];
        int[] ranks = new int[count];
        long[] dims = new long[count * MAX_RANK];
        ByteBuffer[] bytes = new ByteBuffer[count];
        for (int i = 0; i < count; i++) {
            Tensor tensor = i < inputs.length ? inputs[i] : outputs[i - inputs.length];
            dtypes[i] = tensor.dtype().ordinal();
            ranks[i] = tensor.shape.length;
            bytes[i] = tensor.data();
            System.arraycopy(tensor.shape, 0, dims, i * MAX_RANK, tensor.shape.length);
        }
        Native.methodExecute(handle(), inputs.length, dtypes, ranks, dims, bytes);
        for (int i = inputs.length; i < count; i++) {
            long[] shape = new long[ranks[i]];
            System.arraycopy(dims, i * MAX_RANK, shape, 0, shape.length);
            outputs[i - inputs.length].shape = shape;
        }
    }

    /** The same, with outputs of its own. */
    public synchronized Tensor[] execute(Tensor... inputs) {
        Tensor[] outputs = new Tensor[outputCount()];
        for (int i = 0; i < outputs.length; i++) {
            outputs[i] = newOutput(i);
        }
        execute(inputs, outputs);
        return outputs;
    }

    private long handle() {
        if (handle == 0) {
            throw new IllegalStateException("this method is closed");
        }
        return handle;
    }

    /** Again: does nothing. */
    @Override
    public synchronized void close() {
        if (handle != 0) {
            Native.methodUnload(handle);
        }
        handle = 0;
    }
}
