# Compiles the kernels, shaders/**/*.comp, and embeds them. What a kernel's first lines say of its modules: Kernels.cmake. A module
# NAME gives the enum value VKD_SHADER_NAME; the modules of a kernel follow each other in the order in which it names them. A family
# that VKD_KERNELS leaves out has its enum values, but no code.
# Results: ${PROJECT_BINARY_DIR}/generated/shaders/{shaders,families}.h and VKD_SHADER_SOURCES; the target vkd-kernels.
include(Kernels)

set(VKD_KERNELS all CACHE STRING "Families of kernels to build beyond the core: a list, which may be empty, or all")
set(VKD_PACKED_KERNELS "" CACHE PATH "Takes the kernels that another build of these sources has packed in this folder, its generated/shaders")

file(GLOB_RECURSE shader_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/shaders/*.comp)
file(GLOB_RECURSE shader_includes CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/shaders/*.glsl ${PROJECT_SOURCE_DIR}/shaders/*.h)
set(shader_dir ${PROJECT_BINARY_DIR}/generated/shaders)
file(MAKE_DIRECTORY ${shader_dir})

# Where the packed kernels are, and what says of which sources they are: sources.sum.
set(packed_dir ${shader_dir})
if(VKD_PACKED_KERNELS)
  get_filename_component(packed_dir ${VKD_PACKED_KERNELS} ABSOLUTE BASE_DIR ${CMAKE_BINARY_DIR})
endif()

# Compiles a kernel to ${name}.num, SPIR-V in words, and to ${name}.inc, the same packed. base: the name of another one, behind which
# it is packed, or empty. ARGN: glslc's options.
function(vkd_compile_spirv file name base)
  find_program(GLSLC glslc REQUIRED)
  set(pack ${PROJECT_SOURCE_DIR}/scripts/cmake/PackSpirv.cmake)
  set(base_codes "")
  if(base)
    set(base_codes ${base}.codes)
  endif()
  add_custom_command(OUTPUT ${name}.inc ${name}.codes BYPRODUCTS ${name}.num
    COMMAND ${GLSLC} --target-env=vulkan1.1 -Werror -mfmt=num ${ARGN} -I ${PROJECT_SOURCE_DIR}/shaders -I ${PROJECT_SOURCE_DIR}
            ${file} -o ${name}.num
    COMMAND ${CMAKE_COMMAND} -DIN=${name}.num -DCODES=${name}.codes -DOUT=${name}.inc -DBASE=${base_codes} -P ${pack}
    DEPENDS ${file} ${shader_includes} ${pack} ${base_codes} VERBATIM)
endfunction()

# The base of a kernel's first module, which is the base of its others, where the kernel names none: most read elements as this one
# does.
set(common_base binary.all)

# One flavour of a module: its code, and its place in the module's row. ARGN: glslc's options.
macro(vkd_compile_module file module flavour)
  set(name ${module}.${flavour})
  set(base ${kernel_base})
  if(name STREQUAL common_base)
    set(base "")
  elseif(base STREQUAL first_base)
    set(kernel_base ${name})
  endif()
  list(TRANSFORM base PREPEND ${shader_dir}/ OUTPUT_VARIABLE base_file)
  if(NOT VKD_PACKED_KERNELS)
    vkd_compile_spirv(${file} ${shader_dir}/${name} "${base_file}" ${ARGN})
  elseif(NOT EXISTS ${packed_dir}/${name}.inc)
    message(FATAL_ERROR "VKD_PACKED_KERNELS: there is no ${name}.inc in ${packed_dir}; build the target vkd-kernels of the build it belongs to")
  endif()
  list(APPEND packed_kernels ${packed_dir}/${name}.inc)
  set(reference NULL)
  if(base)
    string(REPLACE . _ reference &${base})
  endif()
  string(REPLACE . _ code ${name})
  string(APPEND shader_codes "static const vkd_spirv ${code};\n")
  string(APPEND shader_arrays "static const uint8_t ${code}_packed[] = {\n#include \"${packed_dir}/${name}.inc\"\n};\n"
         "static const vkd_spirv ${code} = {${code}_packed, sizeof ${code}_packed, ${reference}};\n")
  string(APPEND row " &${code},")
endmacro()

set(shader_enum "")
set(shader_codes "")
set(shader_arrays "")
set(shader_rows "")
set(packed_kernels "")
set(shader_modules "")
set(families core)
set(left_out "")
set(kept core ${VKD_KERNELS})
foreach(file IN LISTS shader_files)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file}) # its modules may change
  vkd_read_kernel(${file})
  if(kernel_base)
    string(APPEND kernel_base .all)
  else()
    set(kernel_base ${common_base})
  endif()
  set(first_base ${kernel_base})
  string(TOUPPER VKD_FAMILY_${kernel_family} family)
  list(APPEND families ${kernel_family})
  if(NOT "${VKD_KERNELS}" STREQUAL all AND NOT kernel_family IN_LIST kept)
    list(APPEND left_out ${kernel_family})
  endif()
  foreach(module IN LISTS kernel_modules)
    if(module IN_LIST shader_modules)
      message(FATAL_ERROR "${file}: another kernel has a module ${module}")
    endif()
    list(APPEND shader_modules ${module})
    set(row "")
    foreach(flavour IN LISTS kernel_flavours)
      if(NOT kernel_family IN_LIST left_out)
        vkd_compile_module(${file} ${module} ${flavour} ${options_${module}} ${options_${flavour}})
      else()
        string(APPEND row " NULL,")
      endif()
    endforeach()
    if(kernel_flavours STREQUAL all)
      set(row "${row}${row}${row}")
    endif()
    string(TOUPPER VKD_SHADER_${module} enumerator)
    string(APPEND shader_enum "    ${enumerator},\n")
    string(APPEND shader_rows "    [${enumerator}] = {\"${module}\", ${family}, {${row}}},\n")
  endforeach()
endforeach()

list(REMOVE_DUPLICATES families)
list(REMOVE_ITEM families core)
set(family_enum "")
set(families_left_out VKD_FAMILY_CORE)
set(bit 0)
foreach(family IN LISTS families)
  string(TOUPPER VKD_FAMILY_${family} enumerator)
  string(APPEND family_enum "    ${enumerator} = 1 << ${bit},\n")
  math(EXPR bit "${bit} + 1")
  if(family IN_LIST left_out)
    string(APPEND families_left_out " | ${enumerator}")
  endif()
endforeach()
foreach(family IN LISTS VKD_KERNELS)
  if(NOT "${VKD_KERNELS}" STREQUAL all AND NOT family IN_LIST families)
    message(FATAL_ERROR "VKD_KERNELS: there is no family '${family}'. It is all, or a list of some of: ${families}")
  endif()
endforeach()

file(CONFIGURE OUTPUT ${shader_dir}/families.h @ONLY CONTENT
"/* Generated by scripts/cmake/Shaders.cmake: families of kernels that a build may leave out, and those that this one does. */
#ifndef VKD_SHADERS_FAMILIES_H
#define VKD_SHADERS_FAMILIES_H

typedef enum vkd_family {
    VKD_FAMILY_CORE = 0, /* in every build */
@family_enum@} vkd_family;

#define VKD_FAMILIES_LEFT_OUT (@families_left_out@)

#endif
")
file(CONFIGURE OUTPUT ${shader_dir}/shaders.h @ONLY CONTENT
"/* Generated by scripts/cmake/Shaders.cmake from the .comp files in shaders/. */
#ifndef VKD_SHADERS_SHADERS_H
#define VKD_SHADERS_SHADERS_H

#include \"runtime/base/spirv.h\"
#include \"shaders/families.h\"

typedef enum vkd_shader {
@shader_enum@    VKD_SHADER_COUNT
} vkd_shader;

typedef struct vkd_shader_entry {
    const char *name;
    vkd_family family;
    /* VKD_DOT_NONE, VKD_DOT_SIGNED, VKD_DOT_MIXED; the same where the kernel has no dot product, null in a family that is left out */
    const vkd_spirv *flavours[3];
} vkd_shader_entry;

extern const vkd_shader_entry vkd_shaders[VKD_SHADER_COUNT];

#endif
")
file(CONFIGURE OUTPUT ${shader_dir}/shaders.c @ONLY CONTENT
"#include \"shaders/shaders.h\"

@shader_codes@
@shader_arrays@
const vkd_shader_entry vkd_shaders[VKD_SHADER_COUNT] = {
@shader_rows@};
")

# The kernels that a build packs get the checksum of their sources; whoever takes them compares it with that of its own.
set(sum ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DSUM=${packed_dir}/sources.sum)
set(sum_script ${PROJECT_SOURCE_DIR}/scripts/cmake/SumKernels.cmake)
set(sum_depends ${packed_kernels} ${shader_files} ${shader_includes} ${sum_script} ${CMAKE_CURRENT_LIST_FILE}
    ${PROJECT_SOURCE_DIR}/scripts/cmake/Kernels.cmake)
if(VKD_PACKED_KERNELS)
  set(packed_ready ${shader_dir}/packed-are-of-these-sources)
  add_custom_command(OUTPUT ${packed_ready} COMMAND ${sum} -DCOMPARE=ON -P ${sum_script} COMMAND ${CMAKE_COMMAND} -E touch ${packed_ready}
                     DEPENDS ${sum_depends} VERBATIM)
else()
  set(packed_ready ${packed_dir}/sources.sum)
  add_custom_command(OUTPUT ${packed_ready} COMMAND ${sum} -P ${sum_script} DEPENDS ${sum_depends} VERBATIM)
endif()
add_custom_target(vkd-kernels DEPENDS ${packed_ready})
set_source_files_properties(${shader_dir}/shaders.c PROPERTIES OBJECT_DEPENDS "${packed_kernels};${packed_ready}")
set(VKD_SHADER_SOURCES ${shader_dir}/shaders.c)
