# cmake -DSOURCE=... -DWORK=... -P check_axes.cmake
# What scripts/cmake/Kernels.cmake makes of a kernel's first lines, and which it refuses.
file(REMOVE_RECURSE ${WORK})

# Writes a kernel with these lines, reads it and sets `modules` to what it is built into.
function(read_kernel path)
  list(JOIN ARGN "\n" text)
  file(WRITE ${WORK}/${path} "#version 450\n${text}\nvoid main() {}\n")
  execute_process(COMMAND ${CMAKE_COMMAND} -DSHADERS=${WORK} -P ${SOURCE}/scripts/cmake/Kernels.cmake
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE errors)
  file(REMOVE ${WORK}/${path})
  string(REPLACE " ${WORK}/" " " output "${output}")
  string(REGEX REPLACE "[ \n]+" " " modules "${output}${errors}")
  set(modules "${modules}" PARENT_SCOPE)
  set(result ${result} PARENT_SCOPE)
endfunction()

function(expect path lines wanted)
  read_kernel(${path} ${lines})
  if(NOT result EQUAL 0 OR NOT modules STREQUAL wanted)
    message(FATAL_ERROR "${lines}\n  gives '${modules}'\n  but not '${wanted}'")
  endif()
endfunction()

function(expect_refusal part)
  read_kernel(bad.comp ${ARGN})
  if(result EQUAL 0 OR NOT modules MATCHES "bad.comp: ${part}")
    message(FATAL_ERROR "${ARGN}\n  gives '${modules}'\n  but no refusal with '${part}'")
  endif()
endfunction()

expect(clamp.comp "// A purpose: with a colon;// base: other" "clamp all clamp.comp -O ")
expect(elementwise/unary.comp "// build: T = f32 i8;// build: LAYOUT = rows 4c"
  "unary_f32_rows all elementwise/unary.comp -O -DT_F32 -DLAYOUT_ROWS \
unary_f32_4c all elementwise/unary.comp -O -DT_F32 -DLAYOUT_4C \
unary_i8_rows all elementwise/unary.comp -O -DT_I8 -DLAYOUT_ROWS \
unary_i8_4c all elementwise/unary.comp -O -DT_I8 -DLAYOUT_4C ")
expect(gemm.comp "// build: TILE = -(M=4 N=4);// build: DOT = none signed mixed;// build: TILE = big(M=8 N=LARGE);// family: some"
  "gemm none gemm.comp -O -DM=4 -DN=4 -DDOT_NONE \
gemm signed gemm.comp -O -DM=4 -DN=4 -DDOT_SIGNED \
gemm mixed gemm.comp -O -DM=4 -DN=4 -DDOT_MIXED \
gemm_big none gemm.comp -O -DTILE_BIG -DM=8 -DN=LARGE -DDOT_NONE \
gemm_big signed gemm.comp -O -DTILE_BIG -DM=8 -DN=LARGE -DDOT_SIGNED \
gemm_big mixed gemm.comp -O -DTILE_BIG -DM=8 -DN=LARGE -DDOT_MIXED ")
expect(pool.comp "// glslc -O0: a reason;// build: T = - q8;// module: {T}_pool2d"
  "pool2d all pool.comp -O0 q8_pool2d all pool.comp -O0 -DT_Q8 ")

expect_refusal("more than one value of T makes the module bad_f32" "// build: T = f32 f32")
expect_refusal("more than one value of T makes the module bad" "// build: T = f32 i32" "// module: bad")
expect_refusal("'// build: t = f32' is not understood" "// build: t = f32")
expect_refusal("'// build: T =' is not understood" "// build: T =")
expect_refusal("'// build: DOT = signed' is not understood" "// build: DOT = signed")
expect_refusal("'// family: Two Words' is not understood" "// family: Two Words")
expect_refusal("'// base: Two Words' is not understood" "// base: Two Words")
expect_refusal("'// glslc O0' is not understood" "// glslc O0")
expect_refusal("'4x4_bad' cannot be a module's name" "// build: T = 4x4" "// module: {T}_bad")
expect_refusal("'bad_{U}_f32' cannot be a module's name" "// build: T = f32" "// module: bad_{U}_{T}")
message(STATUS "kernels' first lines are read as they should be")
