/* The one thing in EXIF that a picture's meaning depends on. */
#ifndef VKD_RUNNER_EXIF_H
#define VKD_RUNNER_EXIF_H

#include <stddef.h>

/* How the picture is to be turned, from EXIF data, which begins with a byte order: 1 to 8 as EXIF
 * numbers it; 1, not at all, where the data is broken or does not say. */
int run_exif_orientation(const unsigned char *data, size_t size);

#endif
