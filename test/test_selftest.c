/* vkd-selftest's parts: cases that are right, wrong, and end the process, and what the report says
 * of them; a model whose operators are checked one by one. */
#include "ops/conv/conv.h"
#include "selftest/model.h"
#include "selftest/report.h"
#include "support/gpu.h"
#include "table_families.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------- cases */

static const table_case *find_case(const char *name)
{
    for (size_t i = 0; i < table_unary.count; i++)
        if (!strcmp(table_unary.cases[i].name, name))
            return &table_unary.cases[i];
    fail_msg("no case %s", name);
    return NULL;
}

static void draw_right(table *t)
{
    table_tensor *x = table_drawn(t, VKD_DTYPE_FLOAT32, (vkd_shape){1, {5}}, -1, 1);
    table_tensor *y = table_output(t, VKD_DTYPE_FLOAT32, x->shape);
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = -x->values[i];
}

/* As if the device gave elements 1 and 3 wrong. */
static void draw_wrong(table *t)
{
    draw_right(t);
    t->tensors[1].values[1] += 0.25;
    t->tensors[1].values[3] += 2;
}

static void draw_crash(table *t)
{
    (void)t;
    raise(SIGKILL);
}

static void draw_refused(table *t) /* two operands too few */
{
    table_output(t, VKD_DTYPE_FLOAT32, (vkd_shape){1, {5}});
}

static selftest_case cases[] = {
    {{"aten.neg.default", draw_right}}, {{"aten.neg.default", draw_wrong}},
    {{"aten.neg.default", draw_crash}}, {{"aten.add.Tensor", draw_refused}},
    {{"aten.neg.default", draw_right}},
};
enum { CASES = sizeof cases / sizeof *cases };

typedef struct fixture {
    selftest_plan plan;
    selftest_tally tallies[CASES];
    selftest_report report;
    char *text;
    size_t size;
} fixture;

static void run(fixture *f, int draws)
{
    *f = (fixture){.plan = {.cases = cases, .count = CASES, .draws = draws, .seed = 7}};
    f->report = (selftest_report){.plan = &f->plan, .tallies = f->tallies};
    assert_true(selftest_run(&f->plan, selftest_report_take, &f->report));
}

static char *print(const fixture *f, void (*form)(const selftest_report *, FILE *))
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    form(&f->report, out);
    fclose(out);
    return text;
}

static void failures_and_crashes_do_not_end_it(void **state)
{
    (void)state;
    gpu_needed();
    fixture f;
    run(&f, 3);
    assert_int_equal(selftest_report_failed(&f.report), 3);
    assert_true(f.tallies[0].wrong == 0 && f.tallies[0].draws == 3);
    assert_true(f.tallies[1].wrong == 3 && f.tallies[1].off > 1.9 && f.tallies[1].off < 2.1);
    assert_non_null(strstr(f.tallies[1].why, "element 1 of 5"));
    assert_true(f.tallies[2].crashed && f.tallies[2].draws == 0);
    assert_non_null(strstr(f.tallies[2].why, "Killed"));
    assert_true(f.tallies[3].wrong == 3 && *f.tallies[3].why);
    assert_true(f.tallies[4].wrong == 0 && f.tallies[4].draws == 3);
    assert_true(*f.report.caps.name && !*f.report.ended);
}

static void the_report_says_what_failed(void **state)
{
    (void)state;
    gpu_needed();
    fixture f;
    run(&f, 1);
    char *text = print(&f, selftest_report_text);
    static const char *const parts[] = {"seed 7",         "device: ",         "shared_memory ",
                                        "wrong: 3 cases", "off by 2 at most", "element 1 of 5",
                                        "NOT RIGHT"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(text, parts[i]))
            fail_msg("no '%s' in: %s", parts[i], text);
    free(text);
    text = print(&f, selftest_report_json);
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    const cJSON *wrong = cJSON_GetObjectItemCaseSensitive(root, "wrong");
    assert_int_equal(cJSON_GetArraySize(wrong), 3);
    assert_true(
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(wrong, 1), "crashed")));
    assert_true(
        *cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(root, "device"), "name")
             ->valuestring);
    cJSON_Delete(root);
    free(text);
}

/* The same seed draws the same, whatever came before. */
static void take_what(void *user, const selftest_message *m)
{
    if (m->kind == SELFTEST_DRAWN)
        strcpy(user, m->outcome.what);
}

