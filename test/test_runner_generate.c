/* vkd-run --generate: the loop with test/fake_text.c, which needs no device, then the small llama
 * nets against execution step by step. */
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "include/vkdelegate.h"
#include "support/programs.h"
#include "support/runner.h"
#include "support/skip.h"

static const runner_how fake = {.library = VKD_FAKE_TEXT};

static void expect(runner *r, const runner_how *how, const char *line, int code, const char *says)
{
    int got = runner_run(r, how, line);
    if (got != code || (!strstr(r->out, says) && !strstr(r->err, says)))
        fail_msg("vkd-run %s: exit code %d, expected %d with '%s'\n%s%s", line, got, code, says,
                 r->out, r->err);
}

/* What fake_text.c makes of a prompt: "6 4 4 ". */
static void expect_text(runner *r, const char *model, const char *prompt, size_t count,
                        const char *extra)
{
    char line[256], expected[256];
    int sum = 0, last = 0, length = 0;
    for (const char *at = prompt; *at; at++)
        if (*at != ',')
            sum += last = *at - '0';
    for (size_t i = 0; i < count; i++) {
        sum += last = (sum + last) % 8;
        length += snprintf(expected + length, sizeof expected - (size_t)length, "%d ", last);
    }
    snprintf(line, sizeof line, "%s --generate %zu --prompt %s %s", model, count, prompt, extra);
    expect(r, &fake, line, 0, expected);
}

/* Tokens and positions are what the model has not seen yet, as many as it takes. */
static void tokens_and_positions(void **state)
{
    runner *r = *state;
    expect_text(r, "carry.pte", "1,5,2", 9, "");
    assert_non_null(strstr(r->err, "forward: 3 at 0\nforward: 1 at 3\nforward: 1 at 4\n"));
    expect_text(r, "carry.pte", "1,5,2,7,3,0", 4, "");
    assert_non_null(strstr(r->err, "forward: 4 at 0\nforward: 2 at 4\nforward: 1 at 6\n"));
    expect_text(r, "each.pte", "1,5,2,7,3,0", 4, "");
    expect_text(r, "state.pte", "1,5,2,7,3,0,1", 3, "");
    assert_non_null(strstr(r->err, "forward: 3 at 0\nforward: 3 at 3\nforward: 1 at 6\n"));
    expect_text(r, "whole.pte", "1,5", 5, "");
    assert_non_null(strstr(r->err, "forward: 2 at 0\nforward: 3 at 0\nforward: 4 at 0\n"));
}

static void methods(void **state)
{
    runner *r = *state;
    expect_text(r, "carry.pte", "1,5,2,7,3,0", 3, "--prefill prefill");
    assert_non_null(
        strstr(r->err, "prefill: 4 at 0\nprefill: 2 at 4\nforward: 1 at 6\nforward: 1 at 7\n"));
    expect(r, &fake, "state.pte --generate 3 --prompt 1 --prefill prefill", 1,
           "--prefill: that method has a state of its own");
}

static void ends(void **state)
{
    runner *r = *state;
    expect(r, &fake, "carry.pte --generate 9 --prompt 1,5,2 --stop 7,4", 0, "2 4 (stop)");
    expect(r, &fake, "carry.pte --generate 1 --prompt 1,5,2", 0, "2 \nprompt: 3 tokens");
    expect(r, &fake, "whole.pte --generate 9 --prompt 1,5,2", 1,
           "the text has 7 tokens, the model takes 6");
    assert_non_null(strstr(r->out, "2 4 2 2 ")); /* what came until then */
    expect(r, &fake, "nan.pte --generate 2 --prompt 1,5", 7, "no logit after token 2 is a number");
}

