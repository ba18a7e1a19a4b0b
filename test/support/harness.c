#include "support/harness.h"
#include "exec/executor.h"
#include "graph/plan.h"
#include "graph/rewrite.h"
#include "support/lowering.h"
#include "support/open_ops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --------------------------------------------------------------------------------------- models */

static void check_room(size_t count, size_t capacity)
{
    if (count >= capacity) {
        fprintf(stderr, "a hand-made model is too large\n");
        abort();
    }
}

static uint32_t add_value(hand_model *m, vkd_model_value value)
{
    check_room(m->model.value_count, HAND_VALUES);
    m->values[m->model.value_count] = value;
    return (uint32_t)m->model.value_count++;
}

uint32_t hand_tensor(hand_model *m, vkd_dtype dtype, uint32_t rank, const uint32_t *dims)
{
    vkd_model_value value = {.kind = VKD_VALUE_TENSOR,
                             .tensor = {.dtype = dtype, .staging_dtype = dtype, .rank = rank}};
    memcpy(value.tensor.dims, dims, rank * sizeof *dims);
    value.tensor.size = vkd_dims_count(rank, dims) * vkd_dtype_size(dtype);
    return add_value(m, value);
}

uint32_t hand_input(hand_model *m, vkd_dtype dtype, uint32_t rank, const uint32_t *dims)
{
    check_room(m->model.input_count, HAND_LIST);
    return m->inputs[m->model.input_count++] = hand_tensor(m, dtype, rank, dims);
}

void hand_mark_output(hand_model *m, uint32_t value)
{
    check_room(m->model.output_count, HAND_LIST);
    m->outputs[m->model.output_count++] = value;
}

uint32_t hand_output(hand_model *m, vkd_dtype dtype, uint32_t rank, const uint32_t *dims)
{
    uint32_t value = hand_tensor(m, dtype, rank, dims);
    hand_mark_output(m, value);
    return value;
}

uint32_t hand_constant(hand_model *m, vkd_dtype dtype, uint32_t rank, const uint32_t *dims,
                       const void *data)
{
    uint32_t value = hand_tensor(m, dtype, rank, dims);
    m->values[value].tensor.data = data;
    return value;
}

uint32_t hand_null(hand_model *m)
{
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_NULL});
}

uint32_t hand_int(hand_model *m, int64_t value)
{
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_INT, .i = value});
}

uint32_t hand_symint(hand_model *m, int64_t value)
{
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_SYMINT, .i = value});
}

uint32_t hand_double(hand_model *m, double value)
{
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_DOUBLE, .d = value});
}

uint32_t hand_bool(hand_model *m, bool value)
{
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_BOOL, .b = value});
}

uint32_t hand_string(hand_model *m, const char *value)
{
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_STRING, .string = value});
}

uint32_t hand_ints(hand_model *m, size_t count, const int64_t *items)
{
    check_room(m->list_count, HAND_LISTS);
    check_room(count, HAND_LIST + 1);
    int64_t *copy = m->ints[m->list_count++];
    if (count)
        memcpy(copy, items, count * sizeof *items);
    return add_value(
        m, (vkd_model_value){.kind = VKD_VALUE_INT_LIST, .list = {.count = count, .ints = copy}});
}

uint32_t hand_doubles(hand_model *m, size_t count, const double *items)
{
    check_room(m->list_count, HAND_LISTS);
    check_room(count, HAND_LIST + 1);
    double *copy = m->doubles[m->list_count++];
    memcpy(copy, items, count * sizeof *items);
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_DOUBLE_LIST,
                                          .list = {.count = count, .doubles = copy}});
}

uint32_t hand_pair(hand_model *m, int64_t a, int64_t b)
{
    return hand_ints(m, 2, (const int64_t[]){a, b});
}

uint32_t hand_list(hand_model *m, size_t count, const uint32_t *ids)
{
    check_room(m->list_count, HAND_LISTS);
    check_room(count, HAND_LIST + 1);
    uint32_t *copy = m->ids[m->list_count++];
    if (count)
        memcpy(copy, ids, count * sizeof *ids);
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_VALUE_LIST,
                                          .list = {.count = count, .values = copy}});
}

void hand_op(hand_model *m, const char *name, size_t count, const uint32_t *args)
{
    size_t index = m->model.op_count;
    check_room(index, HAND_OPS);
    check_room(count, HAND_ARGS + 1);
    memcpy(m->args[index], args, count * sizeof *args);
    m->ops[index] = (vkd_model_op){
        .name = name, .node_id = (uint32_t)index, .arg_count = count, .args = m->args[index]};
    m->model.op_count++;
}

const vkd_model *hand_finish(hand_model *m)
{
    m->model.values = m->values;
    m->model.ops = m->ops;
    m->model.inputs = m->inputs;
    m->model.outputs = m->outputs;
    return &m->model;
}

/* ------------------------------------------------------------------------------------- fixtures */

