// SPDX-License-Identifier: Apache-2.0
#include "client/cli/follow_verbs.hpp"

#include "client/cli/filter_check.hpp"
#include "client/cli/json_view.hpp"
#include "client/cli/text_width.hpp"
#include "client/cli/wait_failure.hpp"

#include <algorithm>
#include <map>
#include <ostream>
#include <sstream>

namespace perdura::client {

using persistence::result;

namespace {

// The node responds to a waiting request as soon as the instance has ended, but
// not when the instance changes in another way. To see such changes, the verbs
// send one request per interval.
constexpr auto interval = std::chrono::seconds(1);

/// True if the status is final.
bool has_ended(const std::string& status) {
  const std::string state = json_text_member(status, "runtimeStatus");
  return state == "Completed" || state == "Failed" || state == "Terminated"
         || state == "Canceled";
}

/// exit_ok if the instance has completed, else exit_instance_failed.
int exit_code_of_status(const std::string& status) {
  return json_text_member(status, "runtimeStatus") == "Completed"
           ? exit_ok
           : exit_instance_failed;
}

/// Returns the status when the instance has ended, or after the interval.
result<std::string> next_status(node_connection& node, const std::string& id,
                                query_parameters parameters) {
  parameters.emplace_back("waitSeconds", std::to_string(interval.count()));
  return node.status_of(id, parameters);
}

/// Clears the screen and prints the text from the top. The two escape sequences
/// move the cursor to the top left and erase the screen.
void redraw(const std::string& text, terminal& io) {
  io.out << "\x1b[H\x1b[2J" << text << std::flush;
}

/// Prints one row and flushes the output. The columns are not aligned with
/// those of other rows.
void print_line(const std::vector<std::string>& cells,
                const std::vector<column_kind>& kinds, terminal& io) {
  print_table(io, {cells}, kinds);
  io.out << std::flush;
}

/// Prints one line for a changed instance. In a JSON format the line is the
/// status object. Otherwise it has the time of the change, the status, and the
/// output if the instance has ended, or else the custom status.
void print_change(const std::string& status, output_format format,
                  terminal& io) {
  if (format != output_format::table) {
    io.out << json_compact(status) << std::endl;
    return;
  }
  const char* member = has_ended(status) ? "output" : "customStatus";
  const std::string detail
    = json_compact(json_member(status, member).value_or("null"));
  print_line({json_text_member(status, "lastUpdatedTime"),
              json_text_member(status, "runtimeStatus"),
              detail == "null" ? "" : detail},
             {}, io);
}

/// A terminal like `io` whose output is collected in `text`.
terminal page_of(const terminal& io, std::ostream& text) {
  terminal page{io.in, text, io.err};
  page.size = io.size;
  page.has_colors = io.has_colors;
  return page;
}

/// Replaces the content of the screen by the status. The text is built before
/// the screen is cleared, so that the screen does not flicker.
void draw_status(const std::string& status, output_format format,
                 terminal& io) {
  std::ostringstream text;
  terminal page = page_of(io, text);
  print_status(status, format, page, true);
  redraw(text.str(), io);
}

/// Prints the events of an instance's history that were not printed before.
class history_tail {
public:
  history_tail(output_format format, terminal& io) : format_(format), io_(io) {
    if (format == output_format::table)
      print_cells(history_titles());
  }

  void print_new(std::string_view events) {
    const auto items = json_items(events);
    // Continue-as-new replaces the history by a new one, which has a different
    // first event. The new history is printed from its beginning.
    const std::string first(items.empty() ? std::string_view() : items.front());
    if (first != first_)
      printed_ = 0;
    first_ = first;
    for (; printed_ < items.size(); ++printed_)
      print(items[printed_]);
    io_.out << std::flush;
  }

private:
  void print(std::string_view event) {
    if (format_ != output_format::table) {
      io_.out << json_compact(event) << '\n';
      return;
    }
    print_cells(history_cells(event));
  }

  void print_cells(std::vector<std::string> cells) {
    // Later events may need wider columns than the events so far. These fixed
    // widths fit most events.
    constexpr std::size_t widths[] = {29, 36, 20, 0};
    for (std::size_t i = 0; i < cells.size(); ++i)
      if (const std::size_t width = display_width(cells[i]); width < widths[i])
        cells[i].append(widths[i] - width, ' ');
    print_line(cells,
               {column_kind::fixed, column_kind::fixed, column_kind::text,
                column_kind::detail},
               io_);
  }

