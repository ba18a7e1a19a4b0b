// Dot product of four packed int8 pairs, in the flavour (DOT) that the kernel is built for. `a` is
// an activation word as dot_operand() prepared it, `b` a weight word.
//
// MIXED exists for GPUs that have unsigned x signed in hardware but not signed x signed:
// activations are shifted by 128 to unsigned, and the sum over k is too large by DOT_SHIFT *
// sum(weights), which the kernel takes off at the end.
#if defined DOT_SIGNED
#extension GL_EXT_spirv_intrinsics : require
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [ 6019, 6018 ],
                  id = 4450) int op_sdot(int a, int b, spirv_literal int packed_format);

#define DOT_SHIFT 0
int dot_operand(int a) { return a; }
ivec4 dot_operand(ivec4 a) { return a; }
int dot_int8(int a, int b) { return op_sdot(a, b, 0); }

#elif defined DOT_MIXED
#extension GL_EXT_spirv_intrinsics : require
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [ 6019, 6018 ],
                  id = 4452) int op_sudot(int a, int b, spirv_literal int packed_format);

#define DOT_SHIFT 128
int dot_operand(int a) { return a ^ int(0x80808080u); }
ivec4 dot_operand(ivec4 a) { return a ^ int(0x80808080u); }
int dot_int8(int a, int b) { return op_sudot(b, a, 0); }

#elif defined DOT_NONE
#define DOT_SHIFT 0
int dot_operand(int a) { return a; }
ivec4 dot_operand(ivec4 a) { return a; }
int dot_int8(int a, int b)
{
    ivec4 p =
        (ivec4(a << 24, a << 16, a << 8, a) >> 24) * (ivec4(b << 24, b << 16, b << 8, b) >> 24);
    return (p.x + p.y) + (p.z + p.w);
}
#else
#error "a kernel with dot products has // build: DOT = none signed mixed"
#endif

// The same for 16 values, added to a sum. One chain, not a tree: then every dot product is an
// instruction that accumulates.
int dot_int8(int sum, ivec4 a, ivec4 b)
{
    sum += dot_int8(a.x, b.x);
    sum += dot_int8(a.y, b.y);
    sum += dot_int8(a.z, b.z);
    return sum + dot_int8(a.w, b.w);
}

int dot_int8(int sum, int a, int b) { return sum + dot_int8(a, b); }

// Steps of 16 values of the four channels of a word. Members, not an array: their offsets are
// constants, for which many GPUs have a place in the load instruction.
struct columns {
    ivec4 x, y, z, w;
};
