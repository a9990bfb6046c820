// SPDX-License-Identifier: Apache-2.0
#include "campaigns/disk_replay.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace perdura::tests {

namespace fs = std::filesystem;

namespace {

using operation_kind = disk_operation::kind;

// The kernel writes whole pages: a write with O_DSYNC also makes earlier writes
// to the same pages durable.
constexpr std::uint64_t kernel_page_size = 4096;

void put(std::string& bytes, std::uint64_t offset, std::string_view part) {
  if (bytes.size() < offset + part.size())
    bytes.resize(offset + part.size());
  std::copy(part.begin(), part.end(),
            bytes.begin() + static_cast<std::ptrdiff_t>(offset));
}

/// Puts each sector of the part, or leaves it as it is.
void put_sectors(std::string& bytes, std::uint64_t offset,
                 std::string_view part, std::mt19937_64& random) {
  while (!part.empty()) {
    const std::size_t size = std::min<std::size_t>(
      part.size(), disk_sector_size - offset % disk_sector_size);
    if (random() % 2 == 0)
      put(bytes, offset, part.substr(0, size));
    part.remove_prefix(size);
    offset += size;
  }
}

} // namespace

void write_content(const fs::path& directory, const disk_content& content) {
  fs::remove_all(directory);
  fs::create_directories(directory);
  // A directory comes before its files in the order of the paths.
  for (const auto& [path, bytes] : content)
    if (bytes)
      std::ofstream(directory / path, std::ios::binary) << *bytes;
    else
      fs::create_directory(directory / path);
}

disk_content read_content(const fs::path& directory) {
  disk_content content;
  for (const auto& each : fs::recursive_directory_iterator(directory)) {
    auto& bytes = content[fs::relative(each.path(), directory).string()];
    if (each.is_directory())
      continue;
    std::ifstream file(each.path(), std::ios::binary);
    bytes.emplace(std::istreambuf_iterator<char>(file),
                  std::istreambuf_iterator<char>());
  }
  return content;
}

disk_replay::disk_replay(const disk_record& record, sync_fault fault)
  : record_(record), fault_(std::move(fault)), nodes_(record.nodes.size()) {
  for (disk_node i = 0; i < nodes_.size(); ++i)
    nodes_[i].bytes = record.nodes[i].bytes;
  for (const auto& [directory, name, node] : record.entries)
    nodes_[directory].names[name] = node;
}

void disk_replay::run_to(std::size_t count) {
  for (; executed_ < count; ++executed_)
    execute(executed_);
}

void disk_replay::execute(std::size_t index) {
  const disk_operation& operation = record_.operations[index];
  switch (operation.what) {
  case operation_kind::add_file:
  case operation_kind::add_directory:
  case operation_kind::rename:
  case operation_kind::remove:
    nodes_[operation.directory].name_changes.push_back(index);
    break;
  case operation_kind::write:
    nodes_[operation.node].changes.push_back(
      {index, operation.number, operation.bytes});
    break;
  case operation_kind::resize:
    nodes_[operation.node].changes.push_back(
      {.operation = index, .offset = operation.number, .is_resize = true});
    break;
  case operation_kind::sync:
    if (!fault_ || !fault_(record_.nodes[operation.node], false))
      sync(nodes_[operation.node], operation.number);
    break;
  case operation_kind::sync_write:
    if (!fault_ || !fault_(record_.nodes[operation.node], true))
      sync_write(nodes_[operation.node], record_.operations[operation.number]);
    break;
  case operation_kind::mark:
    break;
  }
}

/// Makes the operations before `until` durable.
void disk_replay::sync(node_state& state, std::uint64_t until) {
  std::erase_if(state.changes, [&](const file_change& change) {
    if (change.operation >= until)
      return false;
    if (change.is_resize)
      state.bytes.resize(change.offset);
    else
      put(state.bytes, change.offset, change.bytes);
    return true;
  });
  std::erase_if(state.name_changes, [&](std::size_t operation) {
    if (operation >= until)
      return false;
    change_names(state.names, record_.operations[operation]);
    return true;
  });
}

