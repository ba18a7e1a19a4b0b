# Compiles schema/*.fbs to C++ headers. Result: VKD_SCHEMA_HEADERS.
find_program(FLATC flatc REQUIRED)

# A cross compiler does not look where the host's headers are: these, which are for any machine, get a place among the generated ones.
if(CMAKE_CROSSCOMPILING)
  find_path(VKD_FLATBUFFERS flatbuffers/flatbuffers.h REQUIRED NO_CMAKE_FIND_ROOT_PATH)
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/generated)
  file(CREATE_LINK ${VKD_FLATBUFFERS}/flatbuffers ${PROJECT_BINARY_DIR}/generated/flatbuffers SYMBOLIC)
endif()

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
