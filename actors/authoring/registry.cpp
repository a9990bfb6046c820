// SPDX-License-Identifier: Apache-2.0
#include "actors/authoring/registry.hpp"

#include "persistence/records/text.hpp"

#include <algorithm>
#include <stdexcept>

namespace perdura::actors {

using persistence::is_digit;

namespace {

/// Removes the digits at the front and returns them without leading zeros.
std::string_view take_number(std::string_view& text) {
  std::size_t zeros = 0;
  while (zeros < text.size() && text[zeros] == '0')
    ++zeros;
  std::size_t end = zeros;
  while (end < text.size() && is_digit(text[end]))
    ++end;
  std::string_view number = text.substr(zeros, end - zeros);
  text.remove_prefix(end);
  return number;
}

/// Throws std::invalid_argument if `name` breaks the rules for names. `what`
/// begins the message, such as "an activity's name".
void check_name(const char* what, std::string_view name) {
  if (persistence::fault_of_name(name) != persistence::name_fault::none)
    throw std::invalid_argument(
      std::string(what) + " \"" + std::string(name)
      + "\" must be 1 to 256 bytes of UTF-8 without control characters");
}

} // namespace

// Compares the texts from left to right. Where both texts have a digit, the
// sequences of digits that begin there are compared as numbers; elsewhere,
// single characters are compared. Digits are not converted to an integer, so
// digit sequences may have any length.
bool is_version_less(std::string_view a, std::string_view b) {
  const std::string_view whole_a = a;
  const std::string_view whole_b = b;
  while (!a.empty() && !b.empty()) {
    if (is_digit(a[0]) && is_digit(b[0])) {
      const std::string_view x = take_number(a);
      const std::string_view y = take_number(b);
      // Without leading zeros the longer number is the greater one.
      if (x.size() != y.size())
        return x.size() < y.size();
      if (x != y)
        return x < y;
      continue;
    }
    if (a[0] != b[0])
      return static_cast<unsigned char>(a[0])
             < static_cast<unsigned char>(b[0]);
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  if (a.empty() != b.empty())
    return a.empty();
  return whole_a < whole_b; // "1.0" and "1.00" are different versions
}

bool registry::version_less::operator()(std::string_view a,
                                        std::string_view b) const {
  return is_version_less(a, b);
}

// Versions of one name are kept in a map that is ordered by is_version_less.
void registry::add_entry(orchestrator_entry entry) {
  check_name("an orchestrator's name", entry.name());
  if (!entry.version().empty())
    check_name("an orchestrator's version", entry.version());
  auto& versions = orchestrators_[entry.name()];
  std::string version = entry.version();
  auto [it, added] = versions.emplace(std::move(version), std::move(entry));
  if (!added)
    throw std::invalid_argument("orchestrator \"" + it->second.name()
                                + "\" version \"" + it->second.version()
                                + "\" is registered already");
}

void registry::add_entry(std::string name, activity_limits limits,
                         activity_function call) {
  check_name("an activity's name", name);
  auto [it, added] = activities_.emplace(
    std::move(name), activity_entry{limits, std::move(call)});
  if (!added)
    throw std::invalid_argument("activity \"" + it->first
                                + "\" is registered already");
}

const orchestrator_entry*
registry::find_orchestrator(std::string_view name,
                            std::string_view version) const {
  auto versions = orchestrators_.find(name);
  if (versions == orchestrators_.end())
    return nullptr;
  auto entry = versions->second.find(version);
  return entry == versions->second.end() ? nullptr : &entry->second;
}

std::optional<std::string>
registry::default_version(std::string_view name) const {
  auto versions = orchestrators_.find(name);
  if (versions == orchestrators_.end())
    return std::nullopt;
  return versions->second.rbegin()->first; // the map is in order of version
}

bool registry::has_activity(std::string_view name) const {
  return activities_.contains(name);
}

const activity_limits*
registry::find_activity_limits(std::string_view name) const {
  auto entry = activities_.find(name);
  return entry == activities_.end() ? nullptr : &entry->second.limits;
}

// Also catches exceptions that are not derived from std::exception, so that no
// activity can end the process by throwing.
activity_outcome registry::run_activity(std::string_view name,
                                        activity_context& ctx,
                                        const std::string& input) const {
  auto entry = activities_.find(name);
  if (entry == activities_.end())
    return failure_details{"unknown_activity",
                           "no activity \"" + std::string(name)
                             + "\" is registered on this node"};
  try {
    return entry->second.call(ctx, input);
  } catch (...) {
    return failure_of(std::current_exception());
  }
}

std::vector<const orchestrator_entry*> registry::orchestrators() const {
  std::vector<const orchestrator_entry*> all;
  for (const auto& [name, versions] : orchestrators_)
    for (const auto& [version, entry] : versions)
      all.push_back(&entry);
  return all;
}

std::vector<std::string> registry::activity_names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : activities_)
    names.push_back(name);
  return names;
}

} // namespace perdura::actors
