// SPDX-License-Identifier: Apache-2.0
#include "persistence/views/views_query.hpp"

#include "persistence/views/index_stream.hpp"
#include "persistence/views/instance_rows.hpp"
#include "persistence/views/rows.hpp"

#include <algorithm>
#include <deque>
#include <iterator>
#include <numeric>
#include <queue>
#include <tuple>

namespace perdura::persistence {

namespace {

// The cost of reading a record, in index entries; see `page_entries_max`.
constexpr std::size_t record_cost = 5;

// If at most this many instances have the ID prefix of a query, they are found
// by their IDs and sorted. If there are more, walking an index in the order of
// creation is faster. The search by ID stops when it finds one more instance
// than this number. A search that is stopped takes about 1.5 ms.
constexpr std::size_t prefix_instances_max = 2'000;

/// Reads one page. The streams of all partitions and statuses are merged by a
/// priority queue, so that rows come in the order of (created_at, id). An
/// instance that a turn in memory has changed is taken from memory; its rows
/// are skipped.
class scanner {
public:
  scanner(const scan_source& from, const instance_query& query,
          const std::optional<page_position>& after)
    : rows_(from.rows),
      pending_(from.pending),
      set_aside_(from.set_aside),
      query_(query),
      after_(after) {}

  /// Reads the page. Called once.
  scanned_page run(const std::vector<partition_id>& partitions) {
    if (auto found = find_by_prefix(partitions))
      return page_of(std::move(*found));
    open_streams(partitions);
    collect_changed(partitions);
    scanned_page page;
    std::size_t cost = 0;
    std::size_t bytes = 0;
    std::size_t count = 0;
    page_position last = after_.value_or(page_position{});
    while (!order_.empty() || !changed_.empty()) {
      // The limits are checked before an entry is read, so that `stopped_at` is
      // set only if there is a further entry.
      if (count >= query_.top || cost >= page_entries_max
          || bytes >= page_bytes_max) {
        add_damaged(page, last);
        page.stopped_at = last;
        break;
      }
      add_damaged(page, last);
      ++cost;
      std::optional<instance_row> row
        = changed_is_next() ? next_changed(last) : next_stored(last, cost);
      if (row) {
        bytes += row->input.size() + row->output.size();
        page.rows.push_back(std::move(*row));
        ++count;
      }
    }
    if (page.stopped_at)
      return page;
    add_damaged(page, last);
    if (!after_ && !has_filters())
      compare_with_counts(page, partitions, last);
    return page;
  }

private:
  /// Adds the damaged index rows that were passed. Their keys say nothing
  /// certain about their place, so they neither count for `top` nor end a page:
  /// they belong to the page of the row after them, or of the last row.
  void add_damaged(scanned_page& page, const page_position& last) {
    for (instance_row& row : damaged_) {
      row.record.created_at = last.created_at;
      row.place = last.id;
      page.rows.push_back(std::move(row));
    }
    damaged_.clear();
  }

  bool has_filters() const {
    return query_.created_from || query_.created_to || query_.ended_before
           || !query_.statuses.empty() || !query_.id_prefix.empty()
           || !query_.name.empty() || !query_.roots.empty()
           || !query_.version.empty() || !query_.parent.empty();
  }

  /// Adds a row without an ID if a page with all instances has another number
  /// of rows than there are instances. This is how a row of the index is
  /// noticed that a damaged key hides from the search.
  void compare_with_counts(scanned_page& page,
                           const std::vector<partition_id>& partitions,
                           const page_position& last) const {
    const status_counts counts = count_instances(rows_, pending_, partitions);
    const auto expected
      = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    if (page.rows.size() == expected)
      return;
    instance_row& row = page.rows.emplace_back();
    row.record.created_at = last.created_at;
    row.place = last.id;
    row.error = "the list has " + std::to_string(page.rows.size() - 1)
                + " instances, but " + std::to_string(expected)
                + " are counted: rows of an index or of the counts are "
                  "damaged; stop the node, run `perdura check`, and restore "
                  "the data directory from a backup";
  }

