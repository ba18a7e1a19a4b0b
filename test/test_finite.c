/* Constants that must be finite (graph/finite.h): each kind of call and number, and that their
 * bytes are looked at once, however many calls share them. Needs no device. */
#include "graph/finite.h"
#include "support/lowering.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static size_t looks; /* test/CMakeLists.txt puts this counter in between */

double __real_vkd_element_get(vkd_dtype dtype, const void *data, size_t index);
double __wrap_vkd_element_get(vkd_dtype dtype, const void *data, size_t index);
double __wrap_vkd_element_get(vkd_dtype dtype, const void *data, size_t index)
{
    looks++;
    return __real_vkd_element_get(dtype, data, index);
}

typedef struct two {
    uint32_t scales, bias;
} two;
static const vkd_param params[] = {VKD_IGNORED("x"), VKD_FINITE(two, scales),
                                   VKD_OPTIONAL_FINITE(two, bias), VKD_PARAMS_END};
static const vkd_op rows[] = {{"my.op.default", params, sizeof(two), NULL, NULL}};
static const vkd_op_table table = VKD_OP_TABLE(rows);
static const vkd_op_table *const table_list[] = {&table};
static const vkd_op_tables tables = {table_list, 1};

/* A model of such operators. */
enum { MOST = 512 };
typedef struct fixture {
    vkd_context context;
    vkd_arena arena;
    vkd_net net;
    vkd_model_value values[2 * MOST + 1]; /* the last is Null */
    vkd_model_op ops[MOST];
    uint32_t args[MOST][3];
    size_t count;
} fixture;

static void begin(fixture *f)
{
    memset(f, 0, sizeof *f);
    vkd_context_init(&f->context, &(vkd_options){.log = lowering_keep_quiet});
    vkd_arena_init(&f->arena, &f->context);
}

static void set(vkd_model_value *value, vkd_dtype dtype, const void *data, uint32_t count)
{
    *value = (vkd_model_value){.kind = VKD_VALUE_TENSOR,
                               .tensor = {.dtype = dtype,
                                          .rank = 1,
                                          .dims = {count},
                                          .data = data,
                                          .size = count * vkd_dtype_size(dtype)}};
}

/* bias may be null */
static void add(fixture *f, vkd_dtype dtype, const void *scales, const void *bias, uint32_t count)
{
    uint32_t first = (uint32_t)(2 * f->count), *args = f->args[f->count];
    set(&f->values[first], dtype, scales, count);
    set(&f->values[first + 1], dtype, bias, count);
    args[0] = 2 * MOST, args[1] = first, args[2] = bias ? first + 1 : 2 * MOST;
    f->ops[f->count] = (vkd_model_op){
        .name = "my.op.default", .node_id = (uint32_t)(7 + f->count), .arg_count = 3, .args = args};
    f->count++;
}

static vkd_status bind(fixture *f)
{
    const vkd_model model = {
        .values = f->values, .value_count = 2 * MOST + 1, .ops = f->ops, .op_count = f->count};
    looks = 0;
    return vkd_net_bind(&f->net, &model, &tables, &f->arena);
}

static void end(fixture *f)
{
    vkd_arena_release(&f->arena);
    assert_int_equal(f->context.host_bytes, 0);
}

static void refuses(vkd_dtype dtype, const void *scales, const void *bias, const char *says)
{
    static fixture f;
    begin(&f);
    add(&f, dtype, scales, bias, 3);
    vkd_status status = bind(&f);
    if (status != (says ? VKD_INVALID_MODEL : VKD_OK) || (says && !strstr(f.context.error, says)))
        fail_msg("%s, \"%s\": expected \"%s\"", vkd_status_name(status), f.context.error,
                 says ? says : "");
    end(&f);
}

