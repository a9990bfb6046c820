// SPDX-License-Identifier: Apache-2.0
/// The examples in the help of the command line.
#pragma once

#include <string_view>
#include <utility>

namespace CLI {
class App;
} // namespace CLI

namespace perdura::client {

/// The example at the end of each verb's help: the path of the verb, and the
/// rest of the command line.
inline constexpr std::pair<std::string_view, std::string_view> verb_examples[]
  = {
    {"dev", " --data-dir ./hub"},
    {"serve", " --config configs/single-node.toml"},
    {"cluster up", " --nodes 3 --data-dir ./cluster"},
    {"cluster status", " --url http://127.0.0.1:7072 --partitions"},
    {"hub create", " --data-dir ./hub --partitions 64"},
    {"hub adopt", " ./hub --accept-loss"},
    {"tls init", " --nodes node-1,node-2,node-3 --host ship.example"},
    {"tls add", " node-4 --host ship.example"},
    {"tls renew", " node-1"},
    {"check", " --data-dir ./hub"},
    {"compact", " ./hub"},
    {"config show", " --config node.toml --http :8080"},
    {"config validate", " node.toml"},
    {"start", " Approval --id order-17 --input '{\"sum\":5}'"},
    {"run", " HelloSequence"},
    {"start-or-raise", " Cart cart-17 Add --data '{\"item\":\"tea\"}'"},
    {"get", " order-17 --watch"},
    {"describe", " order-17"},
    {"list", " --status Running,Failed --prefix order- --since 1h"},
    {"count", " --since 2d"},
    {"history", " order-17 --follow"},
    {"urls", " order-17"},
    {"raise-event", " order-17 Approval --data '{\"by\":\"me\"}'"},
    {"terminate", " --prefix order- --reason 'no longer wanted' --dry-run"},
    {"suspend", " order-17 --reason 'until Monday'"},
    {"resume", " order-17"},
    {"rewind", " --status Failed --name Ship --yes"},
    {"release", " order-17"},
    {"pause", " Ship --reason 'the carrier is down'"},
    {"unpause", " Ship"},
    {"paused", ""},
    {"restart", " order-17"},
    {"purge", " --status Completed --created-to 2026-01-01"},
    {"bench", " hello fan-out --rate 500,1000,2000 --svg hello.svg"},
    {"completions", " bash > /etc/bash_completion.d/perdura"},
};

/// Adds the example below the help of each verb of the program.
void add_examples(CLI::App& app);

} // namespace perdura::client