  /// Reads an instance with `read`. If it is damaged, the row has an error.
  template <class Read>
  static void read_or_report(instance_row& row, Read read) {
    try {
      read();
    } catch (const storage_exception& e) {
      if (e.reason().code != errc::storage_damaged)
        throw;
      const timestamp created_at = row.record.created_at;
      row = {.id = row.id, .error = e.reason().message};
      row.record.created_at = created_at;
    }
  }

  /// An instance that was found by its ID; `row` is filled in step by step.
  struct candidate {
    partition_id partition{};
    instance_row row;
    /// The newest write in memory; null if the rows show the state.
    const instance_write* write = nullptr;
  };

  /// An instance that a turn in memory has changed and that passes the filters.
  struct changed_instance {
    partition_id partition{};
    const instance_write* write = nullptr; ///< The newest write.

    timestamp created_at() const {
      return write->record->created_at;
    }
  };

  /// The order of the heap: the earliest instance is first.
  static bool is_later(const changed_instance& a, const changed_instance& b) {
    const timestamp of_a = a.created_at();
    const timestamp of_b = b.created_at();
    return std::tie(of_a, a.write->id) > std::tie(of_b, b.write->id);
  }

  /// Fills `changed_` with the instances in memory that pass all filters.
  void collect_changed(const std::vector<partition_id>& partitions) {
    for (const partition_id partition : partitions)
      pending_.for_each_newest(
        partition,
        [this](const instance_write& write) {
          return write.record && write.id.starts_with(query_.id_prefix)
                 && fits(write.id, *write.record);
        },
        [&](const instance_write& write) {
          changed_.push_back({partition, &write});
        });
    std::make_heap(changed_.begin(), changed_.end(), is_later);
  }

  /// True if the next instance in the order of the page is in `changed_`.
  bool changed_is_next() const {
    if (order_.empty() || changed_.empty())
      return order_.empty();
    const created_key_parts& stored = order_.top()->at;
    const timestamp created_at = changed_.front().created_at();
    return std::tie(created_at, changed_.front().write->id)
           < std::tie(stored.created_at, stored.id);
  }

  /// Takes the next instance from `changed_`.
  instance_row next_changed(page_position& last) {
    const changed_instance next = changed_.front();
    std::pop_heap(changed_.begin(), changed_.end(), is_later);
    changed_.pop_back();
    last = {next.created_at(), next.write->id};
    instance_row row;
    row.id = next.write->id;
    row.record = *next.write->record;
    read_or_report(row, [&] { read_payloads(next.partition, row); });
    return row;
  }

  /// Takes the next entry of the streams. Empty if the instance does not pass
  /// the filters or is in memory. Adds the cost of reading a record to `cost`.
  std::optional<instance_row> next_stored(page_position& last,
                                          std::size_t& cost) {
    index_stream* next = order_.top();
    order_.pop();
    last = {next->at.created_at, next->at.id};
    add_passed(*next);
    std::optional<instance_row> row;
    if (fits_index(*next) && !pending_.contains(next->partition, next->at.id)) {
      cost += record_cost;
      row = read_row(*next);
      if (row->error.empty() && !fits_record(row->record))
        row.reset();
    }
    if (next->cursor->next() && next->load())
      order_.push(next);
    else
      add_passed(*next);
    return row;
  }

  void add_passed(index_stream& s) {
    std::move(s.damaged.begin(), s.damaged.end(), std::back_inserter(damaged_));
    s.damaged.clear();
  }

