/* A delegate's life: init and destroy. */
#include "backend/delegate.h"
#include "graph/plan.h"
#include "graph/rewrite.h"
#include "ops/conv_measure.h"
#include "ops/conv_trial.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* -------------------------------------------------------------------------------------------------- compile specs */

/* What the file's compile specs ask for; sizes as ExecuTorch writes them. Storage types and layouts are the file's private
 * hints, the rest was for the exporter. */
static const struct {
    const char *key;
    size_t size;
} known_specs[] = {
    {"storage_type_override", 4},
    {"memory_layout_override", 4},
    {"texture_limits_x", 4},
    {"texture_limits_y", 4},
    {"texture_limits_z", 4},
    {"require_dynamic_shapes", 1},
    {"downcast_64_bit", 1},
    {"force_fp16", 1},
    {"small_texture_limits", 1},
    {"skip_memory_planning", 1},
    {"skip_bool_tensors", 1},
    {"skip_tag_memory_metadata", 1},
    {"warmup_execute_after_compile", 1},
};

vkd_status vkd_read_specs(vkd_context *context, const vkd_compile_spec *specs, size_t count, bool *out_warm_up)
{
    *out_warm_up = false;
    for (size_t i = 0; i < count; i++) {
        if (!specs[i].key || (specs[i].size && !specs[i].value))
            return vkd_fail(context, VKD_INVALID_ARGUMENT, "compile spec %zu has a null pointer", i);
        for (size_t k = 0; k < sizeof known_specs / sizeof *known_specs; k++)
            if (!strcmp(specs[i].key, known_specs[k].key) && specs[i].size != known_specs[k].size)
                return vkd_fail(context, VKD_INVALID_MODEL, "compile spec '%s' has %zu bytes: it must have %zu", specs[i].key,
                                specs[i].size, known_specs[k].size);
        if (!strcmp(specs[i].key, "warmup_execute_after_compile"))
            *out_warm_up = *(const unsigned char *)specs[i].value != 0;
    }
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------------------------------ init */

/* Lowers without a tuner and appends the nodes to `all`, to learn which kernels there will be. */
static vkd_status lower_ahead(vkd_delegate *delegate, const vkd_caps *caps, const char *conv_variant, vkd_graph *all,
                              vkd_lowered *out)
{
    vkd_graph graph;
    vkd_graph_init(&graph, all->arena);
    VKD_TRY(vkd_lower_model(&delegate->context, &delegate->model, caps, conv_variant, NULL, &graph, out));
    for (size_t i = 0; i < graph.node_count; i++)
        VKD_TRY(vkd_graph_add_node(all, &graph.nodes[i]));
    return VKD_OK;
}

/* The variants that the tuner would time for any of the convolutions, each in a graph of its own. */
static vkd_status lower_rivals(vkd_delegate *delegate, const vkd_caps *caps, const vkd_lowered *lowered, vkd_graph *all)
{
    enum { MAX_RIVALS = 64 };
    const char *rivals[MAX_RIVALS];
    size_t rival_count = 0;
    for (size_t s = 0; s < lowered->selection_count; s++) {
        const vkd_selection_info *selection = &lowered->selections[s];
        size_t order[VKD_TUNER_TRIES], ordered = vkd_tuner_line_up(selection->candidates, selection->candidate_count, order);
        for (size_t k = 0; k < ordered && rival_count < MAX_RIVALS; k++) {
            const char *name = selection->candidates[order[k]].variant;
            bool known = false;
            for (size_t r = 0; r < rival_count; r++)
                known |= !strcmp(rivals[r], name);
            if (!known)
                rivals[rival_count++] = name;
        }
    }
    for (size_t r = 0; r < rival_count; r++) {
        vkd_lowered unused;
        VKD_TRY(lower_ahead(delegate, caps, rivals[r], all, &unused));
    }
    return VKD_OK;
}

/* Estimated microseconds of the convolutions. */
static double estimate_of(const vkd_lowered *lowered)
{
    double sum = 0;
    for (size_t s = 0; s < lowered->selection_count; s++) {
        const vkd_selection_info *selection = &lowered->selections[s];
        for (size_t i = 0; i < selection->candidate_count; i++)
            if (!strcmp(selection->candidates[i].variant, selection->winner))
                sum += selection->candidates[i].cost_us;
    }
    return sum;
}

/* What goes before lowering with a tuner: compiles the kernels that it will look at one after another all at once, and measures
 * where the options ask for it. The estimates of a CPU device are probed before, where that is worth it: a small model would
 * have to run very often. */
static vkd_status prepare(vkd_delegate *delegate, const vkd_options *options, vkd_tuner *tuner, vkd_arena *arena,
                          vkd_caps *caps)
{
    const double worth_probing_us = 3000;
    vkd_graph all;
    vkd_lowered lowered;
    vkd_graph_init(&all, arena);
    VKD_TRY(lower_ahead(delegate, caps, options->conv_variant, &all, &lowered));
    if (caps->type == VKD_TYPE_CPU && !options->conv_variant && estimate_of(&lowered) > worth_probing_us) {
        VKD_TRY(conv2d_probe(&delegate->context, tuner, caps));
        vkd_graph_init(&all, arena);
        VKD_TRY(lower_ahead(delegate, caps, NULL, &all, &lowered));
    }
    if (options->conv_select != VKD_SELECT_MEASURE || options->conv_variant)
        return vkd_executor_prepare(delegate->device, &all);
    conv2d_wish *wishes;
    size_t wish_count;
    VKD_TRY(lower_rivals(delegate, caps, &lowered, &all));
    VKD_TRY(vkd_executor_prepare(delegate->device, &all));
    VKD_TRY(conv2d_wishes(arena, &lowered, &wishes, &wish_count));
    return conv2d_measure(&delegate->context, tuner, caps, wishes, wish_count);
}

static vkd_status lower(vkd_delegate *delegate, const vkd_options *options, vkd_tuner *tuner)
{
    vkd_caps caps = *vkd_device_caps(delegate->device);
    vkd_arena arena;
    vkd_arena_init(&arena, &delegate->context);
    vkd_status status = prepare(delegate, options, tuner, &arena, &caps);
    vkd_arena_release(&arena);
    vkd_graph_init(&delegate->graph, &delegate->arena);
    if (status == VKD_OK)
        status = vkd_lower_model(&delegate->context, &delegate->model, &caps, options->conv_variant, tuner, &delegate->graph,
                                 &delegate->lowered);
    return status;
}

/* Lowers with a tuner around it: what it finds out is written down in any case. */
static vkd_status build_graph(vkd_delegate *delegate, const vkd_options *options)
{
    vkd_tuner *tuner;
    if (!options->no_rewrites)
        VKD_TRY(vkd_rewrite(&delegate->model, options->skip_rewrites, &delegate->arena));
    VKD_TRY(vkd_tuner_create(delegate->device, options, conv2d_table_sum(), &tuner));
    vkd_status status = lower(delegate, options, tuner);
    vkd_tuner_destroy(tuner);
    VKD_TRY(status);
    return vkd_plan(&delegate->graph, vkd_device_caps(delegate->device)->storage_alignment, !options->keep_intermediates);
}

static const char *family_of(const conv2d_variant *variant) { return variant->family; }
static const char *tile_of(const conv2d_variant *variant) { return variant->tile ? variant->tile->name : NULL; }

/* Each part of the variants' names once: "general, pointwise, ...". */
static void list_parts(const char *(*part_of)(const conv2d_variant *), char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < conv2d_variant_count && used < size; i++) {
        const char *part = part_of(&conv2d_variants[i]);
        size_t first = 0;
        while (part && (!part_of(&conv2d_variants[first]) || strcmp(part_of(&conv2d_variants[first]), part)))
            first++;
        if (part && first == i)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", part);
    }
}

