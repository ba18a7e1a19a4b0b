package io.vkdelegate;

/** What vkd_options in vkdelegate.h says of the fields of the same names; null, 0 and false are the defaults. */
public final class Options {
    public String device;
    /** On Android the app's cache folder: there is no home folder. */
    public String cacheDir;
    public String variant;
    public int timeoutMs;
    public boolean noCache;
    public boolean validate;
    public boolean profile;
    public boolean noSelfCheck;
    public SelfCheck selfCheck = SelfCheck.AUTO;
    /** Choose kernels by measurement. */
    public boolean measure;
    /** Milliseconds that a submission may last, so that others who use the device can have it in between. */
    public int maxSubmitMs;
    public Priority priority = Priority.DEFAULT;

    /** As vkd_priority: of the device's queues. */
    public enum Priority {
        DEFAULT,
        LOW,
        HIGH,
        REALTIME
    }

    /** As vkd_self_check: which kernels are held against plain C before their first use. */
    public enum SelfCheck {
        AUTO,
        NONE,
        /** Every one; a model that needs a wrong one is refused. */
        ALL
    }

    byte[][] texts() {
        return new byte[][] {Native.text(device), Native.text(cacheDir), Native.text(variant)};
    }

    int[] numbers() {
        if (timeoutMs < 0 || maxSubmitMs < 0 || priority == null || selfCheck == null) {
            throw new VkdException(
                    VkdException.Status.INVALID_ARGUMENT,
                    "timeoutMs: " + timeoutMs + ", maxSubmitMs: " + maxSubmitMs + ", priority: " + priority
                            + ", selfCheck: " + selfCheck);
        }
        return new int[] {
            timeoutMs, noCache ? 1 : 0, validate ? 1 : 0, profile ? 1 : 0, noSelfCheck ? 1 : 0,
            measure ? 1 : 0, maxSubmitMs, priority.ordinal(),
            selfCheck.ordinal()
        };
    }
}
