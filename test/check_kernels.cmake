# cmake -DBUILD_DIR=... -DSOURCE_DIR=... -DCC=... -DCXX=... -DGENERATOR=... -DMAKE=... -DLIBRARY=... -DPACKED=...
#   -DSTRIP=... [-DVKD_RUN=...] -P check_kernels.cmake
# A library without any family of kernels that may be left out, compiled for size: it builds, is so small that it has less than 1 MiB
# for arm64 (scripts/size.sh measures that one), and runs a model to the same bits as LIBRARY, while it says which kernels it has not. A
# family that there is not is refused. It takes the others as they are packed in the folder PACKED; of a folder that lacks one, or has
# those of other sources, no library is made.
set(limit 1028096) # bytes, stripped: arm64's is 16 KiB larger, and has to be below 1 MiB
set(work ${BUILD_DIR}/check-kernels)
set(model ${SOURCE_DIR}/models/tiny/bottleneck_c12m7o20_s2_11x11)
set(configure ${CMAKE_COMMAND} -S ${SOURCE_DIR} -G ${GENERATOR} -DCMAKE_MAKE_PROGRAM=${MAKE} -DCMAKE_C_COMPILER=${CC}
    -DCMAKE_CXX_COMPILER=${CXX} -DVKD_BUILD_RUNNER=OFF -DVKD_BUILD_TESTS=OFF)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN}: ${result}\n${output}")
  endif()
endfunction()

# What the command says when it fails, in which lines are broken anywhere, matches.
function(run_fails expected)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  if(result EQUAL 0 OR NOT output MATCHES "${expected}")
    message(FATAL_ERROR "${ARGN}: ${result}, expected: ${expected}\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${work}/packed ${work}/refused) # of a run that failed
run_fails("no family 'nonsense'" ${configure} -B ${work}/refused -DVKD_KERNELS=nonsense)

file(COPY ${PACKED}/ DESTINATION ${work}/packed FILES_MATCHING PATTERN *.inc)
file(WRITE ${work}/packed/sources.sum "of others\n")
run(${configure} -B ${work}/refused -DVKD_KERNELS= -DVKD_PACKED_KERNELS=${work}/packed)
run_fails("are of other sources than" ${CMAKE_COMMAND} --build ${work}/refused --target vkd-kernels)
file(REMOVE ${work}/packed/binary.all.inc)
run_fails("there is no binary.all.inc in [^ ]*/packed;" ${configure} -B ${work}/refused)
file(REMOVE_RECURSE ${work}/packed ${work}/refused)

run(${configure} -B ${work}/core -DVKD_KERNELS= -DVKD_PACKED_KERNELS=${PACKED} -DCMAKE_BUILD_TYPE=MinSizeRel)
run(${CMAKE_COMMAND} --build ${work}/core --target vkdelegate)
set(core ${work}/core/libvkdelegate.so)
run(${STRIP} -o ${work}/stripped.so ${core})
file(SIZE ${work}/stripped.so size)
message(STATUS "without optional kernels: ${size} bytes")
if(NOT size LESS limit)
  message(FATAL_ERROR "the library without optional kernels has ${size} bytes, the limit is ${limit}")
endif()

if(NOT VKD_RUN)
  return()
endif()
foreach(library ${LIBRARY} ${core})
  get_filename_component(folder ${library} DIRECTORY)
  get_filename_component(name ${folder} NAME)
  execute_process(COMMAND ${VKD_RUN} --library ${library} ${model}/model.pte --input ${model}/input0.f32 --no-cache --explain
                          --output ${work}/${name}.f32
                  RESULT_VARIABLE result OUTPUT_VARIABLE explained ERROR_VARIABLE errors)
  if(result EQUAL 4)
    message(STATUS "the model is skipped: there is no device")
    return()
  elseif(NOT result EQUAL 0)
    message(FATAL_ERROR "vkd-run with ${library}: ${result}\n${errors}")
  endif()
  list(APPEND outputs ${work}/${name}.f32)
endforeach()
run(${CMAKE_COMMAND} -E compare_files ${outputs})
if(NOT explained MATCHES "left out of this build")
  message(FATAL_ERROR "vkd-run --explain does not say what is left out:\n${explained}")
endif()
message(STATUS "a model has the same result without them")
