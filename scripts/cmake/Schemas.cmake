# Compiles schema/*.fbs to C++ headers. Result: VKD_SCHEMA_HEADERS.
find_program(FLATC flatc REQUIRED)

file(GLOB schema_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/schema/*.fbs)
set(schema_dir ${PROJECT_BINARY_DIR}/generated/schema)
set(VKD_SCHEMA_HEADERS "")
foreach(file IN LISTS schema_files)
  get_filename_component(name ${file} NAME_WE)
  set(output ${schema_dir}/${name}_generated.h)
  add_custom_command(OUTPUT ${output}
    COMMAND ${FLATC} --cpp --scoped-enums -o ${schema_dir} ${file}
    DEPENDS ${file} VERBATIM)
  list(APPEND VKD_SCHEMA_HEADERS ${output})
endforeach()
