# SPDX-License-Identifier: Apache-2.0
# Compiler settings of all targets: C++20, warnings, hardening, sanitizers,
# ccache.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

# ccache reuses object files, also between clones: `dev` exports
# CCACHE_BASEDIR and CCACHE_NOHASHDIR for that. There is no precompiled header:
# a precompiled header of CAF takes 8 s and 246 MB for each preset, helps only
# the dozen files that include CAF, and reduces the cache hits.
find_program(PERDURA_CCACHE ccache)
mark_as_advanced(PERDURA_CCACHE)
if(PERDURA_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${PERDURA_CCACHE})
endif()

# Position-independent executables. No function of Perdura is replaced at load
# time, so the compiler may inline functions within the libraries.
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
add_compile_options(-fno-semantic-interposition)

# A chain of co_awaits whose results are ready must not grow the stack. Only
# with this flag does g++ turn symmetric transfer into a tail call. The flag is
# the default from -O2 on.
add_compile_options(-foptimize-sibling-calls)

# An assertion of the standard library that fails ends the process, before
# memory is corrupted.
add_compile_definitions(_GLIBCXX_ASSERTIONS)

if(PERDURA_SANITIZE)
  add_compile_options(-fsanitize=${PERDURA_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${PERDURA_SANITIZE})
  if(PERDURA_SANITIZE MATCHES undefined)
    # For every function actor without arguments, CAF 0.17.6 binds a reference
    # to null in caf/detail/init_fun_factory.hpp:85. It never reads that
    # reference.
    add_compile_options(-fno-sanitize=null -fno-sanitize-recover=undefined)
  endif()
else()
  add_compile_options(
    -fstack-protector-strong
    -fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    add_compile_options(-fcf-protection)
  endif()
  # _FORTIFY_SOURCE needs optimisation; without it glibc only warns.
  add_compile_options(
    "$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>")
endif()
add_link_options(LINKER:-z,relro LINKER:-z,now LINKER:--as-needed)

# Every target links this library. There is no warning about fields that a
# designated initialiser omits, because callers rely on the default values of
# option structs.
add_library(perdura_warnings INTERFACE)
target_compile_options(perdura_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wno-missing-field-initializers
  $<$<BOOL:${PERDURA_WERROR}>:-Werror>)
# g++ 12 reports the inactive alternative of a std::variant as uninitialised
# after inlining (result<T>, std::function, <regex>). All reports were false.
target_compile_options(perdura_warnings INTERFACE -Wno-maybe-uninitialized)
