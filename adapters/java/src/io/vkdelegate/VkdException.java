package io.vkdelegate;

import java.nio.charset.StandardCharsets;

/** A call of the library failed. The message is the library's. */
public final class VkdException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** vkd_status, in the header's order. */
    public enum Status {
        OK,
        INVALID_ARGUMENT,
        INVALID_MODEL,
        UNSUPPORTED,
        NO_DEVICE,
        DEVICE_LOST,
        OUT_OF_MEMORY,
        IO_ERROR,
        NOT_FOUND,
        DEVICE_ERROR
    }

    private final Status status;

    /** Called from native code. text: UTF-8. */
    VkdException(int status, byte[] text) {
        super(new String(text, StandardCharsets.UTF_8));
        Status[] all = Status.values();
        this.status = status < all.length ? all[status] : Status.DEVICE_ERROR;
    }

    VkdException(Status status, String text) {
        super(text);
        this.status = status;
    }

    public Status status() {
        return status;
    }
}
