# What a kernel's first lines say to the build:
#
#   // build: AXIS = VALUE...   a module for each value; of several axes one for each combination, the last axis innermost. More
#                               lines of an axis add values. VALUE is NAME or NAME(MACRO=TEXT ...): it defines AXIS_NAME, in
#                               capitals, and the macros. NAME may be -, which adds nothing to the module's name and defines no
#                               AXIS_NAME.
#   // build: DOT = none signed mixed    makes no modules but the flavours of each, among which the executor picks.
#   // module: TEXT             what modules are called, where it is not the file's name and the values' with _ between them:
#                               {AXIS} stands for the value's name.
#   // family: NAME             VKD_KERNELS can leave the kernel out.
#   // base: MODULE             the first module is packed behind this one, of every build and without flavours, with which it has
#                               the most in common.
#   // glslc OPTIONS[: WHY]     instead of -O.
#
# Included, this defines vkd_read_kernel(). Run,
#   cmake -DSHADERS=FOLDER -P Kernels.cmake
# prints a line for each flavour of each module: its name, the flavour (all where there is but one), the file, options for glslc.

cmake_policy(VERSION 3.18) # a script has none of its own

# One value of an axis: value_name and value_options.
macro(vkd_read_value axis value)
  string(REGEX MATCH "^[^(]+" value_name "${value}")
  string(REGEX MATCHALL "[A-Z0-9_]+=[^ )]+" value_options "${value}")
  if(NOT value_name STREQUAL "-")
    string(TOUPPER "${axis}_${value_name}" value_macro)
    list(INSERT value_options 0 ${value_macro})
  endif()
  list(TRANSFORM value_options PREPEND -D)
endmacro()

# Multiplies kernel_modules, which have options_<module>, by an axis and its values.
macro(vkd_multiply axis)
  set(products "")
  foreach(module IN LISTS kernel_modules)
    foreach(value ${ARGN}) # a macro has no variable ARGN
      vkd_read_value(${axis} "${value}")
      if(value_name STREQUAL "-")
        string(REGEX REPLACE "_{${axis}}|{${axis}}_" "" product ${module})
      else()
        string(REPLACE "{${axis}}" ${value_name} product ${module})
      endif()
      if(product IN_LIST products)
        message(FATAL_ERROR "${file}: more than one value of ${axis} makes the module ${product}")
      endif()
      set(options_${product} ${options_${module}} ${value_options})
      list(APPEND products ${product})
    endforeach()
  endforeach()
  set(kernel_modules ${products})
endmacro()

# Sets in the caller: kernel_modules, the names in order, with options_<module> for each; kernel_flavours, with
# options_<flavour>; kernel_family, which is core where the kernel names none, and
# kernel_base, which may be empty.
function(vkd_read_kernel file)
  get_filename_component(kernel_modules ${file} NAME_WE)
  set(kernel_flavours all)
  set(kernel_family core)
  set(kernel_base "")
  set(optimise -O)
  set(axes "")
  set(module "")
  file(STRINGS ${file} lines REGEX "^// ((build|module|family|base):|glslc )")
  foreach(line IN LISTS lines)
    if(line MATCHES "^// build: DOT = none signed mixed$")
      set(kernel_flavours none signed mixed)
    elseif(line MATCHES "^// build: ([A-Z]+) = (.+)$" AND NOT CMAKE_MATCH_1 STREQUAL DOT)
      set(axis ${CMAKE_MATCH_1})
      string(REGEX MATCHALL "[^ (]+(\\([^)]*\\))?" values "${CMAKE_MATCH_2}")
      if(NOT axis IN_LIST axes)
        list(APPEND axes ${axis})
        string(APPEND kernel_modules "_{${axis}}")
        set(values_of_${axis} "")
      endif()
      list(APPEND values_of_${axis} ${values})
    elseif(line MATCHES "^// module: ([a-z0-9_{}A-Z]+)$")
      set(module ${CMAKE_MATCH_1})
    elseif(line MATCHES "^// family: ([a-z0-9_]+)$")
      set(kernel_family ${CMAKE_MATCH_1})
    elseif(line MATCHES "^// base: ([a-z0-9_]+)$")
      set(kernel_base ${CMAKE_MATCH_1})
    elseif(line MATCHES "^// glslc (-[^:]+)(:|$)")
      string(REPLACE " " ";" optimise "${CMAKE_MATCH_1}")
    else()
      message(FATAL_ERROR "${file}: '${line}' is not understood; scripts/cmake/Kernels.cmake says what is")
    endif()
  endforeach()

  if(module)
    set(kernel_modules ${module})
  endif()
  set(options_${kernel_modules} ${optimise})
  foreach(axis IN LISTS axes)
    vkd_multiply(${axis} ${values_of_${axis}})
  endforeach()
  foreach(module IN LISTS kernel_modules)
    if(NOT module MATCHES "^[a-z][a-z0-9_]*$")
      message(FATAL_ERROR "${file}: '${module}' cannot be a module's name")
    endif()
  endforeach()
  foreach(flavour IN LISTS kernel_flavours)
    string(TOUPPER -DDOT_${flavour} options_${flavour})
  endforeach()
  set(options_all "")
  set(results kernel_modules kernel_flavours kernel_family kernel_base)
  foreach(name IN LISTS kernel_modules kernel_flavours)
    list(APPEND results options_${name})
  endforeach()
  foreach(result IN LISTS results)
    set(${result} "${${result}}" PARENT_SCOPE)
  endforeach()
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  file(GLOB_RECURSE files ${SHADERS}/*.comp)
  set(text "")
  foreach(file IN LISTS files)
    vkd_read_kernel(${file})
    foreach(module IN LISTS kernel_modules)
      foreach(flavour IN LISTS kernel_flavours)
        string(APPEND text "${module} ${flavour} ${file} ${options_${module}} ${options_${flavour}}\n")
      endforeach()
    endforeach()
  endforeach()
  string(REPLACE ";" " " text "${text}")
  execute_process(COMMAND ${CMAKE_COMMAND} -E echo_append "${text}")
endif()
