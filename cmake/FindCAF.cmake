# SPDX-License-Identifier: Apache-2.0
# Finds the C++ Actor Framework, for which Debian ships no CMake package.
# Defines the target CAF::core, and the targets CAF::io and CAF::openssl if they
# are among the COMPONENTS:
#   find_package(CAF 0.17.6 EXACT REQUIRED COMPONENTS core io openssl)

set(_caf_header_core caf/config.hpp)
set(_caf_header_io caf/io/all.hpp)
set(_caf_header_openssl caf/openssl/all.hpp)

find_path(CAF_INCLUDE_DIR NAMES caf/config.hpp)
mark_as_advanced(CAF_INCLUDE_DIR)

if(CAF_INCLUDE_DIR)
  # CAF_VERSION is MMmmpp: 1706 is 0.17.6.
  file(STRINGS ${CAF_INCLUDE_DIR}/caf/config.hpp _caf_line
    REGEX "^#define CAF_VERSION [0-9]+")
  if(_caf_line MATCHES "([0-9]+)$")
    math(EXPR _caf_major "${CMAKE_MATCH_1} / 10000")
    math(EXPR _caf_minor "${CMAKE_MATCH_1} / 100 % 100")
    math(EXPR _caf_patch "${CMAKE_MATCH_1} % 100")
    set(CAF_VERSION ${_caf_major}.${_caf_minor}.${_caf_patch})
  endif()
endif()

set(_caf_needed core)
foreach(_caf_part IN LISTS CAF_FIND_COMPONENTS)
  list(APPEND _caf_needed ${_caf_part})
endforeach()
list(REMOVE_DUPLICATES _caf_needed)

foreach(_caf_part IN LISTS _caf_needed)
  string(TOUPPER ${_caf_part} _caf_upper)
  find_library(CAF_${_caf_upper}_LIBRARY NAMES caf_${_caf_part})
  mark_as_advanced(CAF_${_caf_upper}_LIBRARY)
  if(CAF_${_caf_upper}_LIBRARY AND CAF_INCLUDE_DIR
      AND EXISTS ${CAF_INCLUDE_DIR}/${_caf_header_${_caf_part}})
    set(CAF_${_caf_part}_FOUND TRUE)
  endif()
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CAF
  REQUIRED_VARS CAF_CORE_LIBRARY CAF_INCLUDE_DIR
  VERSION_VAR CAF_VERSION
  HANDLE_COMPONENTS)

if(CAF_FOUND)
  foreach(_caf_part IN LISTS _caf_needed)
    string(TOUPPER ${_caf_part} _caf_upper)
    if(CAF_${_caf_part}_FOUND AND NOT TARGET CAF::${_caf_part})
      add_library(CAF::${_caf_part} SHARED IMPORTED)
      set_target_properties(CAF::${_caf_part} PROPERTIES
        IMPORTED_LOCATION ${CAF_${_caf_upper}_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${CAF_INCLUDE_DIR})
      if(NOT _caf_part STREQUAL core)
        set_property(TARGET CAF::${_caf_part} APPEND PROPERTY
          INTERFACE_LINK_LIBRARIES CAF::core)
      endif()
    endif()
  endforeach()
  if(TARGET CAF::openssl)
    find_package(OpenSSL REQUIRED)
    set_property(TARGET CAF::openssl APPEND PROPERTY
      INTERFACE_LINK_LIBRARIES "CAF::io;OpenSSL::SSL")
  endif()
endif()
