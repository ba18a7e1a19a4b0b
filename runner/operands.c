#include "runner/operands.h"

#include <stdlib.h>
#include <string.h>

static bool grow(void **array, size_t count, size_t size)
{
    void *grown = realloc(*array, (count + 1) * size);
    if (grown)
        *array = grown;
    return grown != NULL;
}

static run_exit note_memory(run_operands *o, const vkd_operand_info *info, size_t node)
{
    while (o->memory_count <= info->memory) {
        if (!grow((void **)&o->memories, o->memory_count, sizeof *o->memories))
            return run_fail_memory();
        o->memories[o->memory_count++] = (run_memory){.lane = -1};
    }
    run_memory *memory = &o->memories[info->memory];
    if (!memory->place) {
        memory->info = *info;
        memory->place = info->place;
        memory->first = strcmp(info->place, "input") ? node : 0;
    }
    memory->last = strcmp(info->place, "output") ? node : o->node_count;
    return RUN_OK;
}

/* A memory that a node reads and writes is one operand. */
static run_exit note_operand(run_operands *o, size_t node, const vkd_operand_info *info)
{
    size_t at = o->firsts[node];
    while (at < o->operand_count && o->operands[at].memory != info->memory)
        at++;
    if (at == o->operand_count) {
        if (!grow((void **)&o->operands, at, sizeof *o->operands))
            return run_fail_memory();
        o->operands[o->operand_count++] = (run_operand){.memory = info->memory};
    }
    o->operands[at].reads |= !info->writes;
    o->operands[at].writes |= info->writes;
    return note_memory(o, info, node);
}

static run_exit read_node(const run_session *session, run_operands *o, size_t node)
{
    vkd_operand_info info;
    vkd_status status;
    o->firsts[node] = o->operand_count;
    for (size_t i = 0;
         (status = session->backend->operand(session->delegate, node, i, &info)) == VKD_OK; i++) {
        run_exit result = note_operand(o, node, &info);
        if (result)
            return result;
    }
    return status == VKD_NOT_FOUND ? RUN_OK : run_exit_of(status);
}

static bool is_drawn(const run_memory *memory)
{
    static const char *const places[] = {"input", "scratch", "output"};
    for (size_t i = 0; memory->place && i < sizeof places / sizeof *places; i++)
        if (!strcmp(memory->place, places[i]))
            return true;
    return false;
}

/* Each takes the first lane that is free. One whose memory is read last by a node is free for what
 * that node writes. */
static run_exit choose_lanes(run_operands *o)
{
    size_t *until = calloc(o->memory_count + 1, sizeof *until); /* by lane: when it is free */
    if (!until)
        return run_fail_memory();
    for (size_t node = 0; node <= o->node_count; node++)
        for (size_t m = 0; m < o->memory_count; m++) {
            run_memory *memory = &o->memories[m];
            if (memory->first != node || !is_drawn(memory))
                continue;
            int lane = 0;
            while (lane < o->lane_count && until[lane] > node)
                lane++;
            o->lane_count += lane == o->lane_count;
            memory->lane = lane;
            until[lane] = memory->last > node ? memory->last : node + 1;
        }
    free(until);
    return RUN_OK;
}

run_exit run_operands_read(const run_session *session, run_operands *out)
{
    *out = (run_operands){.node_count = session->backend->node_count(session->delegate)};
    out->firsts = calloc(out->node_count + 1, sizeof *out->firsts);
    run_exit result = out->firsts ? RUN_OK : run_fail_memory();
    for (size_t node = 0; node < out->node_count && !result; node++)
        result = read_node(session, out, node);
    if (!result)
        out->firsts[out->node_count] = out->operand_count;
    return result ? result : choose_lanes(out);
}

void run_operands_release(run_operands *operands)
{
    free(operands->firsts);
    free(operands->operands);
    free(operands->memories);
}

run_exit run_traffic_count(const run_session *session, run_traffic *out)
{
    run_operands o;
    run_exit result = run_operands_read(session, &o);
    *out = (run_traffic){.dispatches = o.node_count};
    for (size_t i = 0; i < o.operand_count && !result; i++) {
        const run_operand *operand = &o.operands[i];
        const uint64_t bytes = o.memories[operand->memory].info.bytes;
        out->read += operand->reads ? bytes : 0;
        out->written += operand->writes ? bytes : 0;
    }
    run_operands_release(&o);
    return result;
}

uint64_t run_operands_bytes(const run_operands *operands, size_t node)
{
    uint64_t bytes = 0;
    for (size_t i = operands->firsts[node]; i < operands->firsts[node + 1]; i++)
        bytes += operands->memories[operands->operands[i].memory].info.bytes;
    return bytes;
}

bool run_memory_is_scratch(const run_memory *memory)
{
    return memory->place && !strcmp(memory->place, "scratch");
}

uint64_t run_operands_alive(const run_operands *operands, size_t node)
{
    uint64_t bytes = 0;
    for (size_t m = 0; m < operands->memory_count; m++) {
        const run_memory *memory = &operands->memories[m];
        if (run_memory_is_scratch(memory) && memory->first <= node && node <= memory->last)
            bytes += memory->info.bytes;
    }
    return bytes;
}
