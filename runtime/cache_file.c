#include "runtime/cache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = "VKDCACHE";
enum { FORMAT_VERSION = 1, MAX_PAYLOAD = 256 * 1024 * 1024 };

/* In the machine's own byte order: another machine's file does not get past the version. */
typedef struct cache_header {
    char magic[8];
    uint32_t version;
    uint32_t vendor_id, device_id, driver_version;
    uint8_t uuid[16];
    uint64_t payload_size, payload_sum;
} cache_header;
_Static_assert(sizeof(cache_header) == 56, "no padding, so that headers can be compared as bytes");

static cache_header make_header(const vkd_caps *caps, const void *payload, size_t size)
{
    cache_header header = {
        .version = FORMAT_VERSION,
        .vendor_id = caps->vendor_id,
        .device_id = caps->device_id,
        .driver_version = caps->driver_version,
        .payload_size = size,
        .payload_sum = vkd_checksum(payload, size),
    };
    memcpy(header.magic, magic, sizeof header.magic);
    memcpy(header.uuid, caps->pipeline_cache_uuid, sizeof header.uuid);
    return header;
}

uint64_t vkd_checksum(const void *bytes, size_t size)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    return sum;
}

bool vkd_cache_directory(const vkd_options *options, char *out, size_t size)
{
    if (options->no_cache)
        return false;
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length = -1;
    if (options->cache_dir && *options->cache_dir)
        length = snprintf(out, size, "%s", options->cache_dir);
    else if (xdg && *xdg == '/') /* its specification says to ignore relative paths */
        length = snprintf(out, size, "%s/vkdelegate", xdg);
    else if (home && *home)
        length = snprintf(out, size, "%s/.cache/vkdelegate", home);
    return length > 0 && (size_t)length < size;
}

/* ------------------------------------------------------------------------------------------------------- reading */

static bool read_all(int file, void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(file, (char *)bytes + done, size - done);
        if (got > 0)
            done += (size_t)got;
        else if (got == 0 || errno != EINTR)
            return false;
    }
    return true;
}

/* Returns why the file cannot be used, or null and the payload. */
static const char *read_payload(vkd_context *context, int file, const vkd_caps *caps, void **out, size_t *out_size)
{
    struct stat info;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))
        return "it is not a regular file";
    cache_header found;
    if (info.st_size < (off_t)sizeof found || info.st_size > (off_t)sizeof found + MAX_PAYLOAD)
        return "its size is impossible";
    if (!read_all(file, &found, sizeof found))
        return "it cannot be read";
    size_t size = (size_t)info.st_size - sizeof found;
    void *payload = vkd_alloc(context, size, 1);
    if (!payload)
        return "there is no memory for it";
    const char *fault = NULL;
    if (!read_all(file, payload, size))
        fault = "it cannot be read";
    cache_header expected = make_header(caps, payload, size);
    if (!fault && memcmp(&found, &expected, offsetof(cache_header, vendor_id)) != 0)
        fault = "it is not a cache file of this version";
    if (!fault && memcmp(&found, &expected, offsetof(cache_header, payload_size)) != 0)
        fault = "it belongs to another device or driver";
    if (!fault && memcmp(&found, &expected, sizeof found) != 0)
        fault = "its size or checksum is wrong";
    if (fault) {
        vkd_free(context, payload);
        return fault;
    }
    *out = payload;
    *out_size = size;
    return NULL;
}

void *vkd_cache_file_read(vkd_context *context, const char *path, const vkd_caps *caps, size_t *out_size)
{
    /* Non-blocking: a FIFO in the file's place must not hang us. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
        if (errno != ENOENT)
            vkd_log(context, VKD_LOG_INFO, "cache file %s is ignored: %s", path, strerror(errno));
        return NULL;
    }
    void *payload = NULL;
    const char *fault = read_payload(context, file, caps, &payload, out_size);
    close(file);
    if (fault)
        vkd_log(context, VKD_LOG_INFO, "cache file %s is ignored: %s", path, fault);
    return payload;
}

/* ------------------------------------------------------------------------------------------------------- writing */

static bool write_all(int file, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t put = write(file, (const char *)bytes + done, size - done);
        if (put >= 0)
            done += (size_t)put;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

/* Like mkdir -p. Failures show when a file is created there. */
static void make_directories(const char *directory)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s", directory) >= sizeof path)
        return;
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    mkdir(path, 0700);
}

/* Returns the errno of what went wrong, or 0. The bytes are on the disk before the name is, so that a crash leaves no empty
 * file; whether the name survives a crash does not matter. */
static int write_new(int file, const char *temporary, const char *path, const cache_header *header, const void *payload,
                     size_t size)
{
    bool written = write_all(file, header, sizeof *header) && write_all(file, payload, size) && fsync(file) == 0;
    int fault = written ? 0 : errno;
    if (close(file) != 0 && !fault)
        fault = errno;
    if (!fault && rename(temporary, path) != 0)
        fault = errno;
    if (fault)
        unlink(temporary);
    return fault;
}

bool vkd_cache_file_write(vkd_context *context, const char *directory, const char *path, const vkd_caps *caps,
                          const void *payload, size_t size)
{
    char temporary[PATH_MAX];
    int fault = ENAMETOOLONG;
    if (size > MAX_PAYLOAD)
        fault = EFBIG;
    else if ((size_t)snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) < sizeof temporary) {
        make_directories(directory);
        int file = mkstemp(temporary);
        cache_header header = make_header(caps, payload, size);
        fault = file < 0 ? errno : write_new(file, temporary, path, &header, payload, size);
    }
    if (fault)
        vkd_log(context, VKD_LOG_WARNING, "cache file %s could not be written: %s", path, strerror(fault));
    return !fault;
}