static void what_is_refused(void **state)
{
    static const float good[] = {1, -0.0f, 3e38f}, nan_first[] = {NAN, 1, 1},
                       plus_last[] = {1, 2, INFINITY}, minus[] = {1, -INFINITY, NAN};
    static const uint16_t halves[] = {0x3c00, 0x7bff, 0x8000}, half_nan[] = {0x3c00, 0x7e00, 0};
    static const int32_t ints[] = {-1, 0x7fc00000, 0x7f800000};
    unsigned char odd[13];
    memcpy(odd + 1, plus_last, sizeof plus_last);
    (void)state;
    refuses(VKD_DTYPE_FLOAT32, good, good, NULL);
    refuses(VKD_DTYPE_FLOAT32, good, NULL, NULL);
    refuses(VKD_DTYPE_FLOAT32, nan_first, good,
            "operator 'my.op.default' (node 7): argument 1 (scales) is nan at index 0, expected "
            "finite numbers");
    refuses(VKD_DTYPE_FLOAT32, good, plus_last, "argument 2 (bias) is inf at index 2");
    refuses(VKD_DTYPE_FLOAT32, odd + 1, NULL, "argument 1 (scales) is inf at index 2");
    refuses(VKD_DTYPE_FLOAT32, minus, NULL, "argument 1 (scales) is -inf at index 1");
    refuses(VKD_DTYPE_FLOAT16, halves, halves, NULL);
    refuses(VKD_DTYPE_FLOAT16, half_nan, NULL, "argument 1 (scales) is nan at index 1");
    refuses(VKD_DTYPE_INT32, ints, ints, NULL); /* another type is for the operator to refuse */
}

/* All calls have the same bytes, or each begins an element later than the one before it. */
static void shared_bytes_are_looked_at_once(void **state)
{
    static float numbers[4 * MOST];
    static fixture f;
    (void)state;
    for (size_t step = 0; step < 2; step++) {
        begin(&f);
        for (size_t i = MOST; i-- > 0;)
            add(&f, VKD_DTYPE_FLOAT32, numbers + step * i, numbers, 3 * MOST);
        assert_int_equal(bind(&f), VKD_OK);
        assert_int_equal(looks, 3 * MOST + step * (MOST - 1));
        end(&f);
    }
    numbers[4 * MOST - 2] = NAN; /* the last of the last but one alone */
    begin(&f);
    for (size_t i = 0; i < MOST; i++)
        add(&f, VKD_DTYPE_FLOAT32, numbers + (i == 3 ? MOST - 1 : 0), NULL, 3 * MOST);
    assert_int_equal(bind(&f), VKD_INVALID_MODEL);
    assert_non_null(strstr(f.context.error, "(node 10): argument 1 (scales) is nan at index 1535"));
    end(&f);
    static const uint32_t bits[] = {0x807f7f7f, 0, 0}; /* a small number, or a NaN of 16 bits */
    begin(&f);
    add(&f, VKD_DTYPE_FLOAT32, bits, NULL, 3);
    add(&f, VKD_DTYPE_FLOAT16, bits, NULL, 3);
    assert_int_equal(bind(&f), VKD_INVALID_MODEL);
    assert_non_null(strstr(f.context.error, "(node 8): argument 1 (scales) is nan at index 0"));
    end(&f);
}

static const vkd_param *param_of(const vkd_op *row, const char *name)
{
    for (const vkd_param *p = row->params; p->kind != VKD_PARAM_END; p++)
        if (!strcmp(p->name, name))
            return p;
    return NULL;
}

/* The rows of the library that sum in int8: they have the weights' sums. */
static void int8_rows_say_so(void **state)
{
    size_t found = 0;
    (void)state;
    for (size_t t = 0; t < vkd_ops.count; t++)
        for (size_t i = 0; i < vkd_ops.tables[t]->count; i++) {
            const vkd_op *row = &vkd_ops.tables[t]->rows[i];
            const vkd_param *sums = param_of(row, "weight_sums");
            if (!sums || sums->kind != VKD_PARAM_CONSTANT)
                continue;
            assert_int_equal(param_of(row, "weight_scales")->kind, VKD_PARAM_FINITE);
            assert_int_equal(param_of(row, "bias")->kind, VKD_PARAM_OPTIONAL_FINITE);
            found++;
        }
    print_message("%zu rows\n", found);
    assert_true(found >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(shared_bytes_are_looked_at_once),
        cmocka_unit_test(int8_rows_say_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
