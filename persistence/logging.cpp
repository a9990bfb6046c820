#include "persistence/logging.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>

namespace perdura::persistence {

namespace {

// EX_IOERR of sysexits.h: supervisors tell it from a crash.
constexpr int exit_code_storage = 74;

std::atomic<log_level>& threshold() {
  static std::atomic<log_level> level{log_level::info};
  return level;
}

spdlog::level::level_enum to_spdlog(log_level level) {
  switch (level) {
  case log_level::debug:
    return spdlog::level::debug;
  case log_level::info:
    return spdlog::level::info;
  case log_level::warning:
    return spdlog::level::warn;
  case log_level::error:
    return spdlog::level::err;
  case log_level::off:
    return spdlog::level::off;
  }
  return spdlog::level::off;
}

spdlog::logger& logger_of(log_room room) {
  // Never destroyed: a thread may log while the process ends.
  static auto* loggers = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      "%Y-%m-%dT%H:%M:%S.%eZ %l %n %v", spdlog::pattern_time_type::utc));
    const auto make = [&](const char* name) {
      auto logger = std::make_shared<spdlog::logger>(name, sink);
      logger->set_level(spdlog::level::debug);
      logger->flush_on(spdlog::level::warn);
      return logger;
    };
    return new std::array<std::shared_ptr<spdlog::logger>, 5>{
      make("persistence"), make("actors"), make("cluster"), make("client"),
      make("audit")};
  }();
  return *(*loggers)[static_cast<std::size_t>(room)];
}

std::string escaped(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n')
      line += "\\n";
    else if (c == '\r')
      line += "\\r";
    else if (c == '\t')
      line += "\\t";
    else if (byte < 0x20 || byte == 0x7F) {
      line += "\\x";
      line += "0123456789abcdef"[byte >> 4U];
      line += "0123456789abcdef"[byte & 0x0FU];
    } else
      line += c;
  }
  return line;
}

} // namespace

void set_log_level(log_level level) {
  threshold().store(level, std::memory_order_relaxed);
}

bool logs(log_room room, log_level level) {
  if (room == log_room::audit)
    return level >= log_level::info;
  return level >= threshold().load(std::memory_order_relaxed);
}

void log(log_room room, log_level level, std::string_view text) {
  if (level != log_level::off && logs(room, level))
    logger_of(room).log(to_spdlog(level), "{}", escaped(text));
}

void end_process(std::string_view why) {
  logger_of(log_room::persistence)
    .log(spdlog::level::critical, "{}", escaped(why));
  logger_of(log_room::persistence).flush();
  std::_Exit(exit_code_storage);
}

} // namespace perdura::persistence