static void files(void **state)
{
    runner *r = *state;
    char path[128], got[64] = "";
    program_write(runner_path(r, "ids.txt", path), "1 5\n2\n", 6);
    expect(r, &fake, "carry.pte --generate 2 --prompt ids.txt --output out.txt", 0, "2 4 ");
    assert_int_equal(runner_read(runner_path(r, "out.txt", path), got, sizeof got), 4);
    assert_memory_equal(got, "2\n4\n", 4);
    runner_path(r, "ids.txt", path);
    runner_how piped = fake;
    piped.from = path;
    expect(r, &piped, "carry.pte --generate 2 --prompt - --output -", 0, "");
    assert_string_equal(r->out, "2\n4\n"); /* and nothing else */
    program_write(runner_path(r, "ids.txt", path), "1 five", 6);
    expect(r, &fake, "carry.pte --generate 2 --prompt ids.txt", 1,
           "ids.txt: 'five' is no token id");
    expect(r, &fake, "carry.pte --generate 2 --prompt none.txt", 6, "none.txt");
}

static void refusals(void **state)
{
    runner *r = *state;
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"carry.pte --generate 0 --prompt 1", "--generate: '0' is not a whole number"},
        {"carry.pte --generate 5", "--prompt 1,15,27"},
        {"carry.pte --generate 5 --prompt ,", "--prompt: there must be a token"},
        {"carry.pte --generate 5 --prompt 1,8", "--prompt: token 8, the model has 0 to 7"},
        {"carry.pte --generate 5 --prompt 1 --stop x", "--stop: 'x' is no token id"},
        {"carry.pte --generate 5 --prompt 1 --stop -1", "--stop: '-1' is no token id"},
        {"carry.pte --generate 5 --prompt 1 --stop 99999999999", "is no token id"},
        {"carry.pte --generate 5 --prompt 1 --temperature -1", "--temperature: '-1'"},
        {"carry.pte --generate 5 --prompt 1 --temperature nan", "--temperature: 'nan'"},
        {"carry.pte --generate 5 --prompt 1 --top-k 3", "--top-k needs --temperature"},
        {"carry.pte --generate 5 --prompt 1 --seed 3", "--seed needs --temperature"},
        {"carry.pte --prompt 1", "--prompt needs --generate"},
        {"carry.pte --prefill p", "--prefill needs --generate"},
        {"carry.pte --generate 5 --prompt 1 --input a", "--generate cannot be used with --input"},
        {"--list-devices --generate 5 --prompt 1", "--generate needs a model"},
        {"carry.pte --generate 5 --prompt - --labels -", "--labels needs"},
        {"odd.pte --generate 5 --prompt 1", "the method has 3 inputs and 1 outputs"},
        {"float.pte --generate 5 --prompt 1", "input 0 must be a row of tokens"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(r, &fake, rows[i].line, 1, rows[i].says);
}

/* As drawn with a seed: the same again, another one otherwise, and the likeliest alone with K 1. */
static void drawn(void **state)
{
    runner *r = *state;
    static char first[RUNNER_TEXT];
    expect(r, &fake, "carry.pte --generate 40 --prompt 1 --temperature 2 --seed 5", 0, "prompt: 1");
    strcpy(first, r->out);
    const char *ids = strchr(first, '\n') + 1;
    *strstr(first, "prompt:") = 0;
    expect(r, &fake, "carry.pte --generate 40 --prompt 1 --temperature 2 --seed 5", 0, ids);
    expect(r, &fake, "carry.pte --generate 40 --prompt 1 --temperature 2 --seed 6", 0, "prompt: 1");
    assert_null(strstr(r->out, ids));
    expect_text(r, "carry.pte", "1,5,2", 9, "--temperature 2 --top-k 1");
}

static void json(void **state)
{
    runner *r = *state;
    assert_int_equal(
        runner_run(r, &fake, "carry.pte --generate 3 --prompt 1,5,2 --json --stop 2,0"), 0);
    cJSON *root = cJSON_ParseWithOpts(r->out, NULL, true);
    const cJSON *tokens = cJSON_GetObjectItemCaseSensitive(root, "tokens"),
                *times = cJSON_GetObjectItemCaseSensitive(root, "generate");
    assert_int_equal(cJSON_GetArraySize(tokens), 1);
    assert_int_equal(cJSON_GetArrayItem(tokens, 0)->valueint, 2);
    assert_true(runner_number(times, "prompt_tokens") == 3);
    assert_true(runner_number(times, "tokens") == 1);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(times, "stopped")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(times, "per_second")));
    cJSON_Delete(root);
    assert_int_equal(runner_run(r, &fake, "whole.pte --generate 9 --prompt 1,5,2 --json"), 1);
    root = cJSON_ParseWithOpts(r->out, NULL, true);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "tokens")), 4);
    assert_non_null(strstr(runner_string(root, "error"), "the model takes 6"));
    cJSON_Delete(root);
}

