# SPDX-License-Identifier: Apache-2.0
# All dependencies are packages of Debian 12; the script `dev` lists them.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(CAF 0.17.6 REQUIRED COMPONENTS core io)
# Boost 1.74, because libmsgpack-cxx-dev conflicts with Debian's later Boost.
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
# Only prometheus-cpp-core: the CMake files of its package also require
# civetweb and curl.
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET GLOBAL
  prometheus-cpp-core)

# Most memory is freed by another thread than the one that allocated it.
# Allocation therefore costs 100 us per orchestration with glibc's allocator,
# and 20 us with jemalloc. Only the programs of Perdura link jemalloc: a service
# that embeds a node chooses its own allocator, and the sanitizers have
# allocators of their own.
add_library(perdura_allocator INTERFACE)
if(PERDURA_JEMALLOC AND NOT PERDURA_SANITIZE)
  pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET GLOBAL jemalloc)
  target_link_libraries(perdura_allocator INTERFACE PkgConfig::JEMALLOC)
endif()
