/* The argument decoder: types, coercions, lists, and what its errors say. Needs no device. */
#include "graph/decode.h"
#include "support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct all_args {
    uint32_t x, constant, optional;
    float scale;
    int32_t zero;
    bool flag;
    const char *text;
    int32_t pair[2], stride[2];
    vkd_int_list dims;
    uint32_t y[2];
} all_args;

static const vkd_param all_params[] = {
    VKD_TENSOR(all_args, x),
    VKD_CONSTANT(all_args, constant),
    VKD_OPTIONAL_CONSTANT(all_args, optional),
    VKD_FLOAT(all_args, scale),
    VKD_INT(all_args, zero),
    VKD_BOOL(all_args, flag),
    VKD_STRING(all_args, text),
    VKD_INTS(all_args, pair, 2),
    VKD_INTS_OR_EMPTY(all_args, stride, 2),
    VKD_INT_LIST(all_args, dims),
    VKD_IGNORED("dtype"),
    VKD_OUTPUTS(all_args, y, 2),
    VKD_PARAMS_END,
};
enum { X, CONSTANT, OPTIONAL, SCALE, ZERO, FLAG, TEXT, PAIR, STRIDE, DIMS, DTYPE, Y, COUNT };

/* An operator with good arguments; tests exchange one of them. */
typedef struct fixture {
    hand_model m;
    vkd_context context;
    vkd_arena arena;
    uint32_t args[COUNT];
    all_args decoded;
} fixture;

static void keep_quiet(void *user, vkd_log_level level, const char *message)
{
    (void)user, (void)level, (void)message;
}

static const uint32_t dims[] = {1, 4};
static const int32_t data[4];

static void prepare(fixture *f)
{
    vkd_arena_release(&f->arena);
    memset(f, 0, sizeof *f);
    vkd_context_init(&f->context, &(vkd_options){.log = keep_quiet});
    vkd_arena_init(&f->arena, &f->context);
    hand_model *m = &f->m;
    f->args[X] = hand_input(m, VKD_DTYPE_FLOAT32, 2, dims);
    f->args[CONSTANT] = hand_constant(m, VKD_DTYPE_INT32, 2, dims, data);
    f->args[OPTIONAL] = hand_constant(m, VKD_DTYPE_INT32, 2, dims, data);
    f->args[SCALE] = hand_double(m, 0.25);
    f->args[ZERO] = hand_int(m, -7);
    f->args[FLAG] = hand_bool(m, true);
    f->args[TEXT] = hand_string(m, "relu");
    f->args[PAIR] = hand_pair(m, 3, 5);
    f->args[STRIDE] = hand_pair(m, 2, 1);
    f->args[DIMS] = hand_ints(m, 3, (int64_t[]){-1, 2, 4});
    f->args[DTYPE] = hand_null(m);
    f->args[Y] = hand_output(m, VKD_DTYPE_FLOAT32, 2, dims);
}

static int setup(void **state)
{
    static fixture f;
    vkd_context_init(&f.context, NULL);
    vkd_arena_init(&f.arena, &f.context);
    *state = &f;
    prepare(&f);
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    vkd_arena_release(&f->arena);
    assert_int_equal(f->context.host_bytes, 0);
    return 0;
}

static vkd_status decode_count(fixture *f, size_t count)
{
    memset(&f->decoded, 0xee, sizeof f->decoded);
    vkd_model_op op = {.name = "test.op", .node_id = 17, .arg_count = count, .args = f->args};
    return vkd_args_decode(&f->arena, hand_finish(&f->m), &op, all_params, &f->decoded);
}

static vkd_status decode(fixture *f) { return decode_count(f, COUNT); }

/* The operator is refused, and the message names it, its node and the parameter. */
static void assert_refused(fixture *f, const char *parameter)
{
    char name[64];
    snprintf(name, sizeof name, "(%s)", parameter);
    assert_int_equal(decode(f), VKD_INVALID_MODEL);
    assert_non_null(strstr(f->context.error, "'test.op' (node 17)"));
    if (!strstr(f->context.error, name))
        fail_msg("'%s' does not name %s", f->context.error, parameter);
}

