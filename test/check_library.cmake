# cmake -DLIBRARY=... -DSTRIP=... -DREADELF=... -P check_library.cmake
# The shared library stays small, needs no C++ runtime, and exports the public interface alone.
set(limit 1677722) # bytes, stripped: 1.6 MiB

set(stripped ${LIBRARY}.stripped)
execute_process(COMMAND ${STRIP} -o ${stripped} ${LIBRARY} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${STRIP}: ${result}")
endif()
file(SIZE ${stripped} size)
file(REMOVE ${stripped})
message(STATUS "stripped: ${size} bytes")
if(size GREATER_EQUAL limit)
  message(FATAL_ERROR "the stripped library has ${size} bytes, the limit is ${limit}")
endif()

execute_process(COMMAND ${READELF} --dynamic --wide ${LIBRARY} OUTPUT_VARIABLE dynamic RESULT_VARIABLE result)
string(REGEX MATCHALL "\\(NEEDED\\)[^\n]*" needed "${dynamic}")
message(STATUS "needed: ${needed}")
if(NOT result EQUAL 0 OR NOT needed)
  message(FATAL_ERROR "${READELF}: ${result}, no NEEDED entries found")
endif()
if(needed MATCHES "libstdc\\+\\+|libc\\+\\+|libgcc_s|libvulkan")
  message(FATAL_ERROR "the library must not need a C++ runtime or the Vulkan loader at link time: ${needed}")
endif()

execute_process(COMMAND ${READELF} --dyn-syms --wide ${LIBRARY} OUTPUT_VARIABLE symbols)
string(REGEX MATCHALL "(FUNC|OBJECT) +(GLOBAL|WEAK) +DEFAULT +[0-9]+ [^ \n]+" exported "${symbols}")
list(LENGTH exported count)
list(FILTER exported EXCLUDE REGEX " vkd_[a-z_0-9]+$")
message(STATUS "exported: ${count}")
if(count EQUAL 0 OR exported)
  message(FATAL_ERROR "only vkd_* may be exported, and something must be; found ${count}, wrong: ${exported}")
endif()