  /// Finds the instances whose IDs begin with the query's prefix. Returns no
  /// value if the query has no prefix or too many instances have it.
  std::optional<std::vector<candidate>>
  with_prefix(const std::vector<partition_id>& partitions) const {
    if (query_.id_prefix.empty())
      return std::nullopt;
    std::vector<candidate> found;
    for (const partition_id partition : partitions) {
      const std::string prefix = partition_key(partition) + query_.id_prefix;
      const auto cursor = rows_.walk(table::instances);
      for (bool more = cursor->seek(prefix);
           more && cursor->key().starts_with(prefix);) {
        if (found.size() == prefix_instances_max)
          return std::nullopt;
        instance_id id(id_of_instance_key(cursor->key()));
        // Moves beyond all rows of this instance.
        more = cursor->seek(after_prefix(instance_prefix(partition, id)));
        if (pending_.contains(partition, id))
          continue;
        candidate& one = found.emplace_back();
        one.partition = partition;
        one.row.id = std::move(id);
      }
      pending_.for_each_newest(
        partition,
        [this](const instance_write& write) {
          return write.record && write.id.starts_with(query_.id_prefix);
        },
        [&](const instance_write& write) {
          candidate& one = found.emplace_back();
          one.partition = partition;
          one.row.id = write.id;
          one.write = &write;
        });
      if (found.size() > prefix_instances_max)
        return std::nullopt;
    }
    return found;
  }

  /// Returns all instances that pass the filters, in the order of a page, or
  /// no value if the ID prefix does not narrow the search enough.
  std::optional<std::vector<candidate>>
  find_by_prefix(const std::vector<partition_id>& partitions) const {
    auto found = with_prefix(partitions);
    if (!found)
      return std::nullopt;
    std::erase_if(*found, [this](candidate& one) {
      if (one.write != nullptr) {
        one.row.record = *one.write->record;
        return !fits(one.row.id, one.row.record);
      }
      const std::string key
        = instance_key(one.partition, one.row.id, row_kind::record);
      read_or_report(one.row, [&] {
        auto record = get_row<instance_record>(rows_, table::instances, key);
        if (!record)
          throw_damaged(table::instances, key, "its instance has no record");
        one.row.record = std::move(*record);
      });
      // A damaged instance is listed on the first page.
      return one.row.error.empty() ? !fits(one.row.id, one.row.record)
                                   : after_.has_value();
    });
    std::sort(found->begin(), found->end(),
              [](const candidate& a, const candidate& b) {
                return std::tie(a.row.record.created_at, a.row.id)
                       < std::tie(b.row.record.created_at, b.row.id);
              });
    return found;
  }

  /// Checks all filters and the position after which the page begins. Used for
  /// instances that were found by ID or in memory; streams check these
  /// conditions in several places.
  bool fits(const instance_id& id, const instance_record& record) const {
    return (!after_
            || std::tie(record.created_at, id)
                 > std::tie(after_->created_at, after_->id))
           && record.created_at
                >= query_.created_from.value_or(timestamp::min())
           && record.created_at <= created_max()
           && (query_.name.empty() || record.name == query_.name)
           && (query_.statuses.empty()
               || std::find(query_.statuses.begin(), query_.statuses.end(),
                            record.status)
                    != query_.statuses.end())
           && fits_record(record);
  }

  /// The latest time of creation that passes the filters. An instance that
  /// ended at or before a time was also created at or before this time, so
  /// `ended_before` limits the time of creation too.
  timestamp created_max() const {
    return std::min(query_.created_to.value_or(timestamp::max()),
                    query_.ended_before.value_or(timestamp::max()));
  }

  /// Makes the page from instances that pass the filters, in their order.
  scanned_page page_of(std::vector<candidate> found) const {
    scanned_page page;
    std::size_t bytes = 0;
    for (candidate& one : found) {
      if (page.rows.size() >= query_.top || bytes >= page_bytes_max) {
        page.stopped_at
          = {page.rows.back().record.created_at, page.rows.back().id};
        break;
      }
      if (one.row.error.empty())
        read_or_report(one.row, [&] { read_payloads(one.partition, one.row); });
      bytes += one.row.input.size() + one.row.output.size();
      page.rows.push_back(std::move(one.row));
    }
    return page;
  }

