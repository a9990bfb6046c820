// SPDX-License-Identifier: Apache-2.0
#include "client/cli/instance_search.hpp"

#include "client/cli/json_view.hpp"
#include "persistence/records/clock.hpp"
#include <perdura/client/api/orchestration_status.hpp>

#include <algorithm>
#include <deque>
#include <functional>
#include <iterator>

namespace perdura::client {

using persistence::duration;
using persistence::result;
using persistence::timestamp;

namespace {

// Instances per request; a longer list is fetched page by page.
constexpr std::size_t page_max = 1000;
// A response has this header if more instances follow. The request for the next
// page has the same header with the same value.
// @source Durable Functions, HTTP API reference.
constexpr const char* token_header = "x-ms-continuation-token";
// This header of a partial response lists the partitions whose instances the
// response does not include.
constexpr const char* missing_header = "x-perdura-missing-partitions";
// More instances than a node can have.
constexpr std::size_t count_max = std::size_t{1} << 60U;
// The first time before now that fetch_newest asks for.
constexpr duration window_first = std::chrono::seconds(1);
// fetch_newest tries at most this number of times before it reads a whole
// window: each try halves the time, or makes it 16 times as long.
constexpr int windows_max = 40;

/// The pages of one query, one after the other.
class page_reader {
public:
  page_reader(node_connection& node, const list_verb_options& options,
              bool show_input)
    : node_(node), parameters_(options.filter.to_parameters()) {
    if (!show_input)
      parameters_.emplace_back("showInput", "false");
    if (options.partial)
      parameters_.emplace_back("partial", "true");
  }

  /// The body of the next page, a JSON array of at most `top` instances.
  result<std::string> next(std::size_t top) {
    query_parameters asked = parameters_;
    asked.emplace_back("top", std::to_string(top));
    std::vector<http_header> headers;
    if (!token_.empty())
      headers.push_back({token_header, token_});
    auto reply
      = node_.call_api("GET", "/instances" + to_query(asked), {}, headers);
    if (!reply)
      return reply.error();
    token_ = reply->header(token_header);
    // Nodes can become reachable or unreachable between two pages, so the pages
    // can have different lists of missing partitions; the longest list is kept.
    const std::string missing(reply->header(missing_header));
    if (missing.size() > missing_.size())
      missing_ = missing;
    return std::move(reply->body);
  }

  bool has_more() const {
    return !token_.empty();
  }

  const std::string& missing() const {
    return missing_;
  }

private:
  node_connection& node_;
  query_parameters parameters_;
  std::string token_;
  std::string missing_;
};

/// The newest instances that were created in one window of time.
struct window {
  std::deque<std::string> newest; ///< The newest one first.
  std::size_t count = 0;          ///< Instances that were read.
  bool is_whole = true;           ///< All instances of the window were read.
  std::string missing;

  void add(std::string_view page, std::size_t top) {
    for (const std::string_view each : json_items(page)) {
      ++count;
      newest.emplace_front(each);
      if (top != 0 && newest.size() > top)
        newest.pop_back();
    }
  }
};

/// A window with more instances than this is too long to be read whole.
std::size_t window_rows_max(std::size_t top) {
  return std::max(page_max, 2 * std::min(top, count_max));
}

/// Reads the instances that the filter selects, until `rows_max` are read.
result<window> read_window(node_connection& node,
                           const list_verb_options& options,
                           std::size_t rows_max) {
  window found;
  page_reader pages(node, options, false);
  do {
    auto page = pages.next(page_max);
    if (!page)
      return page.error();
    found.add(*page, options.top);
  } while (pages.has_more() && found.count < rows_max);
  found.is_whole = !pages.has_more();
  found.missing = pages.missing();
  return found;
}

/// The time in this text; the epoch if there is none.
timestamp time_in(const std::string& text) {
  timestamp time{};
  parse_iso(text, time);
  return time;
}

/// Finds the beginning of a window that holds enough instances, but can be read
/// whole.
class window_search {
public:
  /// No window begins before `oldest`.
  window_search(timestamp end, timestamp oldest)
    : end_(end),
      oldest_(oldest),
      longest_(std::max(duration(end - oldest), window_first)) {}

  timestamp begin() const {
    return std::max(end_ - length_, oldest_);
  }

  bool is_longest() const {
    return length_ >= longest_;
  }