static void decodes_every_kind(void **state)
{
    fixture *f = *state;
    prepare(f);
    assert_int_equal(decode(f), VKD_OK);
    const all_args *a = &f->decoded;
    assert_int_equal(a->x, f->args[X]);
    assert_int_equal(a->constant, f->args[CONSTANT]);
    assert_int_equal(a->optional, f->args[OPTIONAL]);
    assert_true(a->scale == 0.25f);
    assert_int_equal(a->zero, -7);
    assert_true(a->flag);
    assert_string_equal(a->text, "relu");
    assert_int_equal(a->pair[0], 3);
    assert_int_equal(a->pair[1], 5);
    assert_int_equal(a->stride[0], 2);
    assert_int_equal(a->dims.count, 3);
    assert_int_equal(a->dims.items[0], -1);
    assert_int_equal(a->dims.items[2], 4);
    assert_int_equal(a->y[0], f->args[Y]);
    assert_int_equal(a->y[1], VKD_NO_VALUE);
}

static void coerces_scalars(void **state)
{
    fixture *f = *state;
    prepare(f);
    f->args[SCALE] = hand_int(&f->m, 3);
    f->args[ZERO] = hand_double(&f->m, -128.0);
    f->args[FLAG] = hand_int(&f->m, 0);
    f->args[OPTIONAL] = hand_null(&f->m);
    assert_int_equal(decode(f), VKD_OK);
    assert_true(f->decoded.scale == 3.0f);
    assert_int_equal(f->decoded.zero, -128);
    assert_false(f->decoded.flag);
    assert_int_equal(f->decoded.optional, VKD_NO_VALUE);
}

static void refuses_wrong_scalars(void **state)
{
    const double bad_ints[] = {0.5, 2147483648.0, -2147483649.0, NAN, INFINITY};
    fixture *f = *state;
    for (size_t i = 0; i < sizeof bad_ints / sizeof bad_ints[0]; i++) {
        prepare(f);
        f->args[ZERO] = hand_double(&f->m, bad_ints[i]);
        assert_refused(f, "zero");
    }
    prepare(f);
    f->args[ZERO] = hand_int(&f->m, INT64_C(1) << 32);
    assert_refused(f, "zero");
    f->args[ZERO] = f->args[TEXT];
    assert_refused(f, "zero");
    prepare(f);
    f->args[SCALE] = f->args[X];
    assert_refused(f, "scale");
    prepare(f);
    f->args[FLAG] = hand_int(&f->m, 2);
    assert_refused(f, "flag");
    prepare(f);
    f->args[TEXT] = f->args[ZERO];
    assert_refused(f, "text");
}

static void accepts_empty_lists_of_any_type(void **state)
{
    fixture *f = *state;
    prepare(f);
    f->args[STRIDE] = f->args[DIMS] = hand_list(&f->m, 0, NULL);
    assert_int_equal(decode(f), VKD_OK);
    assert_int_equal(f->decoded.stride[0], 0);
    assert_int_equal(f->decoded.stride[1], 0);
    assert_int_equal(f->decoded.dims.count, 0);
    f->args[PAIR] = f->args[STRIDE];
    assert_refused(f, "pair");
}

static void refuses_wrong_lists(void **state)
{
    fixture *f = *state;
    prepare(f);
    f->args[PAIR] = f->args[DIMS]; /* three, not two */
    assert_refused(f, "pair");
    prepare(f);
    f->args[STRIDE] = f->args[DIMS];
    assert_refused(f, "stride");
    prepare(f);
    f->args[PAIR] = hand_pair(&f->m, 1, INT64_C(1) << 40);
    assert_refused(f, "pair");
    prepare(f);
    f->args[DIMS] = hand_list(&f->m, 1, &f->args[X]);
    assert_refused(f, "dims");
    prepare(f);
    f->args[DIMS] = f->args[SCALE];
    assert_refused(f, "dims");
}

static void one_int_stands_for_all(void **state)
{
    fixture *f = *state;
    f->args[PAIR] = f->args[STRIDE] = hand_ints(&f->m, 1, (int64_t[]){4});
    f->args[DIMS] = f->args[ZERO];
    assert_int_equal(decode(f), VKD_OK);
    assert_int_equal(f->decoded.pair[0], 4);
    assert_int_equal(f->decoded.pair[1], 4);
    assert_int_equal(f->decoded.stride[1], 4);
    assert_int_equal(f->decoded.dims.count, 1);
    assert_int_equal(f->decoded.dims.items[0], -7);
    f->args[DIMS] = hand_null(&f->m);
    assert_int_equal(decode(f), VKD_OK);
    assert_int_equal(f->decoded.dims.count, 0);
    f->args[PAIR] = hand_ints(&f->m, 1, (int64_t[]){INT64_C(1) << 40});
    assert_refused(f, "pair");
}

