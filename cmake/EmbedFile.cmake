# SPDX-License-Identifier: Apache-2.0
# Embeds a file into a program as a std::string_view, with CMake only.

# When this file runs as a script (cmake -P), it writes the C++ source. A long
# text becomes several adjacent raw strings: compilers need not accept literals
# of more than 64 KiB.
if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  file(READ ${file} text)
  set(pieces)
  string(LENGTH "${text}" size)
  set(at 0)
  while(at LESS size)
    string(SUBSTRING "${text}" ${at} 16000 piece)
    string(APPEND pieces "\n  R\"embedded(${piece})embedded\"")
    math(EXPR at "${at} + 16000")
  endwhile()
  file(WRITE ${source}
"#include \"${header}\"

namespace ${namespace} {

const std::string_view ${variable} =${pieces};

} // namespace ${namespace}
")
  return()
endif()

set(PERDURA_EMBED_FILE_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

# perdura_embed_file(<target> <file> <header> <namespace> <variable>): adds a
# generated source to the target. The source defines `const std::string_view
# <variable>`, which the header declares, with the text of the file. The source
# is generated again when the file changes.
function(perdura_embed_file target file header namespace variable)
  cmake_path(GET file FILENAME name)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  add_custom_command(OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -D file=${file} -D source=${source}
      -D header=${header} -D namespace=${namespace} -D variable=${variable}
      -P ${PERDURA_EMBED_FILE_SCRIPT}
    DEPENDS ${file} ${PERDURA_EMBED_FILE_SCRIPT}
    COMMENT "Embedding ${name}"
    VERBATIM)
  target_sources(${target} PRIVATE ${source})
endfunction()