/// Makes a write durable, with what earlier writes have put into its pages.
void disk_replay::sync_write(node_state& state, const disk_operation& write) {
  const std::uint64_t begin
    = write.number / kernel_page_size * kernel_page_size;
  const std::uint64_t end
    = (write.number + write.bytes.size() + kernel_page_size - 1)
      / kernel_page_size * kernel_page_size;
  std::vector<file_change> rest;
  for (const file_change& change : state.changes) {
    const std::uint64_t from = std::max(begin, change.offset);
    const std::uint64_t to = std::min(end, change.offset + change.bytes.size());
    if (change.is_resize || from >= to) {
      rest.push_back(change);
      continue;
    }
    put(state.bytes, from,
        change.bytes.substr(from - change.offset, to - from));
    if (change.offset < from)
      rest.push_back({change.operation, change.offset,
                      change.bytes.substr(0, from - change.offset)});
    if (to < change.offset + change.bytes.size())
      rest.push_back(
        {change.operation, to, change.bytes.substr(to - change.offset)});
  }
  state.changes = std::move(rest);
}

void disk_replay::change_names(std::map<std::string, disk_node>& names,
                               const disk_operation& operation) const {
  switch (operation.what) {
  case operation_kind::rename:
    if (const auto found = names.find(operation.name); found != names.end()) {
      const disk_node node = found->second;
      names.erase(found);
      names[operation.new_name] = node;
    }
    break;
  case operation_kind::remove:
    names.erase(operation.name);
    break;
  default:
    names[operation.name] = operation.node;
  }
}

std::map<std::string, disk_node>
disk_replay::names_of(disk_node node, std::size_t changes) const {
  std::map<std::string, disk_node> names = nodes_[node].names;
  for (std::size_t i = 0; i < changes; ++i)
    change_names(names, record_.operations[nodes_[node].name_changes[i]]);
  return names;
}

void disk_replay::add_content(
  const std::map<std::string, disk_node>& names, const std::string& prefix,
  const std::function<std::size_t(std::size_t)>& taken,
  const choice& apply_change, disk_content& content) const {
  for (const auto& [name, node] : names) {
    const std::string path = prefix + name;
    const node_state& state = nodes_[node];
    if (record_.nodes[node].is_directory) {
      content[path];
      add_content(names_of(node, taken(state.name_changes.size())), path + '/',
                  taken, apply_change, content);
      continue;
    }
    std::string bytes = state.bytes;
    for (const file_change& change : state.changes)
      apply_change(change, bytes);
    content[path] = std::move(bytes);
  }
}

/// The content of the directory. `taken` says how many of the changes of a
/// directory's entries are there, given their number.
disk_content
disk_replay::content(const std::function<std::size_t(std::size_t)>& taken,
                     const choice& apply_change) const {
  disk_content all;
  add_content(names_of(0, taken(nodes_[0].name_changes.size())), "", taken,
              apply_change, all);
  return all;
}

disk_content disk_replay::written() const {
  return content([](std::size_t count) { return count; },
                 [](const file_change& change, std::string& bytes) {
                   if (change.is_resize)
                     bytes.resize(change.offset);
                   else
                     put(bytes, change.offset, change.bytes);
                 });
}

disk_content disk_replay::after_power_failure(std::mt19937_64& random) const {
  // How much of what was not synced is there, in percent.
  static constexpr std::array<std::uint64_t, 6> shares{0, 10, 50, 50, 90, 100};
  const std::uint64_t share = shares[random() % shares.size()];
  const bool has_torn_writes = random() % 2 == 0;
  return content(
    [&](std::size_t count) {
      if (share == 0 || share == 100)
        return share == 0 ? 0 : count;
      return static_cast<std::size_t>(random() % (count + 1));
    },
    [&](const file_change& change, std::string& bytes) {
      const bool is_there = random() % 100 < share;
      if (change.is_resize) {
        if (is_there)
          bytes.resize(change.offset);
        return;
      }
      if (share > 0 && has_torn_writes && random() % 3 == 0)
        put_sectors(bytes, change.offset, change.bytes, random);
      else if (is_there)
        put(bytes, change.offset, change.bytes);
      // The file can be longer although the bytes are missing.
      const std::uint64_t end = change.offset + change.bytes.size();
      if (share > 0 && bytes.size() < end && random() % 4 == 0)
        bytes.resize(end);
    });
}

} // namespace perdura::tests