static void refuses_long_int_lists(void **state)
{
    static const int64_t nine[VKD_MAX_RANK + 1];
    fixture *f = *state;
    prepare(f);
    f->args[DIMS] = hand_ints(&f->m, VKD_MAX_RANK, nine);
    assert_int_equal(decode(f), VKD_OK);
    f->m.values[f->args[DIMS]].list.count = VKD_MAX_RANK + 1;
    f->m.values[f->args[DIMS]].list.ints = nine;
    assert_refused(f, "dims");
}

static void refuses_wrong_tensors(void **state)
{
    fixture *f = *state;
    prepare(f);
    f->args[X] = f->args[ZERO];
    assert_refused(f, "x");
    prepare(f);
    f->args[CONSTANT] = f->args[X]; /* no data */
    assert_refused(f, "constant");
    prepare(f);
    f->args[CONSTANT] = f->args[DTYPE]; /* null where it is not optional */
    assert_refused(f, "constant");
    prepare(f);
    f->args[OPTIONAL] = f->args[X];
    assert_refused(f, "optional");
}

static void takes_outputs_from_lists(void **state)
{
    fixture *f = *state;
    prepare(f);
    uint32_t first = f->args[Y], second = hand_tensor(&f->m, VKD_DTYPE_INT32, 2, dims);
    f->args[Y] = hand_list(&f->m, 2, (uint32_t[]){first, second});
    assert_int_equal(decode(f), VKD_OK);
    assert_int_equal(f->decoded.y[0], first);
    assert_int_equal(f->decoded.y[1], second);
    f->args[Y] = hand_list(&f->m, 1, &first);
    assert_int_equal(decode(f), VKD_OK);
    assert_int_equal(f->decoded.y[1], VKD_NO_VALUE);
    f->args[Y] = hand_list(&f->m, 0, NULL);
    assert_refused(f, "y");
    f->args[Y] = hand_list(&f->m, 1, &f->args[ZERO]);
    assert_refused(f, "y");
}

/* ---------------------------------------------------- numbers that may be missing, tensor lists */

typedef struct rare_args {
    vkd_tensor_list parts;
    float low;
    double factors[2];
} rare_args;

static const vkd_param rare_params[] = {
    VKD_TENSOR_LIST(rare_args, parts),
    VKD_OPTIONAL_FLOAT(rare_args, low),
    VKD_DOUBLES_OR_NULL(rare_args, factors, 2),
    VKD_PARAMS_END,
};

static vkd_status decode_rare(fixture *f, uint32_t parts, uint32_t low, uint32_t factors,
                              rare_args *out)
{
    const uint32_t args[] = {parts, low, factors};
    vkd_model_op op = {.name = "test.op", .node_id = 17, .arg_count = 3, .args = args};
    return vkd_args_decode(&f->arena, hand_finish(&f->m), &op, rare_params, out);
}

static void decodes_optional_numbers_and_tensor_lists(void **state)
{
    static const double doubles[] = {2.0, 0.5};
    fixture *f = *state;
    rare_args args;
    prepare(f);
    uint32_t ids[] = {f->args[X], f->args[CONSTANT]}, list = hand_list(&f->m, 2, ids),
             null = f->args[DTYPE];
    uint32_t pair = hand_pair(&f->m, 2, 3), empty = hand_list(&f->m, 0, NULL),
             numbers = hand_ints(&f->m, 0, NULL);
    f->m.values[numbers].kind = VKD_VALUE_DOUBLE_LIST;
    f->m.values[numbers].list.count = 2;
    f->m.values[numbers].list.doubles = doubles;

    assert_int_equal(decode_rare(f, list, f->args[SCALE], numbers, &args), VKD_OK);
    assert_int_equal(args.parts.count, 2);
    assert_int_equal(args.parts.values[1], ids[1]);
    assert_true(args.low == 0.25f && args.factors[0] == 2 && args.factors[1] == 0.5);
    assert_int_equal(decode_rare(f, list, null, null, &args), VKD_OK);
    assert_true(isnan(args.low) && args.factors[0] == 0 && args.factors[1] == 0);
    assert_int_equal(decode_rare(f, list, f->args[ZERO], pair, &args), VKD_OK);
    assert_true(args.low == -7.0f && args.factors[1] == 3);
    assert_int_equal(decode_rare(f, list, null, empty, &args), VKD_OK);

    assert_int_equal(decode_rare(f, list, f->args[TEXT], null, &args), VKD_INVALID_MODEL);
    assert_non_null(strstr(f->context.error, "(low)"));
    /* three */
    assert_int_equal(decode_rare(f, list, null, f->args[DIMS], &args), VKD_INVALID_MODEL);
    assert_int_equal(decode_rare(f, list, null, f->args[ZERO], &args), VKD_INVALID_MODEL);
    assert_non_null(strstr(f->context.error, "(factors)"));
    assert_int_equal(decode_rare(f, empty, null, null, &args), VKD_INVALID_MODEL);
    assert_int_equal(decode_rare(f, f->args[X], null, null, &args), VKD_INVALID_MODEL);
    ids[1] = null;
    assert_int_equal(decode_rare(f, hand_list(&f->m, 2, ids), null, null, &args),
                     VKD_INVALID_MODEL);
    assert_non_null(strstr(f->context.error, "(parts)"));
}

