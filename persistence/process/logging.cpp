#include "persistence/process/logging.hpp"

#include "persistence/records/clock.hpp"
#include "persistence/records/steering_text.hpp"

#include <fcntl.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>

namespace perdura::persistence {

namespace {

// EX_IOERR of sysexits.h: supervisors tell it from a crash.
constexpr int exit_code_storage = 74;

std::atomic<log_level>& threshold() {
  static std::atomic<log_level> level{log_level::info};
  return level;
}

std::atomic<spdlog::logger*>& audit_file() {
  static std::atomic<spdlog::logger*> logger{nullptr};
  return logger;
}

constexpr const char* line_pattern = "%Y-%m-%dT%H:%M:%S.%eZ %l %n %v";

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
  if (room == log_room::audit)
    if (spdlog::logger* file = audit_file().load(std::memory_order_acquire))
      return *file;
  // Never destroyed: a thread may log while the process ends.
  static auto* loggers = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      line_pattern, spdlog::pattern_time_type::utc));
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
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = steering_size(text, at);
    const char c = text[at];
    if (size == 0)
      line += c;
    else if (c == '\n')
      line += "\\n";
    else if (c == '\r')
      line += "\\r";
    else if (c == '\t')
      line += "\\t";
    else
      for (const char part : text.substr(at, size)) {
        const auto byte = static_cast<unsigned char>(part);
        line += "\\x";
        line += "0123456789abcdef"[byte >> 4U];
        line += "0123456789abcdef"[byte & 0x0FU];
      }
    at += size == 0 ? 1 : size;
  }
  return line;
}

struct newest_line {
  std::mutex mutex;
  logged_error error;
};

newest_line& newest() {
  static newest_line line;
  return line;
}

} // namespace

logged_error newest_error() {
  const std::lock_guard lock(newest().mutex);
  return newest().error;
}

void set_log_level(log_level level) {
  threshold().store(level, std::memory_order_relaxed);
}

result<void> open_audit_file(const std::filesystem::path& file) {
  const error failure{errc::invalid_argument, "The audit file \""
                                                + file.string()
                                                + "\" cannot be written."};
  // The sink would let others read it.
  const int descriptor
    = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0)
    return failure;
  ::close(descriptor);
  try {
    constexpr std::size_t file_bytes_max = std::size_t{64} << 20U;
    auto sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(
      file.string(), file_bytes_max, 8);
    sink->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      line_pattern, spdlog::pattern_time_type::utc));
    auto logger = std::make_unique<spdlog::logger>("audit", std::move(sink));
    // A line that is lost with the process is worth nothing.
    logger->flush_on(spdlog::level::info);
    // Never destroyed, like the others: threads may be using the old one.
    audit_file().store(logger.release(), std::memory_order_release);
  } catch (const spdlog::spdlog_ex&) {
    return failure;
  }
  return {};
}

bool logs(log_room room, log_level level) {
  if (room == log_room::audit
      && audit_file().load(std::memory_order_acquire) != nullptr)
    return level >= log_level::info;
  return level >= threshold().load(std::memory_order_relaxed);
}

void log(log_room room, log_level level, std::string_view text) {
  if (level == log_level::error) {
    const std::lock_guard lock(newest().mutex);
    newest().error = {system_clock().now(), escaped(text)};
  }
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
