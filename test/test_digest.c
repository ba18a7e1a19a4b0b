/* Digests of bytes. */
#include "runtime/base/digest.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdbool.h>
#include <string.h>

static vkd_digest of(const vkd_digest_key *key, const void *bytes, size_t size)
{
    vkd_digest digest = {{0}};
    vkd_digest_add(&digest, key, bytes, size);
    return digest;
}

static bool same(vkd_digest a, vkd_digest b) { return !memcmp(&a, &b, sizeof a); }

/* Each bit counts, and so does the size; equal bytes at another address are equal. */
static void every_bit_counts(void **state)
{
    (void)state;
    enum { MOST = 2600 };
    static unsigned char bytes[MOST + 8], moved[MOST + 8];
    static const size_t sizes[] = {0, 1, 7, 8, 15, 16, 17, 1023, 1024, 1025, 2048, 2599};
    vkd_random random = random_begin("digest");
    vkd_digest_key key;
    vkd_digest_key_make(&key);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)random_bits(&random);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const size_t size = sizes[s];
        const vkd_digest digest = of(&key, bytes, size);
        memcpy(moved + 3, bytes, size);
        assert_true(same(digest, of(&key, moved + 3, size)));
        for (size_t bit = 0; bit < 8 * size; bit++) {
            moved[3 + bit / 8] ^= (unsigned char)(1u << bit % 8);
            assert_false(same(digest, of(&key, moved + 3, size)));
            moved[3 + bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
        moved[3 + size] = 0; /* one zero more */
        assert_false(same(digest, of(&key, moved + 3, size + 1)));
    }
}

static void pieces_have_ends(void **state)
{
    (void)state;
    vkd_digest_key key;
    vkd_digest_key_make(&key);
    vkd_digest split = of(&key, "a", 1), other = of(&key, "", 0);
    vkd_digest_add(&split, &key, "b", 1);
    vkd_digest_add(&other, &key, "ab", 2);
    assert_false(same(split, of(&key, "ab", 2)));
    assert_false(same(other, of(&key, "ab", 2)));
    assert_false(same(split, other));
}

/* Nobody outside the process can know them. */
static void keys_differ(void **state)
{
    (void)state;
    vkd_digest_key a, b;
    vkd_digest_key_make(&a);
    vkd_digest_key_make(&b);
    assert_false(same(of(&a, "vkdelegate", 10), of(&b, "vkdelegate", 10)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(pieces_have_ends),
        cmocka_unit_test(keys_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
