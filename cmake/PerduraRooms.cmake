# The four rooms as libraries, and the paths by which they include each other.

# The build tree offers <perdura/layer/folder/file.hpp>, as the installed tree
# does: each sub-folder of a layer is a link.
set(PERDURA_INCLUDE_DIR ${PROJECT_BINARY_DIR}/include)
foreach(layer IN ITEMS persistence actors cluster client)
  # A build directory of an older version has a link in the folder's place.
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

# perdura_room(<name> <source>...): the static library perdura_<name>, alias
# perdura::<name>. While there is no source yet it is an interface library, so
# that a house under construction still configures.
# Sets PERDURA_LINK to the keyword its public dependencies are linked with,
# and PERDURA_LINK_PRIVATE to the one for those its users need not see.
macro(perdura_room room_name)
  set(room_target perdura_${room_name})
  if("${ARGN}" STREQUAL "")
    set(PERDURA_LINK INTERFACE)
    set(PERDURA_LINK_PRIVATE INTERFACE)
    add_library(${room_target} INTERFACE)
  else()
    set(PERDURA_LINK PUBLIC)
    set(PERDURA_LINK_PRIVATE PRIVATE)
    add_library(${room_target} STATIC ${ARGN})
    target_link_libraries(${room_target}
      PRIVATE $<BUILD_INTERFACE:perdura_warnings>)
  endif()
  add_library(perdura::${room_name} ALIAS ${room_target})
  set_target_properties(${room_target} PROPERTIES EXPORT_NAME ${room_name})
  target_compile_features(${room_target} ${PERDURA_LINK} cxx_std_20)
  target_include_directories(${room_target} ${PERDURA_LINK}
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
    $<BUILD_INTERFACE:${PERDURA_INCLUDE_DIR}>
    $<INSTALL_INTERFACE:include>)
endmacro()

# perdura_sources(<variable> <glob>...): the sources that are there now; a
# file added later is noticed by the next build.
macro(perdura_sources sources_variable)
  file(GLOB ${sources_variable} CONFIGURE_DEPENDS ${ARGN})
  list(SORT ${sources_variable})
endmacro()

# perdura_has_main(<variable> <file>): does this source define main()?
function(perdura_has_main has_main_variable file)
  file(STRINGS ${file} lines REGEX "^(int main *\\(|CAF_MAIN *\\()")
  if(lines)
    set(${has_main_variable} TRUE PARENT_SCOPE)
  else()
    set(${has_main_variable} FALSE PARENT_SCOPE)
  endif()
endfunction()