  /// Opens one stream for each partition, or for each partition and
  /// status if the query filters by status.
  void open_streams(const std::vector<partition_id>& partitions) {
    for (partition_id partition : partitions)
      if (query_.statuses.empty())
        open_stream(partition, {});
      else
        for (runtime_status status : distinct_statuses())
          open_stream(partition, status);
    for (index_stream& s : streams_)
      order_.push(&s);
  }

  /// The statuses of the filter without repetitions: two streams over the same
  /// range would return each row twice.
  std::vector<runtime_status> distinct_statuses() const {
    std::vector<runtime_status> statuses = query_.statuses;
    std::sort(statuses.begin(), statuses.end());
    statuses.erase(std::unique(statuses.begin(), statuses.end()),
                   statuses.end());
    return statuses;
  }

  /// Opens a stream over by_status or, without a status, over by_created.
  /// A range without rows gets no stream.
  void open_stream(partition_id partition,
                   std::optional<runtime_status> status) {
    const auto key = [&](timestamp created_at, const instance_id& id) {
      return status ? status_key(partition, *status, created_at, id)
                    : created_key(partition, created_at, id);
    };
    const timestamp from = query_.created_from.value_or(timestamp::min());
    // The stream begins at the lower end of the time range or after the
    // last row of the previous page, whichever is later.
    std::string begin = key(from, {});
    bool skip = false;
    if (after_ && key(after_->created_at, after_->id) >= begin) {
      begin = key(after_->created_at, after_->id);
      skip = true;
    }
    index_stream s;
    s.partition = partition;
    s.t = status ? table::by_status : table::by_created;
    const timestamp to = created_max();
    s.end = to == timestamp::max() ? after_prefix(
              status ? count_key(partition, *status) : partition_key(partition))
                                   : key(to + duration(1), {});
    s.cursor = rows_.walk(s.t);
    if (s.seek(begin, skip))
      streams_.push_back(std::move(s));
    else if (!after_)
      add_passed(s); // An earlier page has passed them otherwise.
  }

  /// Checks the filters that need no more than the index row.
  bool fits_index(const index_stream& s) const {
    if (!s.at.id.starts_with(query_.id_prefix))
      return false;
    return query_.name.empty() || s.name == query_.name;
  }

  /// Checks the filters that need the record.
  bool fits_record(const instance_record& record) const {
    return (!query_.ended_before
            || (is_finished(record.status)
                && record.ended_at <= *query_.ended_before))
           && (query_.version.empty() || record.version == query_.version)
           && (query_.parent.empty() || record.parent.instance == query_.parent)
           && (query_.roots.empty()
               || std::find(query_.roots.begin(), query_.roots.end(),
                            record.place.root)
                    != query_.roots.end());
  }

  /// Reads the instance of a stream's current row. The payloads are read only
  /// if the record passes the filters.
  instance_row read_row(const index_stream& s) const {
    instance_row row;
    row.id = s.at.id;
    row.record.created_at = s.at.created_at;
    read_or_report(row, [&] {
      const std::string key
        = instance_key(s.partition, row.id, row_kind::record);
      auto record = get_row<instance_record>(rows_, table::instances, key);
      if (!record)
        throw_damaged(s.t, s.cursor->key(), "its instance does not exist");
      check_not_set_aside(s.partition, row.id);
      check_indexes(s, *record);
      row.record = std::move(*record);
      if (fits_record(row.record))
        read_payloads(s.partition, row);
    });
    return row;
  }

  /// @throws storage_exception  The instance is set aside.
  void check_not_set_aside(partition_id partition,
                           const instance_id& id) const {
    if (set_aside_.empty())
      return;
    const auto found = set_aside_.find({index_of(partition), id});
    if (found != set_aside_.end())
      throw storage_exception(found->second);
  }

