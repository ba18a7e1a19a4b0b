/* Cases of ops/symbols.c: operators on SymInts. */
#include "table_families.h"

#include <math.h>

typedef enum symbol_op { ADD, SUB, MUL, FLOORDIV, MOD, MAX, MIN, LT, GT, GE, LE, EQ, NE } symbol_op;

static int64_t expected(symbol_op op, int64_t a, int64_t b)
{
    const int64_t quotient = b ? (int64_t)floor((double)a / (double)b) : 0;
    const int64_t results[] = {a + b,         a - b,         a * b,     quotient, a - quotient * b,
                               a > b ? a : b, a < b ? a : b, a<b, a> b, a >= b,   a <= b,
                               a == b,        a != b};
    return results[op];
}

static void draw_binary(table *t)
{
    symbol_op op = (symbol_op)t->row->code;
    int32_t most = op == MUL ? 40000 : 1000000000;
    if (table_chance(t, 2))
        most = 5;
    int64_t a = random_range(t->random, -most, most), b = random_range(t->random, -most, most);
    if (b == 0 && (op == FLOORDIV || op == MOD))
        b = -1;
    table_size(t, a);
    table_size(t, b);
    table_output_symint(t, expected(op, a, b));
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

static void draw_negate(table *t)
{
    const int64_t a = random_range(t->random, -1000000000, 1000000000);
    table_size(t, a);
    table_output_symint(t, -a);
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
    {"executorch_prim::neg.Scalar", draw_negate},
    {"aten::sym_numel", draw_count},
    {"sym_size.int", draw_size},
    {"aten::sym_size.int", draw_size},
    {"et_vk.select_as_symint.default", draw_select},
    {"aten::_local_scalar_dense", draw_item},
};
const table_family table_symbols = TABLE_FAMILY(cases);