/* ----------------------------------------------------- numbers, SymInts, sizes, several outputs */

typedef struct kind_args {
    vkd_number number, optional_number;
    vkd_sym sym, optional_sym;
    vkd_sym_list sizes;
    vkd_size_list size_list;
    uint32_t state, optional_tensor;
    vkd_tensor_list parts;
    int32_t optional_int;
    const char *optional_string;
    vkd_tensor_list outputs;
    uint32_t output_sym, fused;
} kind_args;

static const vkd_param kind_params[] = {
    VKD_NUMBER(kind_args, number),
    VKD_OPTIONAL_NUMBER(kind_args, optional_number),
    VKD_SYM(kind_args, sym),
    VKD_OPTIONAL_SYM(kind_args, optional_sym),
    VKD_SIZES(kind_args, sizes),
    VKD_SIZE_LIST(kind_args, size_list),
    VKD_MUTATED(kind_args, state),
    VKD_OPTIONAL_TENSOR(kind_args, optional_tensor),
    VKD_OPTIONAL_TENSOR_LIST(kind_args, parts),
    VKD_OPTIONAL_INT(kind_args, optional_int),
    VKD_OPTIONAL_STRING(kind_args, optional_string),
    VKD_OUTPUT_LIST(kind_args, outputs),
    VKD_OUTPUT_SYM(kind_args, output_sym),
    VKD_FUSED(kind_args, fused),
    VKD_PARAMS_END,
};
enum kind {
    NUMBER,
    OPT_NUMBER,
    SYM,
    OPT_SYM,
    SIZES,
    SIZE_LIST,
    STATE,
    OPT_TENSOR,
    PARTS,
    OPT_INT,
    OPT_STRING,
    OUTPUTS,
    OUT_SYM,
    KINDS
};

/* Good arguments for kind_params, and what one of them may be besides. */
typedef struct kinds {
    uint32_t args[KINDS];
    uint32_t x, null, symint, integer, real, flag, text, empty, mixed;
} kinds;

static void prepare_kinds(fixture *f, kinds *k)
{
    hand_model *m = &f->m;
    prepare(f);
    k->x = f->args[X], k->null = f->args[DTYPE], k->symint = hand_symint(m, 12),
    k->integer = f->args[ZERO];
    k->real = f->args[SCALE], k->flag = f->args[FLAG], k->text = f->args[TEXT],
    k->empty = hand_list(m, 0, NULL);
    k->mixed = hand_list(m, 3, (uint32_t[]){k->symint, k->integer, hand_int(m, INT64_C(1) << 40)});
    const uint32_t args[KINDS] = {
        [NUMBER] = k->real,
        [OPT_NUMBER] = k->integer,
        [SYM] = k->symint,
        [OPT_SYM] = k->integer,
        [SIZES] = k->mixed,
        [SIZE_LIST] = k->mixed,
        [STATE] = k->x,
        [OPT_TENSOR] = k->x,
        [PARTS] = hand_list(m, 2, (uint32_t[]){k->x, k->null}),
        [OPT_INT] = k->integer,
        [OPT_STRING] = k->text,
        [OUTPUTS] =
            hand_list(m, 2, (uint32_t[]){f->args[Y], hand_tensor(m, VKD_DTYPE_INT32, 2, dims)}),
        [OUT_SYM] = k->symint,
    };
    memcpy(k->args, args, sizeof args);
}

