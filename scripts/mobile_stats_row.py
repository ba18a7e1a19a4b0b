#!/usr/bin/env python3
"""mobile_stats_row.py STATS LOOPS KERNEL DEVICE LOOP_PRODUCTS ALL_PRODUCTS: one row of the table of mobile-stats.sh.
STATS: what shaderstat printed; LOOPS: what loopstat.py printed, a line for each loop and one for the whole kernel."""
import json
import re
import sys

stats_file, loops_file, kernel, device, loop_products, all_products = sys.argv[1:]
stats = next(json.loads(line)["stats"] for line in open(stats_file) if line.startswith("{"))
*loops, whole = (json.loads(line) for line in open(loops_file))


def count(loop, names):
    return sum(n for name, n in loop["mix"].items() if re.match(names, name))


def span(loop):
    return [int(number) for number in re.findall(r"\d+", loop["where"])]


def is_innermost(loop):
    first, last = span(loop)
    return not any(other is not loop and first <= span(other)[0] and span(other)[1] <= last for other in loops)


FLOATS = "mad_f32|fma_f32"
is_float = loop_products == "floats"
# The innermost loop that multiplies most. A compiler may have unrolled it, and then the whole kernel counts.
hot = max(filter(is_innermost, loops), default=whole,
          key=lambda loop: (count(loop, "dp4acc|idp"), is_float and count(loop, FLOATS), count(loop, "mad|fma|mul|imul")))
products = count(hot, FLOATS) if is_float else 4 * count(hot, "dp4acc|idp")
if not products:
    if hot is not whole and count(hot, "mad|fma|mul|imul") < int(loop_products):
        hot = whole
    products = int(all_products if hot is whole else loop_products)
if not products:
    sys.exit(f"{kernel} on {device}: no product in the innermost loop")

if "Max Waves Per Core" in stats:  # Adreno
    registers, spills = stats["Registers used"], stats["STP Count"] + stats["LDP Count"]
    occupancy = f"{stats['Max Waves Per Core']} of 16"
else:  # Mali
    registers, spills = stats["Work registers"], stats["Spills"] + stats["Fills"]
    occupancy = f"{stats['Threads (2=full occupancy)']} of 2"
unrolled = ", unrolled" if hot is whole else ""
print(f"| {kernel} | {device} | {hot['slots'] / products:.2f} | {hot['slots']} / {products}{unrolled} | {registers} | {occupancy} | {spills} |")
