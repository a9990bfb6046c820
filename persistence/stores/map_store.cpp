// SPDX-License-Identifier: Apache-2.0
#include "persistence/stores/map_store.hpp"

#include <iterator>

namespace perdura::persistence {

namespace {

/// A cursor over one map. `at_` is `end()` while there is no current row. A
/// change of the map invalidates the cursor if it removes the current row.
class map_cursor : public row_cursor {
public:
  explicit map_cursor(const row_map& rows) : rows_(rows), at_(rows.end()) {}

  bool seek(std::string_view key) override {
    at_ = rows_.lower_bound(key);
    return at_ != rows_.end();
  }

  bool seek_before(std::string_view key) override {
    at_ = rows_.lower_bound(key);
    if (at_ == rows_.begin()) {
      at_ = rows_.end();
      return false;
    }
    --at_;
    return true;
  }

  bool next() override {
    if (at_ != rows_.end())
      ++at_;
    return at_ != rows_.end();
  }

  bool previous() override {
    if (at_ == rows_.begin())
      at_ = rows_.end();
    else if (at_ != rows_.end())
      --at_;
    return at_ != rows_.end();
  }

  std::string_view key() const override {
    return at_->first;
  }

  std::string_view value() const override {
    return at_->second;
  }

private:
  const row_map& rows_;
  row_map::const_iterator at_;
};

/// Returns the value of a key; empty if the map does not contain the key.
std::optional<std::string_view> find(const row_map& rows,
                                     std::string_view key) {
  const auto i = rows.find(key);
  if (i == rows.end())
    return {};
  return i->second;
}

} // namespace

/// Holds a shared lock for its whole lifetime, so that no writer changes the
/// maps while it reads.
class map_store::reader : public row_reader {
public:
  explicit reader(const map_store& store)
    : store_(store), lock_(store.mutex_) {}

  std::optional<std::string_view> get(table t,
                                      std::string_view key) const override {
    return find(store_.tables_[static_cast<std::size_t>(t)], key);
  }

  std::unique_ptr<row_cursor> walk(table t) const override {
    return std::make_unique<map_cursor>(
      store_.tables_[static_cast<std::size_t>(t)]);
  }

private:
  const map_store& store_;
  std::shared_lock<std::shared_mutex> lock_;
};

/// Changes the maps immediately and records the previous values, which the
/// destructor restores unless the transaction was committed.
class map_store::writer : public row_writer {
public:
  explicit writer(map_store& store) : store_(store), lock_(store.mutex_) {}

  /// Restores the previous values in reverse order; after `commit` there are
  /// none.
  ~writer() override {
    for (auto i = undo_.rbegin(); i != undo_.rend(); ++i)
      if (i->before)
        store_.rows(i->t).insert_or_assign(i->key, *i->before);
      else
        store_.rows(i->t).erase(i->key);
  }

  std::optional<std::string_view> get(table t,
                                      std::string_view key) const override {
    return find(store_.rows(t), key);
  }

  std::unique_ptr<row_cursor> walk(table t) const override {
    return std::make_unique<map_cursor>(store_.rows(t));
  }

  void put(table t, std::string_view key, std::string_view value) override {
    remember_row(t, key);
    store_.rows(t).insert_or_assign(std::string(key), std::string(value));
  }

  void erase(table t, std::string_view key) override {
    row_map& rows = store_.rows(t);
    const auto i = rows.find(key);
    if (i == rows.end())
      return;
    remember_row(t, key);
    rows.erase(rows.find(key));
  }

  void commit() override {
    undo_.clear();
  }

private:
  /// The value of a row before a change; empty if the row did not exist.
  struct change {
    table t;
    std::string key;
    std::optional<std::string> before;
  };

  /// Records the current value of a row, so that it can be restored.
  void remember_row(table t, std::string_view key) {
    std::optional<std::string> before;
    if (const auto value = find(store_.rows(t), key))
      before.emplace(*value);
    undo_.push_back({t, std::string(key), std::move(before)});
  }

  map_store& store_;
  std::unique_lock<std::shared_mutex> lock_;
  std::vector<change> undo_;
};

std::unique_ptr<row_reader> map_store::read() const {
  return std::make_unique<reader>(*this);
}

std::unique_ptr<row_writer> map_store::write() {
  return std::make_unique<writer>(*this);
}

std::uint64_t map_store::bytes_used() const {
  std::shared_lock lock(mutex_);
  std::uint64_t bytes = 0;
  for (const row_map& rows : tables_)
    for (const auto& [key, value] : rows)
      bytes += key.size() + value.size();
  return bytes;
}

void map_log::append(const std::vector<record>& records,
                     journal_position trim_to, std::size_t trim_max) {
  std::lock_guard lock(mutex_);
  for (const record& r : records)
    records_.emplace_hint(records_.end(), r.first, r.bytes);
  // A record ends where the next one begins. The newest record is kept.
  for (; trim_max > 0 && records_.size() > 1
         && std::next(records_.begin())->first <= trim_to + 1;
       --trim_max)
    records_.erase(records_.begin());
}

std::optional<record_log::record> map_log::read(journal_position from) const {
  std::lock_guard lock(mutex_);
  const auto i = records_.lower_bound(from);
  if (i == records_.end())
    return {};
  return record{i->first, i->second};
}

std::optional<record_log::record> map_log::last() const {
  std::lock_guard lock(mutex_);
  if (records_.empty())
    return {};
  return record{records_.rbegin()->first, records_.rbegin()->second};
}

std::uint64_t map_log::bytes_used() const {
  std::lock_guard lock(mutex_);
  std::uint64_t bytes = 0;
  for (const auto& [first, value] : records_)
    bytes += value.size();
  return bytes;
}

} // namespace perdura::persistence