static vkd_status check_variant(vkd_context *context, const char *name)
{
    for (size_t i = 0; name && i < conv2d_variant_count; i++)
        if (conv2d_is_named(&conv2d_variants[i], name))
            return VKD_OK;
    if (!name)
        return VKD_OK;
    char families[sizeof context->error], tiles[sizeof context->error];
    list_parts(family_of, families, sizeof families);
    list_parts(tile_of, tiles, sizeof tiles);
    return vkd_fail(context, VKD_INVALID_ARGUMENT,
                    "vkd_options.conv_variant is '%.64s', no such variant: there are the families %s, with the tiles %s", name,
                    families, tiles);
}

/* Numbers that have a largest value, the enums among them; an enum that is negative is a large number here. */
static vkd_status check_numbers(vkd_context *context, const vkd_options *options)
{
    enum { ALL_REWRITES = 2 * VKD_REWRITE_FUSE_DEQUANTIZE - 1 };
    const struct {
        const char *field;
        uint32_t value, most;
    } numbers[] = {
        {"log_level", (uint32_t)options->log_level, VKD_LOG_DEBUG},
        {"conv_select", (uint32_t)options->conv_select, VKD_SELECT_MEASURE},
        {"skip_rewrites", options->skip_rewrites, ALL_REWRITES},
        {"in_flight", options->in_flight, VKD_MAX_IN_FLIGHT},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value > numbers[i].most)
            return vkd_fail(context, VKD_INVALID_ARGUMENT, "vkd_options.%s is %" PRIu32 ", the largest possible is %" PRIu32,
                            numbers[i].field, numbers[i].value, numbers[i].most);
    return VKD_OK;
}

void vkd_delegate_set_order(vkd_delegate *delegate, size_t argument, const uint8_t order[VKD_MAX_RANK])
{
    const vkd_graph *graph = &delegate->graph;
    const bool is_input = argument < graph->input_count;
    const vkd_tensor *tensor =
        &graph->tensors[is_input ? graph->inputs[argument] : graph->outputs[argument - graph->input_count]];
    vkd_border_init(&delegate->borders[argument], tensor->rank, tensor->dims, order);
}

