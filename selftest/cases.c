#include "selftest/cases.h"

#include "ops/conv/conv.h"
#include "table_families.h"

#include <stdlib.h>
#include <string.h>

static const table_family *const families[] = {TABLE_FAMILIES};

typedef struct list {
    selftest_case *cases;
    size_t count, capacity;
    const char *only;
} list;

static bool add(list *l, const table_case *row, const char *variant, vkd_int8_dot dot)
{
    if (l->only && !strstr(row->name, l->only) && !(variant && strstr(variant, l->only)))
        return true;
    if (l->count == l->capacity) {
        size_t capacity = 2 * l->capacity + 64;
        selftest_case *grown = realloc(l->cases, capacity * sizeof *grown);
        if (!grown)
            return false;
        l->cases = grown;
        l->capacity = capacity;
    }
    l->cases[l->count] = (selftest_case){*row, dot};
    l->cases[l->count++].table.variant = variant;
    return true;
}

/* The rows of a family whose names have this in them, by each variant of a table. */
static bool add_variants(list *l, const table_family *family, const char *named,
                         const conv2d_variant *variants, size_t count, vkd_int8_dot dot)
{
    bool good = true;
    for (size_t v = 0; v < count; v++)
        for (size_t i = 0; i < family->count; i++)
            if (strstr(family->cases[i].name, named))
                good = good && add(l, &family->cases[i], variants[v].name, dot);
    return good;
}

selftest_case *selftest_cases(const char *only, size_t *out_count)
{
    static const vkd_int8_dot flavours[] = {VKD_DOT_NONE, VKD_DOT_SIGNED, VKD_DOT_MIXED};
    list l = {.only = only};
    bool good = true;
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (size_t i = 0; i < families[f]->count; i++)
            good = good && add(&l, &families[f]->cases[i], NULL, VKD_DOT_AUTO);
    good = good && add_variants(&l, &table_conv, "conv", vkd_conv2d_float_variants,
                                vkd_conv2d_float_variant_count, VKD_DOT_AUTO);
    good =
        good && add_variants(&l, &table_quantized_linear, "et_vk.linear_", vkd_conv2d_low_variants,
                             vkd_conv2d_low_variant_count, VKD_DOT_AUTO);
    for (size_t f = 0; f < sizeof flavours / sizeof *flavours; f++)
        good = good && add_variants(&l, &table_q8, "conv", vkd_conv2d_variants,
                                    vkd_conv2d_variant_count, flavours[f]);
    *out_count = l.count;
    if (good && l.cases)
        return l.cases;
    free(l.cases);
    return good ? calloc(1, sizeof *l.cases) : NULL;
}
