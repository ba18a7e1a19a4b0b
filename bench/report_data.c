/* Reports for programs. */
#include <cjson/cJSON.h>
#include <stdio.h>

#include "bench/report.h"

void bench_report_csv(const bench_report *report)
{
    printf("device,set,shape,macs,variant,measured_us,coarse,estimated_us,gops,peak_share,auto,"
           "measure,best\n");
    for (size_t r = 0; r < report->count; r++) {
        const bench_result *result = &report->results[r];
        double macs = (double)conv2d_macs(&result->shape->problem);
        char text[CONV2D_TEXT];
        vkd_conv2d_problem_format(&result->shape->problem, text);
        for (size_t v = 0; v < result->count; v++) {
            const vkd_candidate_info *c = &result->candidates[v];
            if (c->measured_us > 0)
                printf("\"%s\",%s,%s,%.0f,%s,%.3f,%d,%.3f,%.3f,%.4f,%d,%d,%d\n", report->caps->name,
                       result->shape->set, text, macs, c->variant, c->measured_us,
                       result->coarse[v], c->cost_us, 2e-3 * macs / c->measured_us,
                       macs / c->measured_us / report->peak, v == result->automatic,
                       report->measure && v == result->measured, v == result->best);
        }
    }
}

static cJSON *json_variant(const bench_result *result, size_t v)
{
    const vkd_candidate_info *c = &result->candidates[v];
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "variant", c->variant);
    cJSON_AddBoolToObject(object, "eligible", c->eligible);
    if (!c->eligible) {
        cJSON_AddStringToObject(object, "reason", c->reason);
        return object;
    }
    cJSON_AddNumberToObject(object, "estimated_us", c->cost_us);
    if (c->measured_us > 0) {
        cJSON_AddNumberToObject(object, "measured_us", c->measured_us);
        cJSON_AddBoolToObject(object, "coarse", result->coarse[v]);
        cJSON_AddNumberToObject(
            object, "gops", 2e-3 * (double)conv2d_macs(&result->shape->problem) / c->measured_us);
    }
    return object;
}

static cJSON *json_result(const bench_result *result, bool measure)
{
    char text[CONV2D_TEXT];
    cJSON *object = cJSON_CreateObject();
    vkd_conv2d_problem_format(&result->shape->problem, text);
    cJSON_AddStringToObject(object, "set", result->shape->set);
    cJSON_AddStringToObject(object, "shape", text);
    cJSON_AddNumberToObject(object, "macs", (double)conv2d_macs(&result->shape->problem));
    cJSON_AddStringToObject(object, "auto", result->variants[result->automatic].name);
    cJSON_AddStringToObject(object, "best", result->variants[result->best].name);
    cJSON_AddNumberToObject(object, "auto_regret", bench_regret(result, result->automatic));
    if (measure) {
        cJSON_AddStringToObject(object, "measure", result->variants[result->measured].name);
        cJSON_AddNumberToObject(object, "measure_regret", bench_regret(result, result->measured));
        cJSON_AddNumberToObject(object, "measuring_us", result->measure_us);
    }
    cJSON *variants = cJSON_AddArrayToObject(object, "variants");
    for (size_t v = 0; v < result->count; v++)
        cJSON_AddItemToArray(variants, json_variant(result, v));
    return object;
}

bool bench_report_json(const bench_report *report)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "device", report->caps->name);
    cJSON_AddNumberToObject(root, "peak_gops", 2e-3 * report->peak);
    cJSON_AddStringToObject(root, "peak_variant", report->peak_name);
    cJSON *results = cJSON_AddArrayToObject(root, "shapes");
    for (size_t i = 0; i < report->count; i++)
        cJSON_AddItemToArray(results, json_result(&report->results[i], report->measure));
    char *text = cJSON_Print(root);
    if (text)
        puts(text);
    cJSON_free(text);
    cJSON_Delete(root);
    return text;
}
