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
    /** Choose kernels by measurement. */
    public boolean measure;

    byte[][] texts() {
        return new byte[][] {Native.text(device), Native.text(cacheDir), Native.text(variant)};
    }

    int[] numbers() {
        if (timeoutMs < 0) {
            throw new VkdException(VkdException.Status.INVALID_ARGUMENT, "timeoutMs: " + timeoutMs);
        }
        return new int[] {
            timeoutMs, noCache ? 1 : 0, validate ? 1 : 0, profile ? 1 : 0, noSelfCheck ? 1 : 0,
            measure ? 1 : 0
        };
    }
}
