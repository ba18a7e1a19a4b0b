# cmake -DLIBRARY=... -DNM=... -DREADELF=... -P check_archive.cmake
# The static library defines vkd_* alone, and no group of inline functions that a linker would merge with those of others.
execute_process(COMMAND ${NM} --extern-only --defined-only --format=posix ${LIBRARY} OUTPUT_VARIABLE text RESULT_VARIABLE result)
string(REGEX MATCHALL "[^ \n]+ [A-Za-z] [0-9a-f]+" symbols "${text}")
list(LENGTH symbols count)
list(FILTER symbols EXCLUDE REGEX "^vkd_[a-z_0-9]+ [TDBR] ")
message(STATUS "defined: ${count}")
if(NOT result EQUAL 0 OR count LESS 100 OR symbols)
  message(FATAL_ERROR "${NM}: ${result}; only vkd_* may be defined, and many must be; found ${count}, wrong: ${symbols}")
endif()

execute_process(COMMAND ${READELF} --section-groups --wide ${LIBRARY} OUTPUT_VARIABLE groups RESULT_VARIABLE result)
string(REGEX MATCHALL "COMDAT[^\n]*" groups "${groups}")
if(NOT result EQUAL 0 OR groups)
  message(FATAL_ERROR "${READELF}: ${result}; groups: ${groups}")
endif()
