/* A program with another FlatBuffers beside the static library: classes and functions of the same
 * names, whose objects are larger. Inline functions of one name are one function to a linker; if it
 * took these for the library's they would write beyond the library's objects. Argument: a
 * model.pte. */
#include <cstddef>
#include <cstdint>
#include <cstdio>

#include <vkdelegate.h>

namespace flatbuffers
{

class Verifier
{
  public:
    __attribute__((noinline)) bool VerifyVectorOrString(const uint8_t *, size_t, size_t *) const
    {
        calls[63]++;
        return false;
    }
    mutable long calls[64] = {};
};

class Table
{
  public:
    __attribute__((noinline)) bool VerifyOffset(const Verifier &verifier, uint16_t) const
    {
        verifier.calls[62]++;
        return false;
    }
};

} // namespace flatbuffers

int main(int, char **argv)
{
    flatbuffers::Verifier verifier;
    flatbuffers::Table table;
    bool verified =
        table.VerifyOffset(verifier, 4) || verifier.VerifyVectorOrString(nullptr, 1, nullptr);

    vkd_program *program = nullptr;
    vkd_status status = vkd_program_open(argv[1], nullptr, &program);
    size_t methods = status == VKD_OK ? vkd_program_method_count(program) : 0;
    vkd_program_close(program);
    printf("%s, %zu methods; ours: %ld, %ld calls\n", vkd_status_name(status), methods,
           verifier.calls[62], verifier.calls[63]);
    return methods == 1 && !verified && verifier.calls[62] == 1 && verifier.calls[63] == 1 ? 0 : 1;
}
