/* A delegate's life: init and destroy. */
#include "backend/delegate.h"
#include "exec/self_check.h"
#include "graph/pixels.h"
#include "graph/plan.h"
#include "graph/rewrite.h"
#include "ops/conv/measure.h"
#include "ops/conv/pair.h"
#include "ops/conv/trial.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* -------------------------------------------------------------------------------- compile specs */

/* What the file's compile specs ask for; sizes as ExecuTorch writes them. Storage types and layouts
 * are the file's private hints, the rest was for the exporter. */
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

static vkd_status check_size(vkd_context *context, const vkd_compile_spec *spec)
{
    for (size_t k = 0; k < sizeof known_specs / sizeof *known_specs; k++)
        if (!strcmp(spec->key, known_specs[k].key) && spec->value_size != known_specs[k].size)
            return vkd_fail(context, VKD_INVALID_MODEL,
                            "compile spec '%s' has %zu bytes: it must have %zu", spec->key,
                            spec->value_size, known_specs[k].size);
    return VKD_OK;
}

static bool is_set(const vkd_compile_spec *spec, const char *key)
{
    return !strcmp(spec->key, key) && *(const unsigned char *)spec->value;
}

vkd_status vkd_read_specs(vkd_context *context, const vkd_compile_spec *specs, size_t count,
                          vkd_wishes *wishes)
{
    for (size_t i = 0; i < count; i++) {
        vkd_compile_spec spec;
        if (!vkd_struct_read(&spec, sizeof spec, specs, i))
            return vkd_fail(context, VKD_INVALID_ARGUMENT,
                            "compile spec %zu: vkd_compile_spec.size is wrong", i);
        if (!spec.key || (spec.value_size && !spec.value))
            return vkd_fail(context, VKD_INVALID_ARGUMENT, "compile spec %zu has a null pointer",
                            i);
        VKD_TRY(check_size(context, &spec));
        wishes->warm_up |= is_set(&spec, "warmup_execute_after_compile");
        wishes->dynamic |= is_set(&spec, "require_dynamic_shapes");
    }
    return VKD_OK;
}

/* ----------------------------------------------------------------------------------- named data */

static void release(const vkd_named_data *named_data, const vkd_held *held)
{
    if (named_data->release)
        named_data->release(named_data->user, held->key, held->data, held->size);
}

static void release_held(vkd_delegate *delegate)
{
    for (; delegate->held; delegate->held = delegate->held->next)
        release(&delegate->named_data, delegate->held);
}

/* A vkd_named_data's find over the caller's, which remembers what is to be released. */
static vkd_status find_and_hold(void *user, const char *key, const void **out_data,
                                size_t *out_size)
{
    vkd_delegate *delegate = user;
    const vkd_named_data *named_data = &delegate->named_data;
    vkd_held found = {0};
    VKD_TRY(named_data->find(named_data->user, key, &found.data, &found.size));
    vkd_held *held = vkd_arena_alloc(&delegate->arena, 1, sizeof *held);
    found.key = held ? vkd_arena_printf(&delegate->arena, "%s", key) : NULL;
    if (!found.key) {
        release(named_data, &(vkd_held){NULL, key, found.data, found.size});
        return vkd_fail_memory(&delegate->context, "named data");
    }
    found.next = delegate->held;
    *held = found;
    delegate->held = held;
    *out_data = found.data;
    *out_size = found.size;
    return VKD_OK;
}

static vkd_status read_model(vkd_delegate *delegate, const vkd_source *source, vkd_wishes *wishes)
{
    const vkd_named_data holding = {sizeof holding, find_and_hold, NULL, delegate};
    if (source->named_data && (!vkd_struct_read(&delegate->named_data, sizeof delegate->named_data,
                                                source->named_data, 0) ||
                               !delegate->named_data.find))
        return vkd_fail(&delegate->context, VKD_INVALID_ARGUMENT,
                        "vkd_named_data: size must be sizeof(vkd_named_data), and find not null");
    return source->read(source->user, source->named_data ? &holding : NULL, &delegate->arena,
                        &delegate->model, wishes);
}

/* ----------------------------------------------------------------------------------------- init */

