#include "runner/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the character that begins here; 0 where none does. */
static size_t character_size(const unsigned char *at)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = at[0] < 0x80       ? 1
                  : at[0] >> 5 == 6  ? 2
                  : at[0] >> 4 == 14 ? 3
                  : at[0] >> 3 == 30 ? 4
                                     : 0;
    uint32_t code = size ? at[0] & (0xffu >> (size > 1 ? size + 1 : 0)) : 0;
    for (size_t i = 1; i < size; i++) { /* the zero at the end is no continuation */
        if (at[i] >> 6 != 2)
            return 0;
        code = code << 6 | (at[i] & 63);
    }
    if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return size;
}

char *run_utf8(const char *text)
{
    static const char replacement[] = "\xef\xbf\xbd";
    const unsigned char *at = (const unsigned char *)text;
    char *result = malloc(3 * strlen(text) + 1), *out = result;
    while (result && *at) {
        size_t size = character_size(at);
        memcpy(out, size ? (const void *)at : replacement, size ? size : 3);
        out += size ? size : 3;
        at += size ? size : 1;
    }
    if (result)
        *out = 0;
    return result;
}