  /// The window holds too few instances. Returns false if no window has more.
  bool lengthen() {
    if (is_longest())
      return false;
    too_short_ = length_;
    length_ = too_long_ == duration::max()
                ? length_ > longest_ / 16 ? longest_ : length_ * 16
                : middle();
    return true;
  }

  /// The window holds too many instances. Returns false if it cannot be made
  /// shorter.
  bool shorten() {
    too_long_ = length_;
    length_ = middle();
    return length_ > too_short_ && length_ < too_long_;
  }

  /// Chooses the shortest window that is known to hold enough instances.
  void choose_enough() {
    length_ = too_long_ == duration::max() ? longest_ : too_long_;
  }

private:
  duration middle() const {
    return too_short_ + (too_long_ - too_short_) / 2;
  }

  timestamp end_;
  timestamp oldest_;
  duration longest_;
  duration length_ = window_first;
  duration too_short_{0};
  duration too_long_ = duration::max();
};

/// The instances of the window in the form of the caller.
found_instances to_found(window&& from, bool more) {
  found_instances found;
  found.instances.assign(std::make_move_iterator(from.newest.begin()),
                         std::make_move_iterator(from.newest.end()));
  found.more = more;
  found.missing = std::move(from.missing);
  return found;
}

} // namespace

bool filter_options::empty() const {
  return statuses.empty() && created_from.empty() && created_to.empty()
         && prefix.empty() && name.empty() && version.empty() && parent.empty()
         && root.empty();
}

query_parameters filter_options::to_parameters() const {
  std::string joined;
  for (const std::string& each : statuses)
    joined += (joined.empty() ? "" : ",") + each;
  return {{"runtimeStatus", joined},
          {"createdTimeFrom", created_from},
          {"createdTimeTo", created_to},
          {"instanceIdPrefix", prefix},
          {"name", name},
          {"version", version},
          {"parent", parent},
          {"root", root}};
}

result<found_instances> fetch_instances(node_connection& node,
                                        const list_verb_options& options,
                                        bool show_input) {
  found_instances found;
  // If `top` is 0, there is no limit, and each request asks for a whole page.
  const std::size_t top = options.top;
  page_reader pages(node, options, show_input);
  do {
    const std::size_t left = top == 0 ? page_max : top - found.instances.size();
    auto page = pages.next(std::min(left, page_max));
    if (!page)
      return page.error();
    for (const std::string_view each : json_items(*page))
      found.instances.emplace_back(each);
  } while (pages.has_more() && (top == 0 || found.instances.size() < top));
  found.more = pages.has_more();
  found.missing = pages.missing();
  return found;
}

result<found_instances> fetch_newest(node_connection& node,
                                     const list_verb_options& options,
                                     duration* last_span) {
  const std::size_t top = options.top;
  const std::size_t rows_max = top == 0 ? count_max : window_rows_max(top);
  timestamp end = persistence::system_clock().now();
  const timestamp oldest = time_in(options.filter.created_from);
  if (const timestamp to = time_in(options.filter.created_to);
      to != timestamp{})
    end = std::min(end, to);
  list_verb_options asked = options;
  if (last_span != nullptr && *last_span > duration::zero()) {
    asked.filter.created_from = to_iso(std::max(end - *last_span, oldest));
    auto found = read_window(node, asked, rows_max);
    if (!found)
      return found.error();
    if (found->is_whole && found->count >= top)
      return to_found(std::move(*found), true);
  }
  auto first = read_window(node, options, rows_max);
  if (!first)
    return first.error();
  if (first->is_whole) {
    const bool more = first->count > first->newest.size();
    return to_found(std::move(*first), more);
  }
  window_search search(end, oldest);
  for (int tries = 0; tries < windows_max; ++tries) {
    asked.filter.created_from = to_iso(search.begin());
    auto found = read_window(node, asked, rows_max);
    if (!found)
      return found.error();
    if (!found->is_whole) {
      if (!search.shorten())
        break;
    } else if (found->count >= top) {
      if (last_span != nullptr)
        *last_span = end - search.begin();
      return to_found(std::move(*found), true);
    } else if (!search.lengthen()) {
      break;
    }
  }
  // More instances than are read at once were created at nearly the same time,
  // or instances were purged in the meantime.
  search.choose_enough();
  asked.filter.created_from = to_iso(search.begin());
  auto found = read_window(node, asked, count_max);
  if (!found)
    return found.error();
  const bool more = found->count > found->newest.size() || !search.is_longest();
  return to_found(std::move(*found), more);
}

} // namespace perdura::client
