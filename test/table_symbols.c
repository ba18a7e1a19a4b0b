/* Cases of ops/symbols.c: operators on SymInts and SymFloats. */
#include "table_families.h"

#include <math.h>

typedef enum symbol_op {
    ADD,
    SUB,
    MUL,
    FLOORDIV,
    MOD,
    TRUEDIV,
    MAX,
    MIN,
    LT,
    GT,
    GE,
    LE,
    EQ,
    NE,
    NEG,
    FLOAT,
    CEIL,
    ROUND,
    TRUNC
} symbol_op;

/* As Python computes it, of doubles, which have room for ints of 32 bits and their products. */
static double expected(symbol_op op, double a, double b)
{
    const double quotient = floor(a / b), rest = fmod(a, b), down = floor(a), half = a - down;
    const bool odd = fmod(down, 2) != 0;
    const double results[] = {
        [ADD] = a + b,
        [SUB] = a - b,
        [MUL] = a * b,
        [FLOORDIV] = quotient,
        [MOD] = rest == 0 || (rest < 0) == (b < 0) ? rest : rest + b,
        [TRUEDIV] = a / b,
        [MAX] = a > b ? a : b,
        [MIN] = a < b ? a : b,
        [LT] = a<b, [GT] = a> b,
        [GE] = a >= b,
        [LE] = a <= b,
        [EQ] = a == b,
        [NE] = a != b,
        [NEG] = -a,
        [FLOAT] = a,
        [CEIL] = half > 0 ? down + 1 : down,
        [ROUND] = half > 0.5 || (half == 0.5 && odd) ? down + 1 : down,
        [TRUNC] = a < 0 && half > 0 ? down + 1 : down,
    };
    return results[op];
}

/* An int, or a real number, halves among them. */
static double draw_operand(table *t, double most, bool real)
{
    double number = random_range(t->random, -(int32_t)most, (int32_t)most);
    if (real)
        number = table_chance(t, 2) ? number + 0.5 : number / 7;
    if (real)
        table_real(t, number);
    else
        table_size(t, (int64_t)number);
    return number;
}

static void draw_result(table *t, double number, bool real)
{
    if (real)
        table_output_symfloat(t, number);
    else
        table_output_symint(t, (int64_t)number);
}

static bool compares(symbol_op op) { return op >= LT && op <= NE; }

static void draw_binary(table *t)
{
    const symbol_op op = (symbol_op)t->row->code;
    const bool divides = op == FLOORDIV || op == MOD || op == TRUEDIV, a_real = table_chance(t, 3),
               b_real = table_chance(t, 3);
    double most = op == MUL ? 40000 : 1000000000;
    if (table_chance(t, 2))
        most = 5;
    const double a = draw_operand(t, most, a_real);
    double b = 0;
    if (divides && !b_real) {
        b = random_range(t->random, 1, (int32_t)most) * (table_chance(t, 2) ? 1 : -1);
        table_size(t, (int64_t)b);
    } else if (divides) {
        b = random_range(t->random, 1, (int32_t)most) / 8.0;
        table_real(t, b);
    } else {
        b = draw_operand(t, most, b_real);
    }
    draw_result(t, expected(op, a, b), !compares(op) && (a_real || b_real || op == TRUEDIV));
}

static void draw_unary(table *t)
{
    const symbol_op op = (symbol_op)t->row->code;
    const bool real = !table_chance(t, 3);
    const double a = draw_operand(t, table_chance(t, 2) ? 5 : 1000000000, real);
    draw_result(t, expected(op, a, 1), op == FLOAT || (op == NEG && real));
}

static void draw_size(table *t)
{
    table_tensor *x = table_input(t, table_dtype(t, TABLE_ALL), table_shape(t, 1, 8));
    int64_t dim = table_below(t, x->shape.rank);
    table_int(t, table_chance(t, 2) ? dim : dim - x->shape.rank);
    table_output_symint(t, x->shape.dims[dim]);
}

static void draw_count(table *t)
{
    table_tensor *x = table_input(t, table_dtype(t, TABLE_ALL), table_shape(t, 0, 8));
    table_output_symint(t, (int64_t)x->count);
}

/* One element of an input of the model that has one dim that is not 1. */
static table_tensor *draw_numbers(table *t, uint32_t dim, uint32_t rank, uint32_t size)
{
    vkd_shape shape = {.rank = rank};
    for (uint32_t d = 0; d < rank; d++)
        shape.dims[d] = d == dim ? size : 1;
    table_tensor *x = table_input(t, table_dtype(t, TABLE_I32), shape);
    table_uniform(t, x, -1000, 1000);
    x->arrival = TABLE_ROWS;
    return x;
}

static void draw_select(table *t)
{
    uint32_t rank = 1 + table_below(t, 3), dim = table_below(t, rank), size = 1 + table_below(t, 9);
    table_tensor *x = draw_numbers(t, dim, rank, size);
    uint32_t index = table_below(t, size);
    table_int(t, table_chance(t, 2) ? (int64_t)dim : (int64_t)dim - rank);
    table_size(t, table_chance(t, 2) ? (int64_t)index : (int64_t)index - size);
    table_output_symint(t, (int64_t)x->values[index]);
}

static void draw_item(table *t)
{
    table_tensor *x = draw_numbers(t, 0, table_below(t, 2), 1);
    table_output_symint(t, (int64_t)x->values[0]);
}

static const table_case cases[] = {
    {"add", draw_binary, ADD},
    {"sub", draw_binary, SUB},
    {"mul", draw_binary, MUL},
    {"floordiv", draw_binary, FLOORDIV},
    {"lt", draw_binary, LT},
    {"gt", draw_binary, GT},
    {"ge", draw_binary, GE},
    {"le", draw_binary, LE},
    {"eq", draw_binary, EQ},
    {"executorch_prim::add.Scalar", draw_binary, ADD},
    {"executorch_prim::sub.Scalar", draw_binary, SUB},
    {"executorch_prim::mul.Scalar", draw_binary, MUL},
    {"executorch_prim::floordiv.Scalar", draw_binary, FLOORDIV},
    {"executorch_prim::mod.Scalar", draw_binary, MOD},
    {"executorch_prim::sym_max.Scalar", draw_binary, MAX},
    {"executorch_prim::sym_min.Scalar", draw_binary, MIN},
    {"executorch_prim::lt.Scalar", draw_binary, LT},
    {"executorch_prim::gt.Scalar", draw_binary, GT},
    {"executorch_prim::ge.Scalar", draw_binary, GE},
    {"executorch_prim::le.Scalar", draw_binary, LE},
    {"executorch_prim::eq.Scalar", draw_binary, EQ},
    {"executorch_prim::ne.Scalar", draw_binary, NE},
    {"executorch_prim::floordiv.int", draw_binary, FLOORDIV},
    {"executorch_prim::mod.int", draw_binary, MOD},
    {"executorch_prim::truediv.Scalar", draw_binary, TRUEDIV},
    {"executorch_prim::neg.Scalar", draw_unary, NEG},
    {"executorch_prim::sym_float.Scalar", draw_unary, FLOAT},
    {"executorch_prim::ceil.Scalar", draw_unary, CEIL},
    {"executorch_prim::round.Scalar", draw_unary, ROUND},
    {"executorch_prim::trunc.Scalar", draw_unary, TRUNC},
    {"aten::sym_numel", draw_count},
    {"sym_size.int", draw_size},
    {"aten::sym_size.int", draw_size},
    {"et_vk.select_as_symint.default", draw_select},
    {"aten::_local_scalar_dense", draw_item},
};
const table_family table_symbols = TABLE_FAMILY(cases);
