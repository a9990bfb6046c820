# SPDX-License-Identifier: Apache-2.0
# The headers that users may include: the headers in the list below, and all
# headers of Perdura that these include. Each of them is installed, compiles
# alone, and includes no third-party header except nlohmann/json.
set(PERDURA_PUBLIC_ROOTS
  persistence/records/ids.hpp
  persistence/records/time_arithmetic.hpp
  persistence/records/error.hpp
  persistence/records/history_event.hpp
  actors/authoring/task.hpp
  actors/authoring/orchestration_context.hpp
  actors/authoring/when.hpp
  actors/authoring/retry_options.hpp
  actors/authoring/registry.hpp
  actors/authoring/activity_context.hpp
  cluster/node/node.hpp
  cluster/node/node_config.hpp
  actors/authoring/workflow.hpp
  client/api/perdura.hpp
  client/api/client.hpp
  client/api/orchestration_client.hpp
  client/api/orchestration_status.hpp
  actors/authoring/management_payload.hpp
  client/api/http_api_config.hpp
  client/api/cluster_client.hpp
  client/api/node_host.hpp)

# Follow the includes from the roots. Each header that is read is a dependency
# of the configuration: if its includes change, CMake runs again.
set(PERDURA_PUBLIC_HEADERS)
set(waiting ${PERDURA_PUBLIC_ROOTS})
while(waiting)
  list(POP_FRONT waiting header)
  if(header IN_LIST PERDURA_PUBLIC_HEADERS
      OR NOT EXISTS ${PROJECT_SOURCE_DIR}/${header})
    continue()
  endif()
  list(APPEND PERDURA_PUBLIC_HEADERS ${header})
  set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY
    CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${header})
  file(STRINGS ${PROJECT_SOURCE_DIR}/${header} lines REGEX "^#include ")
  foreach(line IN LISTS lines)
    if(line MATCHES
        "[<\"](perdura/)?((persistence|actors|cluster|client)/[^>\"]+)[>\"]")
      list(APPEND waiting ${CMAKE_MATCH_2})
    endif()
  endforeach()
endwhile()
list(SORT PERDURA_PUBLIC_HEADERS)

# The list as a file, for the tests that check the public headers.
set(PERDURA_PUBLIC_HEADERS_FILE ${PROJECT_BINARY_DIR}/public_headers.txt)
list(JOIN PERDURA_PUBLIC_HEADERS "\n" lines)
file(WRITE ${PERDURA_PUBLIC_HEADERS_FILE} "${lines}\n")

# perdura_forward(<path> <header>): makes <perdura/path> a header that includes
# <perdura/header>, in the build tree and in the installed tree.
set(PERDURA_FORWARDING_HEADERS)
function(perdura_forward path header)
  file(CONFIGURE OUTPUT ${PERDURA_INCLUDE_DIR}/perdura/${path} @ONLY CONTENT
"/// Includes <perdura/@header@>.
#pragma once

#include <perdura/@header@>
")
  list(APPEND PERDURA_FORWARDING_HEADERS ${path})
  set(PERDURA_FORWARDING_HEADERS ${PERDURA_FORWARDING_HEADERS} PARENT_SCOPE)
endfunction()

# The short names that users include.
perdura_forward(perdura.hpp client/api/perdura.hpp)
perdura_forward(client.hpp client/api/client.hpp)
perdura_forward(workflow.hpp actors/authoring/workflow.hpp)

# The include paths of version 0.1.0, without the sub-folder of a layer. They
# still work in the next release.
foreach(header IN ITEMS
    persistence/records/error
    persistence/records/history_event
    persistence/records/ids
    actors/authoring/activity_context
    actors/authoring/management_payload
    actors/authoring/orchestration_context
    actors/authoring/payload
    actors/authoring/registry
    actors/authoring/retry_options
    actors/authoring/task
    actors/authoring/when
    cluster/node/node
    cluster/node/node_config
    cluster/transport/node_report
    cluster/placement/placement
    cluster/node/remote_gateway
    client/api/cluster_client
    client/api/node_host
    client/api/orchestration_client
    client/api/orchestration_status
    client/api/perdura)
  string(REGEX REPLACE "^([a-z]+)/[a-z]+/" "\\1/" old_path ${header})
  perdura_forward(${old_path}.hpp ${header}.hpp)
endforeach()
perdura_forward(persistence/distribution.hpp
  persistence/records/histogram.hpp)
perdura_forward(client/door_config.hpp client/api/http_api_config.hpp)
