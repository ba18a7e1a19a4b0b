/* The table test: every row of vkd_ops against an oracle in plain C, on drawn shapes, types and
 * values. A family's cases are in table_<family>.c, an entry a row:
 *
 *     static void draw_neg(table *t)
 *     {
 *         vkd_dtype dtype = table_dtype(t, TABLE_FLOATS);
 *         table_tensor *x = table_input(t, dtype, table_shape(t, 0, 8));
 *         table_uniform(t, x, -10, 10);
 *         table_extremes(t, x);
 *         table_tensor *y = table_output(t, dtype, x->shape);
 *         for (size_t i = 0; i < y->count; i++)
 *             y->values[i] = -x->values[i];
 *     }
 *     static const table_case cases[] = {{"aten.neg.default", draw_neg}, ...};
 *     const table_family table_unary = TABLE_FAMILY(cases);
 *
 * A case appends the operator's arguments in the order of the row and fills the outputs with what
 * is expected. The test runs it on the device; whether an input arrives as rows of the host, as a
 * constant, as an image (4C, with noise in its padding) or as a strided view is drawn by the test,
 * for each input. */
#ifndef VKD_TEST_TABLE_H
#define VKD_TEST_TABLE_H

#include "graph/shape.h"
#include "runtime/device.h"
#include "support/hand.h"
#include "support/random.h"
#include "shaders/shaders.h"

enum { TABLE_TENSORS = 16 };

/* How an input reaches the operator. DRAWN: as rows or a constant, or as an image or a view. STATE:
 * what the operator changes. */
typedef enum table_arrival { TABLE_DRAWN, TABLE_ROWS, TABLE_CONSTANT, TABLE_STATE } table_arrival;

typedef struct table_tensor {
    vkd_dtype dtype;
    vkd_shape shape;
    size_t count;
    /* row-major. Outputs: what is expected; a double holds every element type exactly. Zeros at
     * first */
    double *values;
    /* Outputs: |got - expected| <= ulps + relative * |scale| + absolute, and what is stored in half
     * precision is rounded behind that. All 0: the same bits, but for NaNs. Integers are never more
     * than `absolute` away */
    double ulps, relative, absolute;
    double *scales; /* what `relative` is of, where it is not the expected values: table_scales */
    bool is_output;
    table_arrival arrival; /* inputs */
    uint32_t value;        /* id in the hand-made model */
    void *bytes, *got;
    char how[64]; /* for people: how it arrives */
} table_tensor;

typedef struct table table;
typedef struct table_case {
    const char *name; /* of the row. Rows that share it are told apart by the number of arguments */
    void (*draw)(table *t);
    int code;            /* for draw: t->row->code */
    const char *variant; /* of a convolution, forced where it can run; null: chosen */
} table_case;

typedef struct table_family {
    const table_case *cases;
    size_t count;
} table_family;
#define TABLE_FAMILY(cases_)                                                                       \
    {                                                                                              \
        cases_, sizeof(cases_) / sizeof(cases_)[0]                                                 \
    }

/* One draw of a case. */
struct table {
    const table_case *row;
    vkd_random *random;
    hand_model model;
    size_t tensor_count, arg_count;
    size_t call; /* index of the operator in the model */
    table_tensor tensors[TABLE_TENSORS];
    uint32_t args[HAND_ARGS];
    /* values: an operand that is written in place, and its copy afterwards; 0: none */
    uint32_t written, after;
    uint32_t symbol; /* the output's value, if there is one */
    double number;   /* what is expected of it */
    char text[256];  /* for people: arguments that are no tensors */
};

/* -------------------------------------------------------------------------------------- drawing */

uint32_t table_below(table *t, uint32_t count); /* 0 .. count - 1 */
bool table_chance(table *t, uint32_t in);       /* true once in so many */

/* Sets of element types, bits by vkd_dtype. */
enum {
    TABLE_FLOATS = 1 << VKD_DTYPE_FLOAT32 | 1 << VKD_DTYPE_FLOAT16,
    TABLE_I32 = 1 << VKD_DTYPE_INT32,
    TABLE_INTS = TABLE_I32 | 1 << VKD_DTYPE_INT8 | 1 << VKD_DTYPE_UINT8,
    TABLE_BOOL = 1 << VKD_DTYPE_BOOL,
    TABLE_ALL = TABLE_FLOATS | TABLE_INTS | TABLE_BOOL
};
vkd_dtype table_dtype(table *t, uint32_t set);
bool table_is_float(vkd_dtype dtype);

/* Small dims of a drawn rank, odd ones and 1s among them; once in 12 without elements, where the
 * rank allows. */
vkd_shape table_shape(table *t, uint32_t least_rank, uint32_t most_rank);
/* The same, never without elements. */
vkd_shape table_shape_filled(table *t, uint32_t least_rank, uint32_t most_rank);
/* One that broadcasts to `full`: some dims 1, or missing in front. */
vkd_shape table_narrowed(table *t, vkd_shape full);
/* Where the element of an operand is that belongs to element `index` of a result that it broadcasts
 * to. */
size_t table_broadcast_index(const vkd_shape *operand, const vkd_shape *result, size_t index);
/* Where an element is along each dim, and the element of such a place. */
void table_places(const vkd_shape *shape, size_t index, uint32_t *places);
size_t table_place(const vkd_shape *shape, const uint32_t *places);
/* The numbers below count, in a drawn order. */
void table_order(table *t, uint32_t count, uint32_t *order);
/* at, or what names the same place from the end: at - size. */
int64_t table_from_an_end(table *t, int64_t at, int64_t size);

/* ------------------------------------------------------------------------------------ arguments */

