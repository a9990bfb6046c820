# How everything is compiled: C++20, warnings, hardening, sanitizers, ccache.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

# An object compiled once is not compiled again, in this clone or the next;
# `dev` exports what lets clones share (CCACHE_BASEDIR, CCACHE_NOHASHDIR).
# No precompiled header stands beside it: one of CAF takes 8 s and 246 MB a
# preset, would serve the dozen files that include CAF, and costs cache hits.
find_program(PERDURA_CCACHE ccache)
mark_as_advanced(PERDURA_CCACHE)
if(PERDURA_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${PERDURA_CCACHE})
endif()

# Position independent executables. Nobody replaces our functions at load
# time, so the compiler may inline them in the libraries too.
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
add_compile_options(-fno-semantic-interposition)

# A chain of ready awaits must not grow the stack: g++ turns symmetric
# transfer into a tail call only with this flag (on at -O2, not below).
add_compile_options(-foptimize-sibling-calls)

# Standard library assertions stop the node instead of corrupting it.
add_compile_definitions(_GLIBCXX_ASSERTIONS)

if(PERDURA_SANITIZE)
  add_compile_options(-fsanitize=${PERDURA_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${PERDURA_SANITIZE})
  if(PERDURA_SANITIZE MATCHES undefined)
    # CAF 0.17.6 binds references to null in caf/detail/init_fun_factory.hpp:85
    # for every function actor without arguments; nothing is read through them.
    add_compile_options(-fno-sanitize=null -fno-sanitize-recover=undefined)
  endif()
else()
  add_compile_options(
    -fstack-protector-strong
    -fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    add_compile_options(-fcf-protection)
  endif()
  # Fortified calls need the optimiser; without it glibc only warns.
  add_compile_options(
    "$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>")
endif()
add_link_options(LINKER:-z,relro LINKER:-z,now LINKER:--as-needed)

# Linked by every target of the house. Fields left out of a designated
# initialiser have their defaults: that is what options are written for.
add_library(perdura_warnings INTERFACE)
target_compile_options(perdura_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wno-missing-field-initializers
  $<$<BOOL:${PERDURA_WERROR}>:-Werror>)
# g++ 12 takes the other alternative of a std::variant for uninitialised when
# it inlines far (result<T>, std::function, <regex>); nothing else was found.
target_compile_options(perdura_warnings INTERFACE -Wno-maybe-uninitialized)
