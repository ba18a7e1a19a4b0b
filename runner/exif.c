#include "runner/exif.h"

#include <stdbool.h>
#include <string.h>

static size_t load(const unsigned char *bytes, unsigned size, bool big)
{
    size_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value = value << 8 | bytes[big ? i : size - 1 - i];
    return value;
}

int run_exif_orientation(const unsigned char *data, size_t size)
{
    /* TIFF's header and entries: tag, type, count, value */
    enum { HEADER = 8, ENTRY = 12, TAG = 0x112, SHORT = 3 };
    bool big = size >= HEADER && !memcmp(data, "MM\0*", 4);
    if (!big && (size < HEADER || memcmp(data, "II*\0", 4)))
        return 1;
    size_t at = load(data + 4, 4, big); /* of the first directory */
    size_t count = at <= size - 2 ? load(data + at, 2, big) : 0;
    at += 2;
    for (size_t i = 0; i < count && size - at >= ENTRY; i++, at += ENTRY) {
        if (load(data + at, 2, big) != TAG)
            continue;
        size_t value = load(data + at + 8, 2, big);
        return load(data + at + 2, 2, big) == SHORT && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
