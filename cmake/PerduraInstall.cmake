# SPDX-License-Identifier: Apache-2.0
# Makes find_package(perdura) work for services that embed a client
# (perdura::client) or a whole node (perdura::node). Installs the public
# headers, under include/perdura, and the static libraries that they need.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(installed_targets perdura_warnings)
foreach(name IN ITEMS persistence actors cluster client node)
  list(APPEND installed_targets perdura_${name})
  # Users of the package include installed headers; this build includes the
  # source tree.
  set_target_properties(perdura_${name} PROPERTIES
    EXPORT_NAME ${name}
    INTERFACE_INCLUDE_DIRECTORIES
      "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>;$<BUILD_INTERFACE:${PERDURA_INCLUDE_DIR}>;$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
endforeach()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/perdura)
install(TARGETS ${installed_targets}
  EXPORT perdura-targets
  COMPONENT development
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT perdura-targets
  NAMESPACE perdura::
  COMPONENT development
  DESTINATION ${package_dir})
foreach(header IN LISTS PERDURA_PUBLIC_HEADERS)
  cmake_path(GET header PARENT_PATH folder)
  install(FILES ${header}
    COMPONENT development
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/perdura/${folder})
endforeach()
foreach(header IN LISTS PERDURA_FORWARDING_HEADERS ITEMS version.hpp)
  cmake_path(GET header PARENT_PATH folder)
  install(FILES ${PERDURA_INCLUDE_DIR}/perdura/${header}
    COMPONENT development
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/perdura/${folder})
endforeach()

configure_package_config_file(
  ${PROJECT_SOURCE_DIR}/cmake/perdura-config.cmake.in
  ${PROJECT_BINARY_DIR}/perdura-config.cmake
  INSTALL_DESTINATION ${package_dir})
# Before version 1.0 a new minor version may be incompatible with the previous
# one.
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/perdura-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/perdura-config.cmake
  ${PROJECT_BINARY_DIR}/perdura-config-version.cmake
  ${PROJECT_SOURCE_DIR}/cmake/FindCAF.cmake
  COMPONENT development
  DESTINATION ${package_dir})

if(TARGET perdura)
  install(TARGETS perdura
    COMPONENT runtime
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