/* With argument `which` exchanged. */
static vkd_status decode_kind(fixture *f, const kinds *k, enum kind which, uint32_t id,
                              kind_args *out)
{
    uint32_t args[KINDS];
    memcpy(args, k->args, sizeof args);
    args[which] = id;
    *out = (kind_args){.optional_int = 31, .fused = VKD_NO_VALUE};
    vkd_model_op op = {.name = "test.op", .node_id = 17, .arg_count = KINDS, .args = args};
    return vkd_args_decode(&f->arena, hand_finish(&f->m), &op, kind_params, out);
}

static void decodes_the_other_kinds(void **state)
{
    fixture *f = *state;
    kinds k;
    kind_args a;
    prepare_kinds(f, &k);
    if (decode_kind(f, &k, NUMBER, k.real, &a) != VKD_OK)
        fail_msg("%s", f->context.error);
    assert_true(a.number.kind == VKD_NUMBER_DOUBLE && a.number.real == 0.25);
    assert_true(a.optional_number.kind == VKD_NUMBER_INT && a.optional_number.number == -7 &&
                a.optional_number.real == -7.0);
    assert_true(a.sym.value == k.symint);
    assert_true(a.optional_sym.value == VKD_NO_VALUE && a.optional_sym.number == -7);
    assert_true(a.sizes.count == 3 && a.sizes.items[0].value == k.symint &&
                a.sizes.items[1].number == -7);
    assert_true(a.sizes.items[2].value == VKD_NO_VALUE && a.sizes.items[2].number == INT64_C(1)
                                                                                         << 40);
    assert_true(a.size_list.count == 3 && a.size_list.items[0].value == k.symint &&
                a.size_list.items[1].number == -7);
    assert_true(a.state == k.x && a.optional_tensor == k.x && a.output_sym == k.symint);
    assert_true(a.parts.count == 2 && a.parts.values[0] == k.x &&
                a.parts.values[1] == VKD_NO_VALUE);
    assert_int_equal(a.optional_int, -7);
    assert_string_equal(a.optional_string, "relu");
    assert_true(a.outputs.count == 2 && a.outputs.values[0] == f->args[Y]);
    assert_int_equal(a.fused, VKD_NO_VALUE); /* no argument of a file */
}

/* A bool is a number, a SymInt one that is known later. */
static void numbers_know_what_they_are(void **state)
{
    fixture *f = *state;
    kinds k;
    kind_args a;
    prepare_kinds(f, &k);
    assert_int_equal(decode_kind(f, &k, NUMBER, k.flag, &a), VKD_OK);
    assert_true(a.number.kind == VKD_NUMBER_INT && a.number.number == 1 && a.number.real == 1.0);
    assert_int_equal(decode_kind(f, &k, NUMBER, k.symint, &a), VKD_OK);
    assert_true(a.number.kind == VKD_NUMBER_SYM && a.number.value == k.symint);
    assert_int_equal(decode_kind(f, &k, NUMBER, hand_int(&f->m, (INT64_C(1) << 53) + 1), &a),
                     VKD_OK);
    assert_true(a.number.number == (INT64_C(1) << 53) + 1); /* no double has it */
}

static void what_is_optional_may_be_null(void **state)
{
    fixture *f = *state;
    kinds k;
    kind_args a;
    prepare_kinds(f, &k);
    assert_int_equal(decode_kind(f, &k, OPT_NUMBER, k.null, &a), VKD_OK);
    assert_int_equal(a.optional_number.kind, VKD_NUMBER_NULL);
    assert_int_equal(decode_kind(f, &k, OPT_SYM, k.null, &a), VKD_OK);
    assert_true(a.optional_sym.number == VKD_SYM_NULL && a.optional_sym.value == VKD_NO_VALUE);
    assert_int_equal(decode_kind(f, &k, OPT_TENSOR, k.null, &a), VKD_OK);
    assert_int_equal(a.optional_tensor, VKD_NO_VALUE);
    assert_int_equal(decode_kind(f, &k, OPT_INT, k.null, &a), VKD_OK);
    assert_int_equal(a.optional_int, 31); /* the default stays */
    assert_int_equal(decode_kind(f, &k, OPT_STRING, k.null, &a), VKD_OK);
    assert_null(a.optional_string);
    for (int empty = 0; empty < 2; empty++) {
        assert_int_equal(decode_kind(f, &k, SIZES, empty ? k.empty : k.null, &a), VKD_OK);
        assert_int_equal(a.sizes.count, 0);
    }
    /* a tensor is a list of one */
    assert_int_equal(decode_kind(f, &k, OUTPUTS, f->args[Y], &a), VKD_OK);
    assert_true(a.outputs.count == 1 && a.outputs.values[0] == f->args[Y]);
}