static void a_draw_can_be_repeated_alone(void **state)
{
    (void)state;
    gpu_needed();
    char alone[1024] = "", behind[1024] = "";
    const selftest_case two[] = {{*find_case("aten.exp.default")},
                                 {*find_case("aten.abs.default")}};
    const selftest_plan plans[] = {{.cases = two + 1, .count = 1, .draws = 2, .seed = 3},
                                   {.cases = two, .count = 2, .draws = 2, .seed = 3}};
    assert_true(selftest_run(&plans[0], take_what, alone));
    assert_true(selftest_run(&plans[1], take_what, behind));
    assert_string_equal(alone, behind);
    assert_true(*alone);
}

/* The first variant runs everything. */
static void forced_variants_are_counted(void **state)
{
    (void)state;
    gpu_needed();
    selftest_case forced = {table_conv.cases[0]};
    selftest_tally tally = {0};
    const selftest_plan plan = {.cases = &forced, .count = 1, .draws = 2, .seed = 4};
    selftest_report report = {.plan = &plan, .tallies = &tally};
    forced.table.variant = vkd_conv2d_float_variants[0].name;
    assert_true(selftest_run(&plan, selftest_report_take, &report));
    assert_true(tally.ran == 2 && tally.draws == 2 && tally.wrong == 0);
}

static void every_row_and_variant_is_a_case(void **state)
{
    (void)state;
    size_t all, some, variants = 0;
    selftest_case *list = selftest_cases(NULL, &all), *few = selftest_cases("im2col 4x4", &some);
    assert_true(list && few && some > 0 && some < all);
    for (size_t i = 0; i < all; i++)
        variants += list[i].table.variant != NULL;
    assert_true(variants > 100 && all > variants + 250);
    free(list);
    free(few);
}

/* --------------------------------------------------------------------------------------- models */

static vkd_status check_model(selftest_model what, size_t *wrong, char **text)
{
    size_t size;
    what.text = open_memstream(text, &size);
    vkd_status status = selftest_model_check(&what, wrong);
    fclose(what.text);
    return status;
}

static void a_right_model_is_right(void **state)
{
    (void)state;
    gpu_needed();
    static const char *const nets[] = {"tinynet_32x32", "f16_tinynet_32x32"};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        char path[512], *text, *compared;
        size_t wrong;
        snprintf(path, sizeof path, "%s/tiny/%s/model.pte", VKD_MODELS, nets[i]);
        assert_int_equal(check_model((selftest_model){.model = path, .seed = 2}, &wrong, &text),
                         VKD_OK);
        assert_int_equal(wrong, 0);
        assert_null(strstr(text, ": 0 operators right"));
        assert_int_equal(check_model((selftest_model){.model = path, .seed = 2, .other = "0"},
                                     &wrong, &compared),
                         VKD_OK);
        assert_int_equal(wrong, 0);
        free(text);
        free(compared);
    }
}

static void odd_models_are_refused(void **state)
{
    (void)state;
    gpu_needed();
    char *text;
    size_t wrong;
    const char *inputs[] = {"/nowhere/a.f32", "b"};
    assert_int_equal(check_model((selftest_model){.model = "/nowhere/m.pte"}, &wrong, &text),
                     VKD_IO_ERROR);
    free(text);
    assert_int_equal(
        check_model((selftest_model){.model = VKD_SOURCE_DIR "/README.md"}, &wrong, &text),
        VKD_INVALID_MODEL);
    free(text);
    selftest_model what = {
        .model = VKD_MODELS "/tiny/tinynet_32x32/model.pte", .inputs = inputs, .input_count = 1};
    assert_int_equal(check_model(what, &wrong, &text), VKD_IO_ERROR);
    free(text);
    what.input_count = 2;
    assert_int_equal(check_model(what, &wrong, &text), VKD_INVALID_ARGUMENT);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_and_crashes_do_not_end_it),
        cmocka_unit_test(the_report_says_what_failed),
        cmocka_unit_test(a_draw_can_be_repeated_alone),
        cmocka_unit_test(forced_variants_are_counted),
        cmocka_unit_test(every_row_and_variant_is_a_case),
        cmocka_unit_test(a_right_model_is_right),
        cmocka_unit_test(odd_models_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