/* ----------------------------------------------------------------------------------------- nets */

enum { VOCABULARY = 128, PROMPT = 5, TEXT = 24 };
static const int64_t prompt[PROMPT] = {1, 15, 27, 90, 3};

static int64_t step(vkd_method *method, int64_t token, int64_t position)
{
    float logits[VOCABULARY];
    vkd_tensor_arg args[] = {
        {sizeof *args, VKD_DTYPE_INT64, 2, {1, 1}, .input = &token, .capacity = sizeof token},
        {sizeof *args, VKD_DTYPE_INT64, 1, {1}, .input = &position, .capacity = sizeof position},
        {sizeof *args, VKD_DTYPE_FLOAT32, .output = logits, .capacity = sizeof logits},
    };
    assert_int_equal(vkd_method_execute(method, args, 3), VKD_OK);
    int64_t best = 0;
    for (int64_t i = 1; i < VOCABULARY; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

/* The text token by token, as a line of ids; skips the test without a device. */
static void write_stepwise(const char *path, char text[256])
{
    vkd_program *program = NULL;
    vkd_method *method = NULL;
    const vkd_options options = {.size = sizeof options, .no_cache = true};
    int64_t token = 0;
    int length = 0;
    assert_int_equal(vkd_program_open(path, &options, &program), VKD_OK);
    vkd_status status = vkd_method_load(program, NULL, &options, &method);
    if (status == VKD_NO_DEVICE) {
        vkd_program_close(program);
        test_skip("there is no Vulkan device");
    }
    assert_int_equal(status, VKD_OK);
    for (int64_t i = 0; i < PROMPT + TEXT - 1; i++) {
        token = step(method, i < PROMPT ? prompt[i] : token, i);
        if (i >= PROMPT - 1)
            length += snprintf(text + length, 256 - (size_t)length, "%d ", (int)token);
    }
    vkd_method_unload(method);
    vkd_program_close(program);
}

/* Fixed and dynamic nets; in f32, whose sums do not depend on how many tokens come at once. */
static void llama_nets(void **state)
{
    runner *r = *state;
    static const char *const nets[] = {"f32_dyn", "4w_decode", "f32_noops_decode"};
    const runner_how real = {.library = ""};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        char path[256], text[256], line[512];
        snprintf(path, sizeof path, "%s/llama/%s/model.pte", VKD_MODELS, nets[i]);
        write_stepwise(path, text);
        snprintf(line, sizeof line, "%s --generate %d --prompt 1,15,27,90,3 --no-cache", path,
                 TEXT);
        expect(r, &real, line, 0, text);
    }
}

/* A text that is longer than the model's context ends with a message, after all that fits. */
static void llama_context(void **state)
{
    runner *r = *state;
    const runner_how real = {.library = ""};
    char line[512];
    snprintf(line, sizeof line, "%s/llama/f32_dyn/model.pte --generate 99 --prompt 1 --no-cache",
             VKD_MODELS);
    if (runner_run(r, &real, line) == 4)
        test_skip("there is no Vulkan device");
    expect(r, &real, line, 1, "longer than the model's context");
    assert_non_null(strstr(r->out, "text: 31 further tokens")); /* 32 positions */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_and_positions),
        cmocka_unit_test(methods),
        cmocka_unit_test(ends),
        cmocka_unit_test(files),
        cmocka_unit_test(refusals),
        cmocka_unit_test(drawn),
        cmocka_unit_test(json),
        cmocka_unit_test(llama_nets),
        cmocka_unit_test(llama_context),
    };
    return cmocka_run_group_tests(tests, runner_setup, runner_teardown);
}
