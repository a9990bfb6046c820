// SPDX-License-Identifier: Apache-2.0
#include "client/cli/compact_verb.hpp"

#include "persistence/journal/compact.hpp"
#include <perdura/persistence/stores/storage_space.hpp>

#include <ostream>

namespace perdura::client {

using persistence::bytes_text;

int compact_verb(const std::string& data_dir, terminal& io) {
  const auto made = persistence::compact_hub(data_dir);
  if (!made) {
    const int code = fail(io, made.error());
    return made.code() == persistence::errc::storage_damaged
             ? exit_instance_failed
             : code;
  }
  io.out << "The data files took " << bytes_text(made->bytes_before)
         << " and now take " << bytes_text(made->bytes_after) << ".\n";
  return exit_ok;
}

} // namespace perdura::client
