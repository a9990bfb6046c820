# SPDX-License-Identifier: Apache-2.0
# The four layers as libraries, and the paths by which they include each other.

# In the build tree, as in the installed tree, headers can be included as
# <perdura/layer/folder/file.hpp>: each sub-folder of a layer has a symbolic
# link below PERDURA_INCLUDE_DIR.
set(PERDURA_INCLUDE_DIR ${PROJECT_BINARY_DIR}/include)
foreach(layer IN ITEMS persistence actors cluster client)
  # A build directory of an older version has a link in place of this folder.
  if(IS_SYMLINK ${PERDURA_INCLUDE_DIR}/perdura/${layer})
    file(REMOVE ${PERDURA_INCLUDE_DIR}/perdura/${layer})
  endif()
  file(MAKE_DIRECTORY ${PERDURA_INCLUDE_DIR}/perdura/${layer})
  file(GLOB folders LIST_DIRECTORIES TRUE CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/${layer}/*)
  foreach(folder IN LISTS folders)
    if(IS_DIRECTORY ${folder})
      cmake_path(GET folder FILENAME name)
      file(CREATE_LINK ${folder}
        ${PERDURA_INCLUDE_DIR}/perdura/${layer}/${name} SYMBOLIC)
    endif()
  endforeach()
endforeach()

# perdura_layer(<name> <source>...): the static library perdura_<name>, alias
# perdura::<name>. Without sources it is an interface library. Sets PERDURA_LINK
# to the keyword for dependencies that users of the library also need, and
# PERDURA_LINK_PRIVATE to the keyword for all other dependencies.
macro(perdura_layer layer_name)
  set(layer_target perdura_${layer_name})
  if("${ARGN}" STREQUAL "")
    set(PERDURA_LINK INTERFACE)
    set(PERDURA_LINK_PRIVATE INTERFACE)
    add_library(${layer_target} INTERFACE)
  else()
    set(PERDURA_LINK PUBLIC)
    set(PERDURA_LINK_PRIVATE PRIVATE)
    add_library(${layer_target} STATIC ${ARGN})
    target_link_libraries(${layer_target}
      PRIVATE $<BUILD_INTERFACE:perdura_warnings>)
  endif()
  add_library(perdura::${layer_name} ALIAS ${layer_target})
  set_target_properties(${layer_target} PROPERTIES EXPORT_NAME ${layer_name})
  target_compile_features(${layer_target} ${PERDURA_LINK} cxx_std_20)
  target_include_directories(${layer_target} ${PERDURA_LINK}
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<BUILD_INTERFACE:${PERDURA_INCLUDE_DIR}>
    $<INSTALL_INTERFACE:include>)
endmacro()

# perdura_sources(<variable> <glob>...): sets the variable to the sources that
# match now, sorted. If a matching file is added later, the next build runs
# CMake again.
macro(perdura_sources sources_variable)
  file(GLOB ${sources_variable} CONFIGURE_DEPENDS ${ARGN})
  list(SORT ${sources_variable})
endmacro()

# perdura_has_main(<variable> <file>): sets the variable to TRUE if the source
# defines main(), else to FALSE.
function(perdura_has_main has_main_variable file)
  file(STRINGS ${file} lines REGEX "^(int main *\\(|CAF_MAIN *\\()")
  if(lines)
    set(${has_main_variable} TRUE PARENT_SCOPE)
  else()
    set(${has_main_variable} FALSE PARENT_SCOPE)
  endif()
endfunction()

# <perdura/version.hpp>
configure_file(${CMAKE_CURRENT_LIST_DIR}/version.hpp.in
  ${PERDURA_INCLUDE_DIR}/perdura/version.hpp @ONLY)
