/* Files that are kept between processes: the first byte says whether the bytes behind it are a
 * whole file, or what a file with the right head and checksum holds. */
#define _GNU_SOURCE /* nftw */
#include "plan.h"
#include "runtime/base/cache_file.h"
#include "runtime/base/tuning_file.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const vkd_caps caps = {.name = "A device", .vendor_id = 1, .dot = VKD_DOT_NONE};
static char directory[64], path[384];

static int remove_entry(const char *name, const struct stat *info, int type, struct FTW *walk)
{
    (void)info, (void)type, (void)walk;
    return remove(name);
}

static void remove_all(void) { nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS); }

/* Reads what is there, looks something up, adds something, and writes. */
static void use(fuzz_plan *p, const vkd_options *options)
{
    vkd_tuning_file *file;
    uint64_t value;
    if (vkd_tuning_file_open(&p->arena, &caps, 7, options, &file) != VKD_OK)
        abort();
    (void)!vkd_tuning_file_find(file, "subject", "variant", &value);
    if (vkd_tuning_file_set(file, "subject", "variant", 17) != VKD_OK ||
        !vkd_tuning_file_find(file, "subject", "variant", &value) || value != 17)
        abort();
    vkd_tuning_file_save(file);
}

/* A folder, with the tuning file's own name for itself. */
static void prepare(fuzz_plan *p, const vkd_options *options)
{
    use(p, options);
    DIR *entries = opendir(directory);
    for (struct dirent *entry; (entry = readdir(entries));)
        if (entry->d_name[0] != '.')
            snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
    closedir(entries);
    atexit(remove_all);
}

static void write_raw(const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_plan p;
    const vkd_options options = {.size = sizeof options, .cache_dir = directory};
    fuzz_plan_begin(&p);
    if (!*path) {
        strcpy(directory,
               access("/dev/shm", W_OK) ? "/tmp/vkd-fuzz-XXXXXX" : "/dev/shm/vkd-fuzz-XXXXXX");
        if (!mkdtemp(directory))
            abort();
        prepare(&p, &options);
    }
    if (size && data[0] % 2)
        write_raw(data + 1, size - 1);
    else if (size)
        (void)!vkd_cache_file_write(&p.context, directory, path, &caps, data + 1, size - 1);
    use(&p, &options);
    fuzz_plan_end(&p);
    return 0;
}
