#include "runtime/base/cache_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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

/* ---------------------------------------------------------------------------------------- trust */

/* Why a file or directory may have been written by another user, or null. */
static const char *distrust(const struct stat *info)
{
    const bool directory = S_ISDIR(info->st_mode);
    if (info->st_uid != geteuid() && !(directory && info->st_uid == 0))
        return directory ? "its directory belongs to another user" : "it belongs to another user";
    if (!directory && info->st_mode & (S_IWGRP | S_IWOTH))
        return "it is writable by others";
    if (directory && info->st_mode & S_IWOTH && !(info->st_mode & S_ISVTX))
        return "its directory is writable by everybody";
    return NULL;
}

/* Opens the directory in which path lies. Returns why it cannot be used, or null and the
 * descriptor; -1 if there is none. */
static const char *open_directory(const char *path, int *out)
{
    char directory[PATH_MAX];
    struct stat info;
    const char *slash = strrchr(path, '/'), *fault = NULL;
    *out = -1;
    if ((size_t)snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash + 1 - path) : 1,
                         slash ? path : ".") >= sizeof directory)
        return strerror(ENAMETOOLONG);
    int opened = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0)
        return errno == ENOENT ? NULL : strerror(errno);
    fault = fstat(opened, &info) == 0 ? distrust(&info) : strerror(errno);
    if (fault)
        close(opened);
    else
        *out = opened;
    return fault;
}

static const char *name_in(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ------------------------------------------------------------------------------ temporary files */

#define TEMPORARY ".XXXXXX"

/* Creates a temporary file beside path. Its lock says that somebody writes it, for as long as the
 * process lives. Returns the descriptor, or -1 and errno. */
static int create_temporary(const char *path, char temporary[PATH_MAX])
{
    for (int attempt = 0; attempt < 10; attempt++) {
        struct stat info;
        if ((size_t)snprintf(temporary, PATH_MAX, "%s" TEMPORARY, path) >= PATH_MAX) {
            errno = ENAMETOOLONG;
            return -1;
        }
        int file = mkstemp(temporary);
        if (file < 0)
            return -1;
        fcntl(file, F_SETFD, FD_CLOEXEC);
        /* there are file systems without locks */
        bool ours = flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
        if (ours && fstat(file, &info) == 0 && info.st_nlink)
            return file;
        unlink(temporary); /* somebody has taken it for left over before it was locked */
        close(file);
    }
    errno = EBUSY;
    return -1;
}

static bool is_temporary(const char *entry, const char *name)
{
    const size_t length = strlen(name);
    return strncmp(entry, name, length) == 0 && strlen(entry) == length + sizeof TEMPORARY - 1 &&
           entry[length] == '.';
}

/* Removes the temporary files of this name that nobody writes. */
static void remove_leftovers(int directory, const char *name)
{
    /* a stream takes its descriptor over */
    int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = again < 0 ? NULL : fdopendir(again);
    if (!entries && again >= 0)
        close(again);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        if (!is_temporary(entry->d_name, name))
            continue;
        int file = openat(directory, entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0)
            unlinkat(directory, entry->d_name, 0);
        if (file >= 0)
            close(file);
    }
    if (entries)
        closedir(entries);
}

/* -------------------------------------------------------------------------------------- reading */

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
static const char *read_payload(vkd_context *context, int file, const vkd_caps *caps, void **out,
                                size_t *out_size)
{
    struct stat info;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))
        return "it is not a regular file";
    if (distrust(&info))
        return distrust(&info);
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

void *vkd_cache_file_read(vkd_context *context, const char *path, const vkd_caps *caps,
                          size_t *out_size)
{
    void *payload = NULL;
    int directory, file = -1;
    const char *fault = open_directory(path, &directory);
    if (directory >= 0) {
        remove_leftovers(directory, name_in(path));
        /* Non-blocking: a FIFO in the file's place must not hang us. */
        file = openat(directory, name_in(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (file < 0 && errno != ENOENT)
            fault = strerror(errno);
        close(directory);
    }
    if (file >= 0) {
        fault = read_payload(context, file, caps, &payload, out_size);
        close(file);
    }
    if (fault)
        vkd_log(context, VKD_LOG_INFO, "cache file %s is ignored: %s", path, fault);
    return payload;
}

/* -------------------------------------------------------------------------------------- writing */

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

/* Returns what went wrong, or null. The bytes are on the disk before the name is, so that a crash
 * leaves no empty file; whether the name survives a crash does not matter. */
static const char *write_new(int file, const char *temporary, const char *path,
                             const cache_header *header, const void *payload, size_t size)
{
    bool written = write_all(file, header, sizeof *header) && write_all(file, payload, size) &&
                   fsync(file) == 0 && rename(temporary, path) == 0;
    int fault = written ? 0 : errno;
    if (fault)
        unlink(temporary);
    close(file); /* all is on the disk */
    return fault ? strerror(fault) : NULL;
}

/* Returns what went wrong, or null. */
static const char *replace(const char *directory, const char *path, const vkd_caps *caps,
                           const void *payload, size_t size)
{
    char temporary[PATH_MAX];
    int opened;
    if (size > MAX_PAYLOAD)
        return strerror(EFBIG);
    make_directories(directory);
    const char *fault = open_directory(path, &opened);
    if (opened >= 0)
        close(opened);
    if (fault)
        return fault;
    int file = create_temporary(path, temporary);
    if (file < 0)
        return strerror(errno);
    cache_header header = make_header(caps, payload, size);
    return write_new(file, temporary, path, &header, payload, size);
}

bool vkd_cache_file_write(vkd_context *context, const char *directory, const char *path,
                          const vkd_caps *caps, const void *payload, size_t size)
{
    const char *fault = replace(directory, path, caps, payload, size);
    if (fault)
        vkd_log(context, VKD_LOG_WARNING, "cache file %s could not be written: %s", path, fault);
    return !fault;
}