/* Each appends an argument. Tensors stay where they are while the case is drawn. */
table_tensor *table_input(table *t, vkd_dtype dtype, vkd_shape shape);
table_tensor *table_output(table *t, vkd_dtype dtype, vkd_shape shape);
/* An output that nobody may read. */
void table_unread(table *t, vkd_dtype dtype, vkd_shape shape);
/* What an operand that is written in place holds afterwards: an output that is no argument. */
table_tensor *table_after(table *t, const table_tensor *x);
void table_null(table *t);
void table_int(table *t, int64_t value);
/* An Int, or a SymInt with this value. */
void table_size(table *t, int64_t value);
/* A Double, or a SymFloat with this value. */
void table_real(table *t, double value);
/* An output SymInt or SymFloat, and what is expected of it. */
void table_output_symint(table *t, int64_t expected);
void table_output_symfloat(table *t, double expected);
void table_double(table *t, double value);
void table_bool(table *t, bool value);
void table_string(table *t, const char *value);
void table_ints(table *t, size_t count, const int64_t *items);
void table_pair(table *t, double a, double b); /* a list of two doubles */
/* A list of sizes: of Ints, or of Ints and SymInts. */
void table_sizes(table *t, size_t count, const int64_t *items);
/* An input of a drawn type, with values all over it; one with values between low and high. */
table_tensor *table_any(table *t, uint32_t types, vkd_shape shape);
table_tensor *table_drawn(table *t, vkd_dtype dtype, vkd_shape shape, double low, double high);
/* A drawn dim, counted from either end; some dims in any order, how many. */
uint32_t table_dim(table *t, uint32_t rank);
size_t table_listed(table *t, uint32_t rank, bool listed[VKD_MAX_RANK]);
/* An input of places along a dim of so many: some from the end, and some that there are not. */
table_tensor *table_indices(table *t, vkd_shape shape, uint32_t size);
/* The list of indices of x[i, :, j]: one or several of the dims of x. */
typedef struct table_indexing {
    vkd_shape x, entries, result;      /* entries: what the indices broadcast to */
    uint32_t at;                       /* where the entries' dims begin in the result */
    table_tensor *index[VKD_MAX_RANK]; /* null: the dim is not indexed */
} table_indexing;
void table_draw_indexing(table *t, vkd_shape x, table_indexing *out);
/* The place in x of element i of the result. An index that is out of range is the nearest that is
 * not; whether there was one. */
bool table_indexed(const table_indexing *indexing, size_t i, uint32_t *place);
/* The last `count` arguments become one: a list of them (null entries too). */
void table_gather(table *t, size_t count);

/* --------------------------------------------------------------------------------------- values */

/* Uniform between low and high, as the type can hold them: ints are whole, both ends included. */
void table_uniform(table *t, table_tensor *x, double low, double high);
/* Puts what is special of the type in some places: NaN, infinities, zeros of both signs, the
 * largest and smallest numbers, the smallest normal ones, halves, ints above 2^24. */
void table_extremes(table *t, table_tensor *x);
/* Once in four, puts an infinity or a NaN of floats in a place or two. */
void table_not_finite(table *t, table_tensor *x);
/* A value as the type stores it. */
double table_stored(vkd_dtype dtype, double value);
/* An int as 32 bits keep it, or as the bits of another type do. */
double table_wrapped(int64_t value);
double table_wrapped_to(vkd_dtype dtype, int64_t value);
double *table_scales(table *t, table_tensor *y);

/* -------------------------------------------------------------------------------------- running */

/* How: as ever; where an access outside of a tensor shows (support/canary.h). */
typedef enum table_watch { TABLE_UNWATCHED, TABLE_CANARIES, TABLE_INTERPRETED } table_watch;

/* Where cases run. caps: what models are lowered for, the device's own unless a test changes it. */
typedef struct table_device {
    vkd_context *context;
    vkd_device *device;
    const vkd_caps *caps;
    table_watch watch;
} table_device;

/* What became of a draw. */
typedef struct table_outcome {
    const vkd_op *row; /* that the call was bound to */
    bool right;
    vkd_status status;   /* of lowering and running */
    bool ran_variant;    /* the forced one, not another in its place */
    size_t wrong, count; /* elements */
    double off;          /* the largest difference of one that is wrong; INFINITY for no number */
    char what[1024];     /* the draw: operator, tensors, arguments */
    char why[1024];      /* that it is not right: the first wrong element with its operands, or the
                            message of a failure */
} table_outcome;

/* Draws a case; binds, shapes, lowers, runs, and compares. Needs no test around it. */
void table_try(const table_device *on, vkd_random *random, const table_case *row,
               table_outcome *out);

/* Draws a case, spoils an argument of it (left out, added, of another kind, type, rank or size),
 * binds, shapes and lowers it for a device. Returns how that went, with a message in the context if
 * it was refused; whether the rest goes well, sanitizers say. what: the spoilt draw, for people. */
enum { TABLE_SPOILT = 1024 };
vkd_status table_spoil(vkd_context *context, const vkd_caps *caps, vkd_random *random,
                       const table_case *row, char what[TABLE_SPOILT]);

/* What was met of a row: of its first tensor, types (bits by vkd_dtype) and ranks; of its own
 * dispatches, layouts (bits by vkd_layout) and kernels. */
typedef struct table_seen {
    const vkd_op *row;
    uint32_t types, least_rank, most_rank, layouts;
    bool kernels[VKD_SHADER_COUNT];
} table_seen;
/* Draws a case and lowers it for a device, which it does not need. */
vkd_status table_observe(vkd_context *context, const vkd_caps *caps, vkd_random *random,
                         const table_case *row, table_seen *out);

#endif
