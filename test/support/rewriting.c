#include "support/rewriting.h"
#include "support/open_ops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

/* An operator of which no rule knows anything. */
static const vkd_param some_parameters[] = {VKD_TENSOR(view_args, x), VKD_OUTPUT(view_args, y),
                                            VKD_PARAMS_END};
static const vkd_op some_rows[] = {
    {.name = "some.op", .params = some_parameters, .args_size = sizeof(view_args)}};
static const vkd_op_table some_table = VKD_OP_TABLE(some_rows);

static void keep_quiet(void *user, vkd_log_level level, const char *message)
{
    (void)user, (void)level, (void)message;
}

void rw_begin(rewriting *f)
{
    memset(f, 0, sizeof *f);
    vkd_context_init(&f->context, &(vkd_options){.log = keep_quiet});
    vkd_arena_init(&f->arena, &f->context);
    f->model = (vkd_model){.values = f->values, .ops = f->ops, .outputs = f->outputs};
    const vkd_op_tables *known = open_ops();
    assert_true(known->count < RW_MAX);
    memcpy(f->tables, known->tables, known->count * sizeof *f->tables);
    f->tables[known->count] = &some_table;
    f->all = (vkd_op_tables){f->tables, known->count + 1};
}

uint32_t rw_value(rewriting *f, vkd_model_value value)
{
    f->values[f->model.value_count] = value;
    return (uint32_t)f->model.value_count++;
}

uint32_t rw_tensor4(rewriting *f, vkd_dtype dtype, uint32_t h)
{
    return rw_value(
        f, (vkd_model_value){
               .kind = VKD_VALUE_TENSOR,
               .tensor = {.dtype = dtype, .rank = 4, .dims = {1, 8, h, h}, .size = 8 * h * h}});
}

uint32_t rw_number(rewriting *f, double d)
{
    return rw_value(f, (vkd_model_value){.kind = VKD_VALUE_DOUBLE, .d = d});
}
uint32_t rw_int(rewriting *f, int64_t i)
{
    return rw_value(f, (vkd_model_value){.kind = VKD_VALUE_INT, .i = i});
}
uint32_t rw_null(rewriting *f) { return rw_value(f, (vkd_model_value){.kind = VKD_VALUE_NULL}); }

uint32_t rw_ints(rewriting *f, const int64_t *items, size_t count)
{
    return rw_value(
        f, (vkd_model_value){.kind = VKD_VALUE_INT_LIST, .list = {.count = count, .ints = items}});
}

uint32_t rw_string(rewriting *f, const char *text)
{
    return rw_value(f, (vkd_model_value){.kind = VKD_VALUE_STRING, .string = text});
}

uint32_t rw_constant(rewriting *f)
{
    static const int32_t data[1];
    return rw_value(f, (vkd_model_value){.kind = VKD_VALUE_TENSOR,
                                         .tensor = {.dtype = VKD_DTYPE_INT32,
                                                    .rank = 1,
                                                    .dims = {1},
                                                    .data = data,
                                                    .size = sizeof data}});
}

void rw_op(rewriting *f, const char *name, size_t count, const uint32_t *args)
{
    size_t i = f->model.op_count++;
    memcpy(f->args[i], args, count * sizeof *args);
    f->ops[i] = (vkd_model_op){
        .name = name, .node_id = (uint32_t)i, .arg_count = count, .args = f->args[i]};
}
#define RW_OP(f, name, ...)                                                                        \
    rw_op(f, name, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

void rw_quantize(rewriting *f, uint32_t x, double scale, int64_t zero, uint32_t y)
{
    RW_OP(f, "quantized_decomposed.quantize_per_tensor.default", x, rw_number(f, scale),
          rw_int(f, zero), rw_int(f, -128), rw_int(f, 127), rw_null(f), y);
}

void rw_dequantize(rewriting *f, uint32_t x, double scale, int64_t zero, uint32_t y)
{
    RW_OP(f, "quantized_decomposed.dequantize_per_tensor.default", x, rw_number(f, scale),
          rw_int(f, zero), rw_int(f, -128), rw_int(f, 127), rw_null(f), rw_null(f), y);
}

/* NAN: null. relu has no bounds; without a name there is no operator. */
void rw_clamp(rewriting *f, const char *name, uint32_t x, float low, float high, uint32_t y)
{
    if (name && !strcmp(name, "aten.relu.default"))
        RW_OP(f, name, x, y);
    else if (name)
        RW_OP(f, name, x, isnan(low) ? rw_null(f) : rw_number(f, low),
              isnan(high) ? rw_null(f) : rw_number(f, high), y);
}

void rw_output(rewriting *f, uint32_t value) { f->outputs[f->model.output_count++] = value; }

void rw_rewrite_without(rewriting *f, uint32_t skip)
{
    if (vkd_net_bind(&f->net, &f->model, &f->all, &f->arena) != VKD_OK)
        fail_msg("%s", f->context.error);
    assert_int_equal(vkd_rewrite(&f->net, skip), VKD_OK);
}

/* Chains would take what the other rules leave. */
void rw_rewrite(rewriting *f) { rw_rewrite_without(f, VKD_REWRITE_CHAINS); }

const vkd_call *rw_call(const rewriting *f, size_t index)
{
    assert_true(index < f->net.call_count);
    return &f->net.calls[index];
}

/* dequantize -> clamp -> quantize */
void rw_clamp_model(rewriting *f, const rw_clamp_case *c, double y_scale)
{
    rw_begin(f);
    uint32_t x = rw_tensor4(f, VKD_DTYPE_INT8, 4), xf = rw_tensor4(f, VKD_DTYPE_FLOAT32, 4),
             yf = rw_tensor4(f, VKD_DTYPE_FLOAT32, 4);
    uint32_t y = rw_tensor4(f, VKD_DTYPE_INT8, 4);
    rw_dequantize(f, x, c->q.scale, c->q.zero, xf);
    rw_clamp(f, c->name, xf, c->low, c->high, yf);
    rw_quantize(f, yf, y_scale, c->q.zero, y);
    rw_output(f, y);
}
