#include "exec/self_check.h"
#include "exec/kernel_check.h"
#include "exec/tuner_parts.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const verdict_texts[] = {
    [VKD_VERDICT_WRONG] = "wrong",
    [VKD_VERDICT_RIGHT] = "right",
    [VKD_VERDICT_LONG] = "too long for the time given",
    [VKD_VERDICT_NONE] = "not interpreted",
};

/* The nodes of one kernel with the same constants: of the least bytes, and how many. */
typedef struct kernel_use {
    uint64_t key, bytes;
    size_t node, count;
} kernel_use;

static void name_kernel(const vkd_node *node, char subject[40])
{
    snprintf(subject, 40, "kernel %016llx", (unsigned long long)vkd_kernel_key(node));
}

static int by_key(const void *a, const void *b)
{
    const kernel_use *left = a, *right = b;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    if (left->bytes != right->bytes)
        return left->bytes < right->bytes ? -1 : 1;
    return (left->node > right->node) - (left->node < right->node);
}

static int by_count(const void *a, const void *b)
{
    const kernel_use *left = a, *right = b;
    return left->count != right->count ? left->count < right->count ? 1 : -1 : by_key(a, b);
}

/* Each kernel with its constants once. */
static size_t find_uses(const vkd_graph *graph, kernel_use *uses)
{
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < graph->node_count; i++)
        if (!*graph->nodes[i].variant)
            uses[count++] = (kernel_use){vkd_kernel_key(&graph->nodes[i]),
                                         vkd_kernel_bytes(graph, &graph->nodes[i]), i, 1};
    qsort(uses, count, sizeof *uses, by_key);
    for (size_t i = 0; i < count; i++)
        if (kept && uses[kept - 1].key == uses[i].key)
            uses[kept - 1].count++;
        else
            uses[kept++] = uses[i];
    qsort(uses, kept, sizeof *uses, by_count);
    return kept;
}

static bool has_time_to_check(const vkd_tuner *tuner)
{
    const double share = 0.1;
    return tuner->checks == VKD_SELF_CHECK_ALL || !tuner->kernels ||
           tuner->kernels_us < share * (vkd_now_us() - tuner->start_us);
}

/* One that takes too long is known as that, unless all are to be checked. */
static bool is_known(const vkd_tuner *tuner, const vkd_node *node, uint64_t *out)
{
    char subject[40];
    name_kernel(node, subject);
    return vkd_tuner_find_fact(tuner, subject, vkd_shaders[node->shader].name, out) &&
           (*out != VKD_VERDICT_LONG || tuner->checks != VKD_SELF_CHECK_ALL);
}

static void warn(const vkd_tuner *tuner, const vkd_node *node, const char *how)
{
    const vkd_caps *caps = vkd_device_caps(tuner->device);
    vkd_log(tuner->context, VKD_LOG_WARNING,
            "%s, driver 0x%x: kernel '%s' of operator '%s' computes wrong results (%s); another is "
            "used where there is one",
            caps->name, caps->driver_version, vkd_shaders[node->shader].name, node->op, how);
}

static vkd_status check_kernel(vkd_tuner *tuner, const vkd_graph *graph, const vkd_node *node,
                               uint64_t *out)
{
    const uint64_t some = 400000, many = 40000000; /* about 10 ms, and a second */
    const char *name = vkd_shaders[node->shader].name;
    char subject[40];
    vkd_kernel_check check;
    vkd_context before;
    double start = vkd_now_us();
    vkd_tuner_mute(tuner->context, &before);
    vkd_status status = vkd_kernel_check_run(
        tuner->device, graph, node, tuner->checks == VKD_SELF_CHECK_ALL ? many : some, &check);
    VKD_TRY(vkd_tuner_unmute(tuner->context, &before, status));
    tuner->kernels++;
    tuner->kernels_us += vkd_now_us() - start - check.run_us;
    if (status != VKD_OK) /* for want of memory, say: the question stays open */
        return VKD_OK;
    *out = check.verdict;
    if (*out == VKD_VERDICT_WRONG)
        warn(tuner, node, check.difference);
    else
        vkd_log(tuner->context, VKD_LOG_DEBUG,
                "kernel '%s' of operator '%s', checked in %.1f ms: %s", name, node->op,
                (vkd_now_us() - start) * 1e-3, verdict_texts[*out]);
    name_kernel(node, subject);
    return vkd_tuner_set_fact(tuner, subject, name, *out);
}

static vkd_status check_uses(vkd_tuner *tuner, const vkd_graph *graph, const kernel_use *uses,
                             size_t count, vkd_caps *caps, bool *out_found)
{
    tuner->kernels_left = 0;
    for (size_t i = 0; i < count; i++) {
        const vkd_node *node = &graph->nodes[uses[i].node];
        uint64_t verdict = VKD_VERDICT_RIGHT;
        const bool known = is_known(tuner, node, &verdict);
        if (!known) {
            if (has_time_to_check(tuner))
                VKD_TRY(check_kernel(tuner, graph, node, &verdict));
            else
                tuner->kernels_left++;
        }
        if (verdict != VKD_VERDICT_WRONG)
            continue;
        const uint64_t bit = UINT64_C(1) << node->shader % 64;
        if (caps->wrong[node->shader / 64] & bit)
            continue;
        if (known)
            warn(tuner, node, "known from an earlier start");
        caps->wrong[node->shader / 64] |= bit;
        *out_found = true;
    }
    return VKD_OK;
}

vkd_status vkd_self_check_graph(vkd_tuner *tuner, const vkd_graph *graph, vkd_caps *caps,
                                bool *out_found)
{
    *out_found = false;
    if (tuner->checks == VKD_SELF_CHECK_NONE || !graph->node_count)
        return VKD_OK;
    kernel_use *uses = vkd_alloc(tuner->context, graph->node_count, sizeof *uses);
    if (!uses)
        return vkd_fail_memory(tuner->context, "kernels to check");
    const size_t count = find_uses(graph, uses);
    vkd_status status = check_uses(tuner, graph, uses, count, caps, out_found);
    vkd_free(tuner->context, uses);
    return status;
}

const char *vkd_self_check_says(vkd_facts *facts, const vkd_caps *caps, const vkd_node *node)
{
    char subject[40];
    uint64_t verdict;
    if (*node->variant)
        return "as a variant";
    name_kernel(node, subject);
    pthread_mutex_lock(&facts->mutex);
    const bool known =
        facts->files[caps->dot] && vkd_tuning_file_find(facts->files[caps->dot], subject,
                                                        vkd_shaders[node->shader].name, &verdict);
    pthread_mutex_unlock(&facts->mutex);
    return known && verdict <= VKD_VERDICT_NONE ? verdict_texts[verdict] : "not yet";
}
