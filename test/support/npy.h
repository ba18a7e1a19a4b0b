/* Reads .npy files: NumPy's format for one array. */
#ifndef VKD_TEST_SUPPORT_NPY_H
#define VKD_TEST_SUPPORT_NPY_H

#include "include/vkdelegate.h"

typedef struct npy_array {
    vkd_dtype dtype;
    uint32_t rank;
    uint32_t dims[VKD_MAX_RANK];
    size_t size; /* bytes */
    void *data;  /* row-major, from malloc */
} npy_array;

/* Null on success, else what is wrong with the file; *out is then all zero. */
const char *npy_read(const char *path, npy_array *out);
void npy_free(npy_array *array);

#endif