static vkd_status create_borders(vkd_delegate *delegate)
{
    const size_t count = delegate->graph.input_count + delegate->graph.output_count;
    delegate->borders = vkd_arena_alloc(&delegate->arena, count, sizeof *delegate->borders);
    if (!delegate->borders)
        return vkd_fail_memory(&delegate->context, "the inputs' and outputs' order");
    for (size_t i = 0; i < count; i++)
        vkd_delegate_set_order(delegate, i, NULL);
    return VKD_OK;
}

/* What there is once for each execution in flight. */
static vkd_status create_flights(vkd_delegate *delegate, const vkd_options *options)
{
    delegate->flight_count = options->in_flight ? options->in_flight : 1;
    delegate->flights = vkd_arena_alloc(&delegate->arena, delegate->flight_count, sizeof *delegate->flights);
    if (!delegate->flights)
        return vkd_fail_memory(&delegate->context, "executions in flight");
    for (uint32_t i = 0; i < delegate->flight_count; i++) {
        vkd_flight *flight = &delegate->flights[i];
        flight->outputs = vkd_arena_alloc(&delegate->arena, delegate->graph.output_count, sizeof *flight->outputs);
        if (!flight->outputs)
            return vkd_fail_memory(&delegate->context, "executions in flight");
    }
    while (vkd_executor_slot_count(delegate->executor) < delegate->flight_count)
        VKD_TRY(vkd_executor_add_slot(delegate->executor));
    return VKD_OK;
}

static vkd_status init(vkd_delegate *delegate, const vkd_source *source, const vkd_options *options)
{
    vkd_context *context = &delegate->context;
    bool warm_up = false;
    VKD_TRY(check_variant(context, options->conv_variant));
    VKD_TRY(check_numbers(context, options));
    VKD_TRY(source->read(source->user, &delegate->arena, &delegate->model, &warm_up));
    VKD_TRY(vkd_check_supported(context, &delegate->model));
    VKD_TRY(vkd_device_open(context, options, &delegate->device));
    vkd_caps_info(vkd_device_caps(delegate->device), &delegate->device_info);
    VKD_TRY(build_graph(delegate, options));
    VKD_TRY(vkd_executor_create(delegate->device, &delegate->graph, options->profile, &delegate->executor));
    VKD_TRY(create_borders(delegate));
    VKD_TRY(create_flights(delegate, options));
    if (warm_up)
        VKD_TRY(vkd_executor_run(delegate->executor));
    delegate->keeps_intermediates = options->keep_intermediates;
    delegate->host_peak = context->host_peak + vkd_executor_staging_bytes(delegate->executor);
    return VKD_OK;
}

vkd_status vkd_delegate_create(const vkd_source *source, const vkd_options *options, vkd_delegate **out)
{
    static const vkd_options defaults;
    vkd_context context;
    vkd_context_init(&context, options);
    vkd_delegate *delegate = NULL;
    vkd_status status;
    if (out)
        *out = NULL;
    if (!out)
        status = vkd_fail(&context, VKD_INVALID_ARGUMENT, "vkd_init: a null pointer for the result");
    else if (!(delegate = vkd_alloc(&context, 1, sizeof *delegate)))
        status = vkd_fail_memory(&context, "the delegate");
    else {
        delegate->context = context;
        vkd_arena_init(&delegate->arena, &delegate->context);
        status = init(delegate, source, options ? options : &defaults);
        context = delegate->context;
    }
    vkd_context_report(&context, options, status);
    if (status == VKD_OK)
        *out = delegate;
    else
        vkd_destroy(delegate);
    return status;
}

typedef struct blob_source {
    const void *blob;
    size_t size;
    const vkd_compile_spec *specs;
    size_t spec_count;
    vkd_named_data_fn named_data;
    void *named_data_user;
} blob_source;

static vkd_status read_blob(const void *user, vkd_arena *arena, vkd_model *out, bool *out_warm_up)
{
    const blob_source *source = user;
    if (!source->blob || (source->spec_count && !source->specs))
        return vkd_fail(arena->context, VKD_INVALID_ARGUMENT, "vkd_init: a null pointer for the %s",
                        source->blob ? "compile specs" : "blob");
    VKD_TRY(vkd_read_specs(arena->context, source->specs, source->spec_count, out_warm_up));
    return vkd_model_read(source->blob, source->size, source->named_data, source->named_data_user, arena, out);
}

vkd_status vkd_init(const void *blob, size_t blob_size, const vkd_compile_spec *specs, size_t spec_count,
                    vkd_named_data_fn named_data, void *named_data_user, const vkd_options *options, vkd_delegate **out)
{
    const blob_source source = {blob, blob_size, specs, spec_count, named_data, named_data_user};
    return vkd_delegate_create(&(vkd_source){read_blob, &source}, options, out);
}

void vkd_destroy(vkd_delegate *delegate)
{
    if (!delegate)
        return;
    vkd_executor_destroy(delegate->executor);
    vkd_device_close(delegate->device);
    vkd_arena_release(&delegate->arena);
    vkd_context context = delegate->context;
    vkd_free(&context, delegate);
}

const char *vkd_last_error(const vkd_delegate *delegate) { return delegate ? delegate->context.error : ""; }