static void refuses_the_other_kinds(void **state)
{
    fixture *f = *state;
    kinds k;
    kind_args a;
    prepare_kinds(f, &k);
    uint32_t wrong_items = hand_list(&f->m, 2, (uint32_t[]){k.integer, k.real});
    uint32_t nine = hand_ints(&f->m, VKD_MAX_RANK, (int64_t[VKD_MAX_RANK]){0});
    static const int64_t zeros[VKD_MAX_RANK + 1];
    f->m.values[nine].list.ints = zeros;
    f->m.values[nine].list.count = VKD_MAX_RANK + 1;
    uint32_t null_items = hand_list(&f->m, 2, (uint32_t[]){k.x, k.null});
    const struct {
        enum kind which;
        uint32_t id;
    } cases[] = {
        {NUMBER, k.null},        {NUMBER, k.text},
        {NUMBER, k.x},           {OPT_NUMBER, k.empty},
        {SYM, k.null},           {SYM, k.real},
        {SYM, k.flag},           {SYM, k.x},
        {OPT_SYM, k.real},       {SIZES, k.integer},
        {SIZES, wrong_items},    {SIZES, nine},
        {SIZES, k.text},         {SIZE_LIST, k.integer},
        {STATE, k.null},         {STATE, k.integer},
        {OPT_TENSOR, k.integer}, {PARTS, k.x},
        {PARTS, wrong_items},    {PARTS, k.null},
        {OPT_INT, k.text},       {OPT_STRING, k.x},
        {OUTPUTS, null_items},   {OUTPUTS, wrong_items},
        {OUTPUTS, k.integer},    {OUT_SYM, k.x},
        {OUT_SYM, k.null},       {OUT_SYM, k.integer},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[64];
        snprintf(name, sizeof name, "(%s)", kind_params[cases[i].which].name);
        assert_int_equal(decode_kind(f, &k, cases[i].which, cases[i].id, &a), VKD_INVALID_MODEL);
        if (!strstr(f->context.error, "'test.op' (node 17)") || !strstr(f->context.error, name))
            fail_msg("case %zu: '%s' does not name %s", i, f->context.error, name);
    }
}

/* A SymInt is no plain int: it would be compiled into what is good for one number only. */
static void symints_are_no_plain_ints(void **state)
{
    fixture *f = *state;
    prepare(f);
    f->args[ZERO] = hand_symint(&f->m, 3);
    assert_refused(f, "zero");
    prepare(f);
    f->args[SCALE] = hand_symint(&f->m, 3);
    assert_refused(f, "scale");
    prepare(f);
    f->args[PAIR] = hand_list(&f->m, 2, (uint32_t[]){hand_symint(&f->m, 3), f->args[ZERO]});
    assert_refused(f, "pair");
    prepare(f);
    f->args[DIMS] = hand_symint(&f->m, 3);
    assert_refused(f, "dims");
}

static void refuses_wrong_arity(void **state)
{
    fixture *f = *state;
    prepare(f);
    assert_int_equal(decode_count(f, COUNT - 1), VKD_INVALID_MODEL);
    assert_non_null(strstr(f->context.error, "has 11 arguments, expected 12"));
    assert_int_equal(decode_count(f, 0), VKD_INVALID_MODEL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(decodes_every_kind),           TEST(coerces_scalars),
        TEST(refuses_wrong_scalars),        TEST(accepts_empty_lists_of_any_type),
        TEST(refuses_wrong_lists),          TEST(one_int_stands_for_all),
        TEST(refuses_long_int_lists),       TEST(refuses_wrong_tensors),
        TEST(takes_outputs_from_lists),     TEST(decodes_optional_numbers_and_tensor_lists),
        TEST(decodes_the_other_kinds),      TEST(numbers_know_what_they_are),
        TEST(what_is_optional_may_be_null), TEST(refuses_the_other_kinds),
        TEST(symints_are_no_plain_ints),    TEST(refuses_wrong_arity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