/* Lowers without a tuner and appends the nodes to `all`, to learn which kernels there will be. */
static vkd_status lower_ahead(vkd_delegate *delegate, const vkd_caps *caps, const char *variant,
                              vkd_graph *all, vkd_lowered *out)
{
    const vkd_planner *planner = &delegate->planner;
    vkd_graph graph;
    vkd_graph_init(&graph, all->arena);
    vkd_model_value *values =
        vkd_arena_alloc(all->arena, planner->net->value_count, sizeof *values);
    if (!values)
        return vkd_fail_memory(&delegate->context, "a model's values");
    VKD_TRY(vkd_shape_net(&delegate->context, planner->net, NULL, values));
    VKD_TRY(vkd_lower_net(&delegate->context, planner->net, values, caps, &(vkd_advice){variant},
                          &graph, out));
    for (size_t i = 0; i < graph.node_count; i++)
        VKD_TRY(vkd_graph_add_node(all, &graph.nodes[i]));
    return VKD_OK;
}

/* The variants that the tuner would time for any of the convolutions, each in a graph of its own.
 */
static vkd_status lower_rivals(vkd_delegate *delegate, const vkd_caps *caps,
                               const vkd_lowered *lowered, vkd_graph *all)
{
    enum { MAX_RIVALS = 64 };
    const char *rivals[MAX_RIVALS];
    size_t rival_count = 0;
    for (size_t s = 0; s < lowered->selection_count; s++) {
        const vkd_selection_info *selection = &lowered->selections[s];
        size_t order[VKD_TUNER_TRIES],
            ordered = vkd_tuner_line_up(selection->candidates, selection->candidate_count, order);
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

/* What goes before lowering with a tuner: compiles the kernels that it will look at one after
 * another all at once, and measures where the options ask for it. The estimates of a CPU device are
 * probed before, where that is worth it: a small model would have to run very often. */
static vkd_status prepare(vkd_delegate *delegate, const vkd_options *options, vkd_tuner *tuner,
                          vkd_arena *arena, vkd_caps *caps)
{
    const double worth_probing_us = 3000;
    vkd_graph all;
    vkd_lowered lowered;
    vkd_graph_init(&all, arena);
    VKD_TRY(lower_ahead(delegate, caps, options->variant, &all, &lowered));
    if (caps->type == VKD_TYPE_CPU && !options->variant &&
        estimate_of(&lowered) > worth_probing_us) {
        VKD_TRY(vkd_conv2d_probe(&delegate->context, tuner, caps));
        vkd_graph_init(&all, arena);
        VKD_TRY(lower_ahead(delegate, caps, NULL, &all, &lowered));
    }
    if (options->select != VKD_SELECT_MEASURE || options->variant)
        return vkd_executor_prepare(delegate->device, &all);
    conv2d_wish *wishes;
    size_t wish_count;
    VKD_TRY(lower_rivals(delegate, caps, &lowered, &all));
    VKD_TRY(vkd_executor_prepare(delegate->device, &all));
    VKD_TRY(vkd_conv2d_wishes(arena, &lowered, &wishes, &wish_count));
    return vkd_conv2d_measure(&delegate->context, tuner, caps, wishes, wish_count);
}

/* Lowers until no kernel is new to be wrong: there are others for the same, or none. Each round
 * knows one more. */
static vkd_status lower_checked(vkd_delegate *delegate)
{
    vkd_planner *planner = &delegate->planner;
    vkd_plan *plan;
    bool found = true;
    while (found) {
        VKD_TRY(vkd_plan_lower(planner, &delegate->context, NULL, &plan));
        vkd_status status =
            vkd_self_check_graph(planner->advice.tuner, &plan->graph, &planner->caps, &found);
        if (status == VKD_OK && !found)
            delegate->plan = plan;
        else
            vkd_plan_destroy(plan);
        VKD_TRY(status);
    }
    return VKD_OK;
}

static vkd_status lower(vkd_delegate *delegate, const vkd_options *options)
{
    vkd_planner *planner = &delegate->planner;
    vkd_arena arena;
    vkd_arena_init(&arena, &delegate->context);
    planner->caps.refuses_wrong = options->self_check == VKD_SELF_CHECK_ALL;
    vkd_status status = prepare(delegate, options, planner->advice.tuner, &arena, &planner->caps);
    vkd_arena_release(&arena);
    return status == VKD_OK ? lower_checked(delegate) : status;
}

/* The plan for the file's shapes, made with a tuner: what that finds out is written down in any
 * case, and other shapes' plans go by it. */
static vkd_status make_first_plan(vkd_delegate *delegate, const vkd_options *options)
{
    vkd_advice *advice = &delegate->planner.advice;
    VKD_TRY(vkd_tuner_create(delegate->device, delegate->commons.facts, options, &advice->tuner));
    vkd_status status = lower(delegate, options);
    vkd_tuner_destroy(advice->tuner);
    advice->tuner = NULL;
    VKD_TRY(status);
    delegate->plans[delegate->plan_count++] = delegate->plan;
    if (delegate->is_dynamic) {
        VKD_TRY(vkd_known_make(&delegate->arena, &delegate->plan->lowered, &delegate->known));
        advice->known = &delegate->known;
    }
    return vkd_plan_prepare(&delegate->planner, delegate->plan);
}

static vkd_status create_arguments(vkd_delegate *delegate)
{
    const vkd_net *net = &delegate->net;
    delegate->values =
        vkd_arena_alloc(&delegate->arena, net->value_count, sizeof *delegate->values);
    delegate->inputs =
        vkd_arena_alloc(&delegate->arena, net->input_count, sizeof *delegate->inputs);
    delegate->destinations =
        vkd_arena_alloc(&delegate->arena, net->output_count, sizeof *delegate->destinations);
    delegate->foreign = vkd_arena_alloc(&delegate->arena, net->input_count + net->output_count,
                                        sizeof *delegate->foreign);
    if (!delegate->values || !delegate->inputs || !delegate->destinations || !delegate->foreign)
        return vkd_fail_memory(&delegate->context, "a model's values");
    return VKD_OK;
}

static vkd_status build(vkd_delegate *delegate, const vkd_options *options)
{
    vkd_net *net = &delegate->net;
    net->skipped = UINT32_MAX;
    if (!options->no_rewrites)
        VKD_TRY(vkd_rewrite(net, options->skip_rewrites));
    VKD_TRY(create_arguments(delegate));
    VKD_TRY(
        vkd_residents_create(delegate->device, delegate->commons.constants, &delegate->residents));
    delegate->planner = (vkd_planner){
        .device = delegate->device,
        .caps = *vkd_device_caps(delegate->device),
        .net = net,
        .residents = delegate->residents,
        .advice.variant = options->variant,
        .keep_intermediates = options->keep_intermediates,
        .profile = options->profile,
        .slots = options->in_flight ? options->in_flight : 1,
        .max_submit_ms = options->max_submit_ms,
    };
    return make_first_plan(delegate, options);
}

static const char *family_of(const conv2d_variant *variant) { return variant->family; }
static const char *tile_of(const conv2d_variant *variant)
{
    return variant->tile ? variant->tile->name : NULL;
}

/* Each part of the variants' names once: "general, pointwise, ...". */
static void list_parts(const char *(*part_of)(const conv2d_variant *), char *out, size_t size)
{
    size_t used = 0;
    const conv2d_variant *variant, *first;
    for (size_t i = 0; (variant = vkd_conv2d_variant_at(i)) && used < size; i++) {
        const char *part = part_of(variant), *named;
        for (size_t k = 0; part && (first = vkd_conv2d_variant_at(k)) != variant; k++)
            if ((named = part_of(first)) && !strcmp(named, part))
                part = NULL;
        if (part)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", part);
    }
}

static vkd_status check_variant(vkd_context *context, const char *name)
{
    const conv2d_variant *variant;
    for (size_t i = 0; name && (variant = vkd_conv2d_variant_at(i)); i++)
        if (vkd_conv2d_is_named(variant, name))
            return VKD_OK;
    if (!name || !strcmp(name, VKD_CONV2D_PAIR))
        return VKD_OK;
    char families[sizeof context->error], tiles[sizeof context->error];
    list_parts(family_of, families, sizeof families);
    list_parts(tile_of, tiles, sizeof tiles);
    return vkd_fail(
        context, VKD_INVALID_ARGUMENT,
        "vkd_options.variant is '%.64s', no such variant: there are the families %s, %s, "
        "with the tiles %s",
        name, families, VKD_CONV2D_PAIR, tiles);
}

/* Numbers that have a largest value, the enums among them; an enum that is negative is a large
 * number here. */
static vkd_status check_numbers(vkd_context *context, const vkd_options *options)
{
    enum { ALL_REWRITES = 2 * VKD_REWRITE_FUSE_NORM - 1 };
    const struct {
        const char *field;
        uint32_t value, most;
    } numbers[] = {
        {"log_level", (uint32_t)options->log_level, VKD_LOG_DEBUG},
        {"select", (uint32_t)options->select, VKD_SELECT_MEASURE},
        {"skip_rewrites", options->skip_rewrites, ALL_REWRITES},
        {"in_flight", options->in_flight, VKD_MAX_IN_FLIGHT},
        {"max_plans", options->max_plans, VKD_MAX_PLANS},
        {"self_check", (uint32_t)options->self_check, VKD_SELF_CHECK_ALL},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value > numbers[i].most)
            return vkd_fail(context, VKD_INVALID_ARGUMENT,
                            "vkd_options.%s is %" PRIu32 ", the largest possible is %" PRIu32,
                            numbers[i].field, numbers[i].value, numbers[i].most);
    return VKD_OK;
}

void vkd_delegate_set_order(vkd_delegate *delegate, size_t argument,
                            const uint8_t order[VKD_MAX_RANK])
{
    memcpy(delegate->orders[argument], order, VKD_MAX_RANK);
}

static vkd_status create_orders(vkd_delegate *delegate)
{
    const size_t count = delegate->net.input_count + delegate->net.output_count;
    delegate->orders = vkd_arena_alloc(&delegate->arena, count, sizeof *delegate->orders);
    if (!delegate->orders)
        return vkd_fail_memory(&delegate->context, "the inputs' and outputs' order");
    for (size_t i = 0; i < count; i++)
        for (uint8_t dim = 0; dim < VKD_MAX_RANK; dim++)
            delegate->orders[i][dim] = dim;
    return VKD_OK;
}

/* What there is once for each execution in flight. */
static vkd_status create_flights(vkd_delegate *delegate, const vkd_options *options)
{
    enum { DEFAULT_PLANS = 4 };
    delegate->flight_count = delegate->planner.slots;
    delegate->max_plans = options->max_plans ? options->max_plans : DEFAULT_PLANS;
    delegate->flights =
        vkd_arena_alloc(&delegate->arena, delegate->flight_count, sizeof *delegate->flights);
    if (!delegate->flights)
        return vkd_fail_memory(&delegate->context, "executions in flight");
    for (uint32_t i = 0; i < delegate->flight_count; i++) {
        vkd_flight *flight = &delegate->flights[i];
        flight->outputs =
            vkd_arena_alloc(&delegate->arena, delegate->net.output_count, sizeof *flight->outputs);
        if (!flight->outputs)
            return vkd_fail_memory(&delegate->context, "executions in flight");
    }
    return VKD_OK;
}

/* Memory for executions of the first plan, unless it is to wait until one comes. */
static vkd_status fill_slots(vkd_delegate *delegate, const vkd_options *options)
{
    if (delegate->is_dynamic && options->memory_on_demand)
        return VKD_OK;
    if (delegate->is_dynamic)
        vkd_residents_share_scratch(delegate->residents);
    return vkd_plan_fill_slots(&delegate->planner, delegate->plan);
}

static vkd_status warm_up(vkd_delegate *delegate)
{
    VKD_TRY(vkd_plan_fill_slots(&delegate->planner, delegate->plan));
    VKD_TRY(vkd_executor_run(delegate->plan->executor));
    return delegate->state_count ? vkd_residents_reset(delegate->residents) : VKD_OK;
}

static bool can_change(const vkd_net *net)
{
    bool dynamic = net->has_symbols;
    for (size_t i = 0; i < net->value_count; i++)
        dynamic |= net->values[i].kind == VKD_VALUE_TENSOR && net->values[i].tensor.dynamic;
    return dynamic;
}

static vkd_status init(vkd_delegate *delegate, const vkd_source *source, const vkd_options *options)
{
    vkd_context *context = &delegate->context;
    vkd_wishes wishes = {0};
    VKD_TRY(check_variant(context, options->variant));
    VKD_TRY(check_numbers(context, options));
    VKD_TRY(read_model(delegate, source, &wishes));
    VKD_TRY(vkd_net_bind(&delegate->net, &delegate->model, &vkd_ops, &delegate->arena));
    VKD_TRY(vkd_pixels_add(&delegate->net, options->pixels, options->pixel_count));
    delegate->is_dynamic = delegate->net.resizes = wishes.dynamic || can_change(&delegate->net);
    VKD_TRY(vkd_engine_join(context, options, &delegate->device, &delegate->commons));
    vkd_caps_info(vkd_device_caps(delegate->device), &delegate->device_info);
    VKD_TRY(build(delegate, options));
    VKD_TRY(create_orders(delegate));
    VKD_TRY(create_flights(delegate, options));
    VKD_TRY(fill_slots(delegate, options));
    VKD_TRY(vkd_delegate_find_states(delegate));
    if (wishes.warm_up)
        VKD_TRY(warm_up(delegate));
    if (!vkd_needs_constants(delegate))
        release_held(delegate);
    delegate->keeps_intermediates = options->keep_intermediates;
    delegate->host_peak = context->host_peak + vkd_residents_staging_bytes(delegate->residents);
    return VKD_OK;
}

vkd_status vkd_delegate_create(const vkd_source *source, const vkd_options *given,
                               vkd_delegate **out)
{
    vkd_context context;
    vkd_options options;
    vkd_delegate *delegate = NULL;
    vkd_status status = vkd_options_read(&options, given, &context);
    if (out)
        *out = NULL;
    if (status == VKD_OK && !out)
        status =
            vkd_fail(&context, VKD_INVALID_ARGUMENT, "vkd_init: a null pointer for the result");
    else if (status == VKD_OK && !(delegate = vkd_alloc(&context, 1, sizeof *delegate)))
        status = vkd_fail_memory(&context, "the delegate");
    else if (status == VKD_OK) {
        delegate->context = context;
        vkd_arena_init(&delegate->arena, &delegate->context);
        status = init(delegate, source, &options);
        context = delegate->context;
    }
    vkd_context_report(&context, &options, status);
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
} blob_source;

static vkd_status read_blob(const void *user, const vkd_named_data *named_data, vkd_arena *arena,
                            vkd_model *out, vkd_wishes *wishes)
{
    const blob_source *source = user;
    if (!source->blob || (source->spec_count && !source->specs))
        return vkd_fail(arena->context, VKD_INVALID_ARGUMENT, "vkd_init: a null pointer for the %s",
                        source->blob ? "compile specs" : "blob");
    VKD_TRY(vkd_read_specs(arena->context, source->specs, source->spec_count, wishes));
    return vkd_model_read(source->blob, source->size, named_data, arena, out);
}

vkd_status vkd_init(const void *blob, size_t blob_size, const vkd_compile_spec *specs,
                    size_t spec_count, const vkd_named_data *named_data, const vkd_options *options,
                    vkd_delegate **out)
{
    const blob_source source = {blob, blob_size, specs, spec_count};
    return vkd_delegate_create(&(vkd_source){read_blob, &source, named_data}, options, out);
}

void vkd_destroy(vkd_delegate *delegate)
{
    if (!delegate)
        return;
    for (size_t i = 0; i < delegate->plan_count; i++)
        vkd_plan_destroy(delegate->plans[i]);
    vkd_residents_destroy(delegate->residents);
    vkd_engine_leave(delegate->device, &delegate->commons);
    release_held(delegate);
    vkd_arena_release(&delegate->arena);
    vkd_context context = delegate->context;
    vkd_free(&context, delegate);
}

const char *vkd_last_error(const vkd_delegate *delegate)
{
    return delegate ? delegate->context.error : "";
}
