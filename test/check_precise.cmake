# cmake -DGLSLC=... -DSHADERS=... -P check_precise.cmake
# Every kernel that ends in requantize.glsl must keep `precise` through glslc's optimiser: its loop unroller does not copy the
# NoContraction decorations, after which a driver may turn a product and a sum into an fma, and results differ in the last bit. For
# two roundings (of the result, and of the sum with a residual; each has a clamp) requantize.glsl has eleven operations that must be
# decorated.
file(GLOB kernels ${SHADERS}/gemm_*.comp ${SHADERS}/conv_*.comp)
set(checked 0)
foreach(kernel IN LISTS kernels)
  file(STRINGS ${kernel} unoptimised REGEX "^// glslc -O0")
  set(optimise -O)
  if(unoptimised)
    set(optimise -O0)
  endif()
  execute_process(COMMAND ${GLSLC} --target-env=vulkan1.1 ${optimise} -S -DVKD_DOT=2 -I ${SHADERS} ${kernel} -o -
                  OUTPUT_VARIABLE code RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${GLSLC}: ${kernel} does not compile")
  endif()
  string(REGEX MATCHALL "FClamp" roundings "${code}")
  string(REGEX MATCHALL "NoContraction" decorations "${code}")
  list(LENGTH roundings rounding_count)
  list(LENGTH decorations decoration_count)
  math(EXPR wanted "${rounding_count} * 11 / 2")
  if(rounding_count EQUAL 0 OR decoration_count LESS wanted)
    message(FATAL_ERROR "${kernel}: ${rounding_count} roundings, but only ${decoration_count} of ${wanted} operations are precise")
  endif()
  math(EXPR checked "${checked} + 1")
endforeach()
if(checked LESS 10)
  message(FATAL_ERROR "only ${checked} kernels were checked")
endif()
message(STATUS "${checked} kernels keep their roundings")
