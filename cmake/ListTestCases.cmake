# SPDX-License-Identifier: Apache-2.0
# Lists the cases of a Boost.Test binary and writes one ctest entry for each.
# Runs after the binary is built: cmake -D setup=<file> -P ListTestCases.cmake
include(${setup})

execute_process(
  COMMAND ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0
    ${executable} --list_content=HRF --color_output=no
  RESULT_VARIABLE failed
  OUTPUT_VARIABLE listing
  ERROR_VARIABLE listing) # Boost.Test lists on the error stream
if(failed)
  message(FATAL_ERROR "${binary} cannot list its cases:\n${listing}")
endif()

# The listing has one line for each suite or case, indented by four blanks per
# level, with `*` if it is enabled and `: text` if it has a description. A line
# names a suite if the next line is indented more.
string(REPLACE ";" "\\;" listing "${listing}")
string(REPLACE "\n" ";" lines "${listing}")
set(path)
set(previous_depth -1)
set(previous_name "")
set(content "")
set(count 0)

macro(add_case)
  list(JOIN path "/" case_path)
  string(REPLACE "/" "." case_label "${case_path}")
  string(APPEND content
    "add_test([==[${binary}.${case_label}]==] [==[${executable}]==]"
    " [==[--run_test=${case_path}]==] --log_level=test_suite"
    " --color_output=no --catch_system_errors=no)\n"
    "set_tests_properties([==[${binary}.${case_label}]==] PROPERTIES"
    " TIMEOUT ${seconds} LABELS ${binary}"
    " ENVIRONMENT [==[${environment}]==])\n")
  math(EXPR count "${count} + 1")
endmacro()

foreach(line IN LISTS lines)
  if(NOT line MATCHES "^( *)([^ *:]+)([*]?)(:.*)?$")
    continue()
  endif()
  string(LENGTH "${CMAKE_MATCH_1}" blanks)
  set(name "${CMAKE_MATCH_2}")
  math(EXPR depth "${blanks} / 4")
  if(previous_depth GREATER_EQUAL 0 AND NOT depth GREATER previous_depth)
    add_case()
  endif()
  list(LENGTH path length)
  while(length GREATER depth)
    list(POP_BACK path)
    list(LENGTH path length)
  endwhile()
  list(APPEND path "${name}")
  set(previous_depth ${depth})
endforeach()
if(previous_depth GREATER_EQUAL 0)
  add_case()
endif()

if(count EQUAL 0)
  message(FATAL_ERROR "${binary} has no cases:\n${listing}")
endif()
file(WRITE ${cases} "${content}")