  output_format format_;
  terminal& io_;
  std::size_t printed_ = 0; ///< Number of printed events.
  std::string first_;       ///< The first event of the current history.
};

/// Prints one line for each instance that is new in the list or has changed
/// since the previous list. In the table format, also prints one line for each
/// instance that has left the list.
class list_changes {
public:
  void print(const std::vector<std::string>& found, output_format format,
             terminal& io) {
    std::map<std::string, std::string> now;
    for (const std::string& each : found) {
      const std::string id = json_text_member(each, "instanceId");
      now.emplace(id, each);
      const auto before = known_.find(id);
      if (before != known_.end() && before->second == each)
        continue;
      if (format == output_format::table)
        print_line(instance_cells(each), {}, io);
      else
        io.out << json_compact(each) << std::endl;
    }
    if (format == output_format::table)
      for (const auto& [id, row] : known_)
        if (!now.contains(id))
          print_line({id, "no longer in the list"}, {}, io);
    known_ = std::move(now);
  }

private:
  std::map<std::string, std::string> known_; ///< The JSON of each ID.
};

/// The screen of `list --watch`: the titles, as many instances as there are
/// lines for, the newest first, and a note if there are more.
std::string list_page(std::vector<std::string> found, bool more,
                      const terminal& io) {
  // The titles, the note and the line of the cursor.
  constexpr std::size_t other_lines = 3;
  if (io.size) {
    const std::size_t lines = std::max(io.size().lines, other_lines + 1);
    if (found.size() > lines - other_lines) {
      found.resize(lines - other_lines);
      more = true;
    }
  }
  std::ostringstream text;
  terminal page = page_of(io, text);
  print_instances(page, found);
  if (more)
    text << "There are more and older instances.\n";
  return text.str();
}

} // namespace

int watch_instance_verb(node_connection& node, const std::string& id,
                        output_format format, terminal& io) {
  // From here on Ctrl-C ends the loop instead of the process.
  signal_watch signals;
  std::string seen;
  if (!io.can_redraw && format == output_format::table)
    print_line({"UPDATED", "STATUS", "DETAIL"}, {}, io);
  auto status = node.status_of(id);
  while (true) {
    if (!status)
      return fail(io, wait_failure(id, status.error(), false));
    if (*status != seen) {
      if (io.can_redraw)
        draw_status(*status, format, io);
      else
        print_change(*status, format, io);
    }
    seen = *status;
    if (has_ended(*status))
      return exit_code_of_status(*status);
    if (signals.stop_requested() || io.output_closed())
      return exit_interrupted;
    status = next_status(node, id, {});
  }
}

int watch_list_verb(node_connection& node, const list_verb_options& options,
                    output_format format, terminal& io) {
  if (const auto ok = check_range(options.filter); !ok)
    return fail(io, ok.error());
  signal_watch signals;
  list_changes changes;
  std::string missing;
  persistence::duration last_span{0};
  const bool is_table = format == output_format::table;
  if (is_table && !io.can_redraw)
    print_line(instance_titles(), {}, io);
  do {
    auto found = is_table ? fetch_newest(node, options, &last_span)
                          : fetch_instances(node, options, true);
    if (!found)
      return fail(io, found.error());
    // Missing partitions are reported when they change, not once a second.
    if (found->missing != missing)
      report_missing_partitions(found->missing, io);
    missing = found->missing;
    if (is_table && io.can_redraw)
      redraw(list_page(std::move(found->instances), found->more, io), io);
    else
      changes.print(found->instances, format, io);
  } while (!io.output_closed() && !signals.wait_for(interval));
  return exit_interrupted;
}

int follow_history_verb(node_connection& node, const std::string& id,
                        output_format format, terminal& io) {
  signal_watch signals;
  history_tail tail(format, io);
  std::string updated;
  auto status = node.status_of(id, {{"showInput", "false"}});
  while (true) {
    if (!status)
      return fail(io, wait_failure(id, status.error(), false));
    const bool ended = has_ended(*status);
    // A history may be long, so it is requested only after the instance has
    // changed.
    const std::string now = json_text_member(*status, "lastUpdatedTime");
    if (now != updated || ended) {
      auto full = node.status_of(id, {{"showHistory", "true"},
                                      {"showHistoryOutput", "true"},
                                      {"showInput", "false"}});
      if (!full)
        return fail(io, wait_failure(id, full.error(), false));
      tail.print_new(json_member(*full, "historyEvents").value_or("[]"));
    }
    updated = now;
    if (ended)
      return exit_code_of_status(*status);
    if (signals.stop_requested() || io.output_closed())
      return exit_interrupted;
    status = next_status(node, id, {{"showInput", "false"}});
  }
}

} // namespace perdura::client
