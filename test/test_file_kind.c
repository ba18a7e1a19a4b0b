/* What a file that is no program looks like: every kind that is known, cut off anywhere, and bytes
 * that look like nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "schema/file_kind.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BYTES(text) text, sizeof text - 1

static const struct {
    const char *bytes;
    size_t size;
    const char *kind; /* null: none */
} files[] = {
    {BYTES("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 26012345\n"),
     "a Git LFS pointer"},
    {BYTES("<!DOCTYPE html><html><body>404 Not Found</body></html>"), "a web page"},
    {BYTES("\xef\xbb\xbf\r\n  <HTML lang=\"de\">"), "a web page"},
    {BYTES("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>"), "a web page"},
    {BYTES("PK\003\004\024\0\0\0\0\0"), "a zip archive"},
    {BYTES("\034\0\0\0TFL3\024\0\040\0"), "a TensorFlow Lite model"},
    {BYTES("\010\007\022\007pytorch\032\0052.1.0:\x97\001"), "an ONNX model"},
    {BYTES("\010\010:\x97\001\n"), "an ONNX model"},
    {BYTES("\0\0\0\0VH00\036\0"), "a delegate's blob"},
    {BYTES("\044\0\0\0FT01FH01"), "a .ptd file"},
    {BYTES("\034\0\0\0BP08"), "a bundled program"},
    {BYTES("\034\0\0\0ET13eh00"), "another version"},
    {BYTES("\211HDF\r\n\032\n\0\0"), "an HDF5 file"},
    {BYTES("GGUF\003\0\0\0"), "a GGUF file"},
    {BYTES("\120\0\0\0\0\0\0\0{\"weight\":{}}"), "a safetensors file"},
    {BYTES("\x7f"
           "ELF\002\001\001\0"),
     "a library for the CPU"},
    {BYTES("\211PNG\r\n\032\n\0\0\0\rIHDR"), "an image"},
    {BYTES("\xff\xd8\xff\xe0\0\020JFIF"), "an image"},
    {BYTES("\x1f\x8b\010\0\0\0\0\0"), "gzip"},
    {BYTES("\xfd"
           "7zXZ\0\0\004"),
     "xz"},
    {BYTES("\x28\xb5\x2f\xfd\044\0"), "zstd"},
    {BYTES("BZh91AY&SY\x8a\x01"), "bzip2"},
    {BYTES("7z\xbc\xaf\x27\x1c\0\004"), "a 7z archive"},
    {BYTES("Rar!\x1a\x07\001\0"), "a RAR archive"},
    {BYTES("\x80\002\x8a\nl\xfc\x9c"), "a Python pickle"},
    {BYTES("\x80\004\x95\x1a\0\0\0\0"), "a Python pickle"},
    {BYTES("this is no program at all\n"), "text"},
    {BYTES("{\"message\": \"Not Found\"}"), "text"},
    {BYTES("\0\0\0\0\0\0\0\0\0\0"), "nothing but zeros"},
    {BYTES("\034\0\0\0\xde\xad\xbe\xef\001\002\003"), NULL},
    {BYTES("x\001"), NULL},
    {BYTES(""), "an empty file"},
};

static void every_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(files); i++) {
        const char *kind = vkd_file_kind(files[i].bytes, files[i].size);
        if (!kind != !files[i].kind || (kind && !strstr(kind, files[i].kind)))
            fail_msg("file %zu looks like '%s', expected '%s'", i, kind ? kind : "-",
                     files[i].kind ? files[i].kind : "-");
    }
    char tar[512] = "model.pte";
    memcpy(tar + 257, "ustar", 6);
    assert_non_null(strstr(vkd_file_kind(tar, sizeof tar), "a tar archive"));
}

/* Blocks of exactly the size, so that the sanitizers see a byte that is read behind the end. */
static void any_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(files); i++) {
        for (size_t size = 0; size <= files[i].size; size++) {
            char *bytes = malloc(size + !size);
            assert_non_null(bytes);
            memcpy(bytes, files[i].bytes, size);
            const char *kind = vkd_file_kind(bytes, size);
            assert_true(!kind || *kind);
            free(bytes);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_kind), cmocka_unit_test(any_length)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