  /// Checks that the index row and the record agree, and that the other index
  /// has its row too.
  void check_indexes(const index_stream& s,
                     const instance_record& record) const {
    const std::string of_created
      = created_key(s.partition, record.created_at, s.at.id);
    const std::string of_status
      = status_key(s.partition, record.status, record.created_at, s.at.id);
    const bool is_created = s.t == table::by_created;
    if (s.cursor->key() != (is_created ? of_created : of_status)
        || s.name != record.name)
      throw_damaged(s.t, s.cursor->key(), "it differs from its instance");
    const table other = is_created ? table::by_status : table::by_created;
    const std::string& key = is_created ? of_status : of_created;
    if (!has_row(rows_, other, key))
      throw_damaged(other, key, "it is missing, but its instance exists");
  }

  /// Reads the custom status, the input and the output of an instance.
  void read_payloads(partition_id partition, instance_row& row) const {
    check_not_set_aside(partition, row.id);
    const auto writes = pending_.writes_of(partition, row.id);
    row.custom_status = read_custom_status(partition, row.id, writes);
    row.output = "null";
    const event_index count = row.record.history_count;
    const auto require = [&](bool is_complete) {
      if (!is_complete)
        throw_damaged(table::instances,
                      instance_key(partition, row.id, row_kind::record),
                      "history events that it counts are missing");
    };
    if (writes.empty())
      check_history_end(rows_, partition, row.id, count);
    // execution_started is among the first two events.
    const auto first = read_events(partition, row.id, 0, 2, writes);
    require(first.size() >= std::min<event_index>(count, 2));
    for (const history_event& event : first)
      if (const auto* started = std::get_if<execution_started>(&event.body))
        row.input = started->input;
    if (row.record.output_event > 0) {
      const auto last
        = read_events(partition, row.id, row.record.output_event, 1, writes);
      require(!last.empty() || row.record.output_event >= count);
      for (const history_event& event : last)
        read_output(event, row);
    }
  }

  std::string
  read_custom_status(partition_id partition, const instance_id& id,
                     const std::vector<const instance_write*>& writes) const {
    for (auto write = writes.rbegin(); write != writes.rend(); ++write) {
      if ((*write)->custom_status)
        return *(*write)->custom_status;
      if ((*write)->removed)
        return "null";
    }
    // An instance that is new in memory has no rows yet.
    if (!writes.empty()
        && !rows_.get(table::instances,
                      instance_key(partition, id, row_kind::record)))
      return "null";
    return persistence::read_custom_status(rows_, partition, id);
  }

  /// Reads at most `count_max` events from event `first` on.
  std::vector<history_event>
  read_events(partition_id partition, const instance_id& id, event_index first,
              std::size_t count_max,
              const std::vector<const instance_write*>& writes) const {
    // The rows are not read if the turns in memory contain all these events.
    const instance_write* oldest = writes.empty() ? nullptr : writes.front();
    const bool is_in_memory
      = oldest != nullptr
        && (oldest->removed || oldest->reset
            || (!oldest->history.empty() && oldest->history_first <= first));
    std::vector<history_event> events;
    if (!is_in_memory)
      events = read_history(rows_, partition, id, first, count_max);
    for (const instance_write* write : writes)
      overlay_history(events, first, count_max, *write);
    return events;
  }

  /// Sets the output if the event ends an execution.
  static void read_output(const history_event& event, instance_row& row) {
    if (const auto* x = std::get_if<execution_completed>(&event.body))
      row.output = x->result;
    else if (const auto* y = std::get_if<execution_terminated>(&event.body))
      row.output = y->reason;
  }

  const row_reader& rows_;
  const pending_layers& pending_;
  const set_aside_instances& set_aside_;
  const instance_query& query_;
  const std::optional<page_position>& after_;
  /// A deque, because `order_` points to the elements.
  std::deque<index_stream> streams_;
  std::priority_queue<index_stream*, std::vector<index_stream*>, later_stream>
    order_;
  std::vector<changed_instance> changed_; ///< A heap; see is_later.
  std::vector<instance_row> damaged_;     ///< See `add_damaged`.
};

} // namespace

scanned_page scan(const scan_source& from,
                  const std::vector<partition_id>& partitions,
                  const instance_query& query,
                  const std::optional<page_position>& after) {
  return scanner(from, query, after).run(partitions);
}

} // namespace perdura::persistence
