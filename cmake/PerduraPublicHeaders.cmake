# The headers a user may include: these, and all of the house that they reach.
# They are installed, must compile alone, and show no library but nlohmann's.
set(PERDURA_PUBLIC_ROOTS
  persistence/ids.hpp
  persistence/error.hpp
  persistence/history_event.hpp
  actors/task.hpp
  actors/orchestration_context.hpp
  actors/when.hpp
  actors/retry_options.hpp
  actors/registry.hpp
  actors/activity_context.hpp
  cluster/node.hpp
  cluster/node_config.hpp
  client/perdura.hpp
  client/orchestration_client.hpp
  client/orchestration_status.hpp
  client/management_payload.hpp
  client/door_config.hpp
  client/cluster_client.hpp
  client/node_host.hpp)

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

set(PERDURA_PUBLIC_HEADERS_FILE ${PROJECT_BINARY_DIR}/public_headers.txt)
list(JOIN PERDURA_PUBLIC_HEADERS "\n" lines)
file(WRITE ${PERDURA_PUBLIC_HEADERS_FILE} "${lines}\n")