bool harness_open(const vkd_options *options, harness *out)
{
    gpu_init(&out->gpu);
    if (options)
        out->gpu.options.int8_dot = options->int8_dot;
    if (gpu_open(&out->gpu) != VKD_OK)
        return false;
    out->caps = *vkd_device_caps(out->gpu.device);
    return true;
}

void harness_close(harness *h) { gpu_close(&h->gpu); }

void harness_each_dot(void (*body)(harness *h, vkd_random *random), vkd_random *random)
{
    static const vkd_int8_dot flavours[] = {VKD_DOT_NONE, VKD_DOT_SIGNED, VKD_DOT_MIXED};
    for (size_t f = 0; f < sizeof flavours / sizeof *flavours; f++) {
        harness h;
        const vkd_options options = {.int8_dot = flavours[f], .no_cache = true};
        if (!harness_open(&options, &h)) {
            print_message("skipped: this device has no int8 dot flavour %d\n", flavours[f]);
            continue;
        }
        body(&h, random);
        harness_close(&h);
    }
}

int harness_setup(void **state)
{
    harness *h = calloc(1, sizeof *h);
    if (!h)
        return -1;
    *state = h;
    if (!gpu_present())
        return 0;
    if (!harness_open(NULL, h)) {
        print_error("%s\n", h->gpu.context.error);
        return -1;
    }
    print_message("device: %s\n", h->caps.name);
    return 0;
}

int harness_teardown(void **state)
{
    harness *h = *state;
    if (h->gpu.device)
        harness_close(h);
    free(h);
    return 0;
}

harness *harness_get(void **state)
{
    gpu_needed();
    return *state;
}

/* -------------------------------------------------------------------------------------- running */

static vkd_status execute(harness *h, const vkd_model *model, const vkd_graph *graph,
                          const void *const *inputs, void *const *outputs)
{
    vkd_executor *executor;
    VKD_TRY(vkd_executor_create(h->gpu.device, graph, NULL, false, 1, &executor));
    for (size_t i = 0; i < model->input_count; i++)
        memcpy(vkd_executor_input(executor, 0, i), inputs[i],
               model->values[model->inputs[i]].tensor.size);
    vkd_status status = vkd_executor_run(executor);
    for (size_t i = 0; status == VKD_OK && i < model->output_count; i++)
        memcpy(outputs[i], vkd_executor_output(executor, 0, i),
               model->values[model->outputs[i]].tensor.size);
    vkd_executor_destroy(executor);
    return status;
}

/* skip: as vkd_rewrite has it. */
static vkd_status lower_rewritten(harness *h, const vkd_model *model, uint32_t skip,
                                  vkd_graph *graph, vkd_lowered *lowered)
{
    vkd_net net;
    VKD_TRY(vkd_net_bind(&net, model, open_ops(), graph->arena));
    VKD_TRY(vkd_rewrite(&net, skip));
    return lowering_of_net(&h->gpu.context, &net, &h->caps, NULL, graph, lowered);
}

/* skip: null leaves the model as it is. */
static vkd_status run(harness *h, const vkd_model *model, const char *variant, const uint32_t *skip,
                      const void *const *inputs, void *const *outputs, size_t *out_nodes)
{
    vkd_arena arena;
    vkd_graph graph;
    vkd_lowered lowered;
    vkd_arena_init(&arena, &h->gpu.context);
    vkd_graph_init(&graph, &arena);
    vkd_status status =
        skip ? lower_rewritten(h, model, *skip, &graph, &lowered)
             : lowering_of_model(&h->gpu.context, model, &h->caps, variant, &graph, &lowered);
    if (status == VKD_OK)
        status = vkd_plan_memory(&graph, h->caps.storage_alignment, true);
    if (status == VKD_OK)
        status = execute(h, model, &graph, inputs, outputs);
    *out_nodes = graph.node_count;
    vkd_arena_release(&arena);
    return status;
}

vkd_status harness_run(harness *h, const vkd_model *model, const char *variant,
                       const void *const *inputs, void *const *outputs)
{
    size_t nodes;
    return run(h, model, variant, NULL, inputs, outputs, &nodes);
}

vkd_status harness_run_rewritten(harness *h, const vkd_model *model, uint32_t skip,
                                 const void *const *inputs, void *const *outputs, size_t *out_nodes)
{
    return run(h, model, NULL, &skip, inputs, outputs, out_nodes);
}

void harness_assert_int8(const int8_t *got, const int8_t *expected, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++)
        if (got[i] != expected[i])
            fail_msg("%s: element %zu of %zu is %d, expected %d", what, i, count, got[i],
                     expected[i]);
}

void harness_must_run(harness *h, hand_model *m, const void *const *inputs, void *const *outputs,
                      const char *what)
{
    vkd_status status = harness_run(h, hand_finish(m), NULL, inputs, outputs);
    if (status != VKD_OK)
        fail_msg("%s: %s: %s", what, vkd_status_name(status), h->gpu.context.error);
}

void *checked_alloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    assert_non_null(memory);
    return memory;
}
