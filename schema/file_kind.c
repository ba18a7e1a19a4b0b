#include "schema/file_kind.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static const struct {
    size_t at, size;
    const char *bytes, *kind;
} signatures[] = {
    {0, 34, "version https://git-lfs.github.com",
     "a Git LFS pointer: 'git lfs pull' fetches the file that it stands for"},
    {0, 4, "PK\003\004",
     "a zip archive, as PyTorch's .pt, .pth and .pt2 are: ExecuTorch exports those to .pte"},
    {4, 4, "TFL3", "a TensorFlow Lite model"},
    {4, 4, "VH00", "a delegate's blob without the program around it: vkd_init takes those"},
    {4, 4, "FT01", "a .ptd file: it has weights and no program"},
    {4, 3, "BP0", "a bundled program (.bpte): the program without its test cases is needed"},
    {4, 3, "ET1", "a program in another version of the format than ET12"},
    {0, 8, "\211HDF\r\n\032\n", "an HDF5 file, as Keras writes them"},
    {0, 4, "GGUF", "a GGUF file"},
    {8, 2, "{\"", "a safetensors file: it has weights and no program"},
    {0, 4,
     "\x7f"
     "ELF",
     "a program or a library for the CPU"},
    {0, 8, "\211PNG\r\n\032\n", "an image: the model comes first"},
    {0, 3, "\xff\xd8\xff", "an image: the model comes first"},
    {0, 2, "\x1f\x8b", "gzip-compressed: it must be unpacked first"},
    {0, 6,
     "\xfd"
     "7zXZ\0",
     "xz-compressed: it must be unpacked first"},
    {0, 4, "\x28\xb5\x2f\xfd", "zstd-compressed: it must be unpacked first"},
    {4, 6, "1AY&SY", "bzip2-compressed: it must be unpacked first"},
    {0, 6, "7z\xbc\xaf\x27\x1c", "a 7z archive: it must be unpacked first"},
    {0, 6, "Rar!\x1a\x07", "a RAR archive: it must be unpacked first"},
    {257, 5, "ustar", "a tar archive: it must be unpacked first"},
    {0, 2, "\x80\x02", "a Python pickle, as PyTorch wrote them before 1.6"},
    {0, 2, "\x80\x04", "a Python pickle"},
};

/* A page of a server instead of the file: an error, or a login. */
static int is_html(const char *bytes, size_t size)
{
    static const char *const begins[] = {"<!doctype html", "<html", "<?xml"};
    size_t at = size >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0;
    while (at < size && isspace((unsigned char)bytes[at]))
        at++;
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (size - at >= strlen(begins[i]) &&
            !strncasecmp(bytes + at, begins[i], strlen(begins[i])))
            return 1;
    return 0;
}

/* ONNX is a protobuf without a signature. Its writers begin with ir_version, a small number, and go
 * on with the producer's name, with the opset or with the graph. */
static int is_onnx(const unsigned char *bytes, size_t size)
{
    return size > 3 && bytes[0] == 0x08 && bytes[1] < 0x20 &&
           (bytes[2] == 0x12 || bytes[2] == 0x42 || bytes[2] == 0x3a);
}

static int is_text(const unsigned char *bytes, size_t size)
{
    enum { ENOUGH = 256 };
    for (size_t i = 0; i < size && i < ENOUGH; i++)
        if (!isprint(bytes[i]) && !isspace(bytes[i]))
            return 0;
    return size > 0;
}

static int is_zeros(const unsigned char *bytes, size_t size)
{
    return size > 0 && !bytes[0] && !memcmp(bytes, bytes + 1, size - 1);
}

const char *vkd_file_kind(const void *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        if (size >= signatures[i].at + signatures[i].size &&
            !memcmp((const char *)bytes + signatures[i].at, signatures[i].bytes,
                    signatures[i].size))
            return signatures[i].kind;
    if (!size)
        return "an empty file";
    if (is_html(bytes, size))
        return "a web page: a download gave it instead of the file, perhaps an error or a login";
    if (is_onnx(bytes, size))
        return "an ONNX model";
    if (is_text(bytes, size))
        return "text";
    return is_zeros(bytes, size) ? "nothing but zeros, as of a download that was broken off" : NULL;
}
