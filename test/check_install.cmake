# cmake -DBUILD_DIR=... -DSOURCE_DIR=... -DCC=... -DGENERATOR=... -DMAKE=... [-DRUNNER=ON] -P check_install.cmake
# Installs to a scratch folder, then builds and runs users of the result with find_package and with pkg-config.
set(work ${BUILD_DIR}/check-install)
file(REMOVE_RECURSE ${work})
set(prefix ${work}/prefix)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN}: ${result}\n${output}")
  endif()
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix})
# The prefix is moved: nothing in it may know where it was installed.
file(RENAME ${prefix} ${work}/moved)
set(prefix ${work}/moved)

# The project's own generator: cmake's default one may not be there, a system with ninja needs no make.
run(${CMAKE_COMMAND} -S ${SOURCE_DIR}/test/consumer -B ${work}/build -G ${GENERATOR} -DCMAKE_MAKE_PROGRAM=${MAKE}
    -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_C_COMPILER=${CC})
run(${CMAKE_COMMAND} --build ${work}/build)
run(${work}/build/consumer-shared)
run(${work}/build/consumer-static)

file(GLOB_RECURSE pc ${prefix}/vkdelegate.pc)
get_filename_component(pc_dir "${pc}" DIRECTORY)
set(ENV{PKG_CONFIG_PATH} ${pc_dir})
execute_process(COMMAND pkg-config --cflags --libs vkdelegate OUTPUT_VARIABLE flags RESULT_VARIABLE result
                OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "pkg-config: ${result}")
endif()
separate_arguments(flags UNIX_COMMAND "${flags}")
run(${CC} ${SOURCE_DIR}/test/consumer/consumer.c -o ${work}/consumer-pc ${flags})
get_filename_component(lib_dir ${pc_dir} DIRECTORY)
run(${CMAKE_COMMAND} -E env LD_LIBRARY_PATH=${lib_dir} ${work}/consumer-pc)

# The C examples of the README, whole programs, compile as they stand.
set(example 0)
file(READ ${SOURCE_DIR}/README.md text)
string(FIND "${text}" "```c\n" at)
while(NOT at EQUAL -1)
  math(EXPR at "${at} + 5")
  string(SUBSTRING "${text}" ${at} -1 text)
  string(FIND "${text}" "```" end)
  string(SUBSTRING "${text}" 0 ${end} code)
  math(EXPR example "${example} + 1")
  file(WRITE ${work}/example${example}.c "${code}")
  run(${CC} -Wall -Wextra -Werror ${work}/example${example}.c -o ${work}/example${example} ${flags} -ldl)
  string(FIND "${text}" "```c\n" at)
endwhile()
if(example EQUAL 0)
  message(FATAL_ERROR "no examples found in README.md")
endif()

if(RUNNER)
  file(GLOB_RECURSE runner ${prefix}/vkd-run)
  run(${CMAKE_COMMAND} -E env --unset=VKD_LIBRARY ${runner} --version)

  # The example of a text makes the one that vkd-run makes. Exit code 4: there is no device.
  file(GLOB examples ${work}/example*.c)
  foreach(code IN LISTS examples)
    file(READ ${code} text)
    if(text MATCHES "llama\\.pte")
      string(REPLACE .c "" text_example ${code})
    endif()
  endforeach()
  file(COPY ${SOURCE_DIR}/models/llama/f32_dyn/model.pte DESTINATION ${work})
  file(RENAME ${work}/model.pte ${work}/llama.pte)
  execute_process(COMMAND ${CMAKE_COMMAND} -E env --unset=VKD_LIBRARY ${runner} llama.pte --generate 17 --prompt 1,15,27
                  --output - WORKING_DIRECTORY ${work} RESULT_VARIABLE result OUTPUT_VARIABLE expected ERROR_VARIABLE messages)
  if(result EQUAL 4)
    message(STATUS "there is no Vulkan device: the example of a text was not run")
  elseif(result EQUAL 0)
    execute_process(COMMAND ${CMAKE_COMMAND} -E env LD_LIBRARY_PATH=${lib_dir} ${text_example} WORKING_DIRECTORY ${work}
                    RESULT_VARIABLE result OUTPUT_VARIABLE got ERROR_VARIABLE messages)
    if(NOT result EQUAL 0 OR NOT got STREQUAL expected)
      message(FATAL_ERROR "${text_example}: ${result}\n${messages}\n${got}\nexpected\n${expected}")
    endif()
  else()
    message(FATAL_ERROR "vkd-run --generate: ${result}\n${messages}")
  endif()
endif()
file(REMOVE_RECURSE ${work})
