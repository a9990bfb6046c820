/// The verbs that are a node: `dev`, `serve`; and `hub create`.
#pragma once

#include "client/cli/terminal.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace perdura::client {

struct node_verb_options {
  std::string http = "127.0.0.1:7071"; ///< ADDRESS:PORT, :PORT or PORT.
  std::string data_dir;                ///< Of `dev`, empty: a temporary folder.
  std::string task_hub = "perdura";
  std::uint32_t partitions = 32;
  bool create_hub = false;
  bool once = false; ///< Of `dev`: leave after the first result.
};

/// One node with the samples; runs a first orchestration and shows its result.
int dev_verb(const node_verb_options& options, terminal& io);
int serve_verb(const node_verb_options& options, terminal& io);
int hub_create_verb(const node_verb_options& options, terminal& io);

struct listen_place {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
};

/// Nothing if it is no such place.
std::optional<listen_place> parse_listen_place(const std::string& text);

} // namespace perdura::client
