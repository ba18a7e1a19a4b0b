# What `cmake --install` puts where: the libraries, the public header, vkd-run, vkd-selftest, a CMake package (vkdelegate::vkdelegate,
# vkdelegate::vkdelegate_static) and a pkg-config file. Everything installed can be moved as a whole.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/vkdelegate)
install(TARGETS vkdelegate vkdelegate_static EXPORT vkdelegate
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PROJECT_SOURCE_DIR}/include/vkdelegate.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
if(VKD_BUILD_RUNNER)
  install(TARGETS vkd-run RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
if(VKD_BUILD_SELFTEST)
  install(TARGETS vkd-selftest RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

install(EXPORT vkdelegate NAMESPACE vkdelegate:: FILE vkdelegate-targets.cmake DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/vkdelegate-config.cmake.in
  ${PROJECT_BINARY_DIR}/package/vkdelegate-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/vkdelegate-config-version.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/vkdelegate-config.cmake
  ${PROJECT_BINARY_DIR}/package/vkdelegate-config-version.cmake DESTINATION ${package_dir})

file(RELATIVE_PATH prefix_from_pc /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${CMAKE_CURRENT_LIST_DIR}/vkdelegate.pc.in ${PROJECT_BINARY_DIR}/package/vkdelegate.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/vkdelegate.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
