// A stranger's query: which instances, created when, in which state, how many.
#include "client/api/request_checks.hpp"
#include "client/http/http_message.hpp"
#include "client/http/query_filter.hpp"
#include "client/http/url.hpp"
#include "persistence/views/queries.hpp"
#include "tests/fuzz/fuzz_targets.hpp"

#include <algorithm>
#include <chrono>

namespace perdura::tests {

namespace {

using namespace perdura::client;

/// Wrong if planted: what is wrong is left out, and the rest is done.
persistence::result<instance_filter> parse(const request_target& target) {
  auto filter = parse_filter(target);
  if (!filter && is_planted("query_filters"))
    return instance_filter();
  return filter;
}

std::string text_of(const request_target& target, std::string_view name) {
  const std::string* value = target.find(name);
  return value == nullptr ? std::string() : *value;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// The words of every `runtimeStatus`, without the blanks around them.
std::vector<std::string> status_words(const request_target& target) {
  std::string all;
  for (const auto& [name, value] : target.query)
    if (same_letters(name, "runtimeStatus"))
      all += value + ',';
  std::vector<std::string> words;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = all.find(',', at);
    const std::string word = all.substr(at, end - at);
    const std::size_t first = word.find_first_not_of(' ');
    if (first != word.npos)
      words.push_back(
        word.substr(first, word.find_last_not_of(' ') - first + 1));
    at = end + 1;
  }
  return words;
}

broken_promise check_time(const std::string& text,
                          const std::optional<timestamp>& parsed) {
  if (text.empty() != !parsed)
    return "a time comes from nowhere, or is lost";
  if (!parsed)
    return {};
  if (*parsed < timestamp{})
    return "a time is before the epoch";
  if (text.size() < 10 || !is_digit(text[0]))
    return "this is no time: " + text;
  return {};
}

broken_promise check_filter_of(const request_target& target) {
  const auto filter = parse(target);
  const std::string top = text_of(target, "top");
  const bool top_is_number = std::all_of(top.begin(), top.end(), is_digit);
  if (!filter)
    return filter.code() != errc::invalid_argument ? "an error of another kind"
           : filter.error().message.empty()        ? "an error says nothing"
                                                   : "";
  if (!top_is_number)
    return "top is no number: " + top;
  if (!top.empty()) {
    const std::size_t first
      = std::min(top.find_first_not_of('0'), top.size() - 1);
    if (std::to_string(filter->top) != top.substr(first))
      return "top is another number than " + top;
  }
  if (auto broken
      = check_time(text_of(target, "createdTimeFrom"), filter->created_from);
      !broken.empty())
    return broken;
  if (auto broken
      = check_time(text_of(target, "createdTimeTo"), filter->created_to);
      !broken.empty())
    return broken;
  const auto words = status_words(target);
  if (words.size() != filter->statuses.size())
    return "a status is lost or made up";
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto number = static_cast<unsigned>(filter->statuses[i]);
    if (number > 7
        || (words[i] != std::to_string(number)
            && !same_letters(words[i], to_string(filter->statuses[i]))))
      return "a status is another than " + words[i];
  }
  if (filter->instance_id_prefix != text_of(target, "instanceIdPrefix")
      || filter->name != text_of(target, "name"))
    return "a prefix or name is another";
  if (check_filter(*filter)
      && (filter->top < 1 || filter->top > 1000
          || (filter->created_from && filter->created_to
              && *filter->created_from > *filter->created_to)))
    return "a filter that can match nothing passes";
  return {};
}

broken_promise check_iso(std::string_view text) {
  timestamp time{};
  if (!parse_iso(text, time))
    return {};
  // Offsets may lead out of the years that four digits can write.
  using namespace std::chrono;
  if (time < sys_days(year(0) / 1 / 1)
      || time >= sys_days(year(10'000) / 1 / 1))
    return {};
  timestamp again{};
  if (!parse_iso(to_iso(time), again) || again != time)
    return "written and read again it is another time: " + to_iso(time);
  if (!to_iso(time).starts_with(text.substr(0, 10)) && text.size() == 10)
    return "a date is another";
  // Sixty seconds are a minute.
  if (text.size() == 20 && text.ends_with('Z') && text[10] == 'T'
      && text[17] != '6' && to_iso_seconds(time) != text)
    return "a time is another: " + to_iso_seconds(time);
  return {};
}

broken_promise check_token(std::string_view text) {
  const auto position = persistence::parse_token(std::string(text));
  if (position && persistence::to_token(*position) != text)
    return "a page's token is taken that was not given out";
  // What is given out comes back.
  const persistence::page_position own{
    timestamp{std::chrono::seconds(1'800'000'000)},
    std::string(text.substr(0, 256))};
  const auto back = persistence::parse_token(persistence::to_token(own));
  if (!back || back->id != own.id || back->created_at != own.created_at)
    return "a page's token does not come back";
  return {};
}

} // namespace

broken_promise fuzz_query_filters(std::string_view bytes) {
  if (auto broken = check_iso(bytes); !broken.empty())
    return broken;
  if (auto broken = check_token(bytes); !broken.empty())
    return broken;
  const auto target = parse_target("/instances?" + std::string(bytes));
  if (!target)
    return {};
  for (const auto& [name, value] : target->query)
    if (auto broken = check_iso(value); !broken.empty())
      return broken;
  return check_filter_of(*target);
}

} // namespace perdura::tests
