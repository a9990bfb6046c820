# Everything comes from Debian 12; `dev` holds the list of packages.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(CAF 0.17.6 REQUIRED COMPONENTS core io openssl)
# 1.74: libmsgpack-cxx-dev conflicts with Debian's later Boost.
find_package(Boost 1.74 REQUIRED)
find_package(msgpack REQUIRED)       # msgpackc-cxx
find_package(spdlog REQUIRED)        # spdlog::spdlog
find_package(nlohmann_json REQUIRED) # nlohmann_json::nlohmann_json
find_package(simdjson REQUIRED)      # simdjson::simdjson
find_package(tomlplusplus REQUIRED)  # tomlplusplus::tomlplusplus
find_package(CLI11 REQUIRED)         # CLI11::CLI11
find_package(OpenSSL REQUIRED)       # OpenSSL::SSL, OpenSSL::Crypto

find_package(PkgConfig REQUIRED)
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET GLOBAL lmdb)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET GLOBAL libxxhash)
# The core alone: its package's own CMake files want civetweb and curl, too.
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET GLOBAL
  prometheus-cpp-core)

# Nearly all that is allocated is freed by another thread: glibc's allocator
# takes 100 us of an orchestration's 300 there, jemalloc 20. For our programs
# alone; a service that embeds a node has an allocator of its own, and
# sanitizers bring theirs.
add_library(perdura_allocator INTERFACE)
if(PERDURA_JEMALLOC AND NOT PERDURA_SANITIZE)
  pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET GLOBAL jemalloc)
  target_link_libraries(perdura_allocator INTERFACE PkgConfig::JEMALLOC)
endif()
