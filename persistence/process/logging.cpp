// SPDX-License-Identifier: Apache-2.0
#include "persistence/process/logging.hpp"

#include "persistence/records/clock.hpp"
#include "persistence/records/text.hpp"

#include <fcntl.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>

namespace perdura::persistence {

namespace {

/// The lowest level that is written.
std::atomic<log_level>& threshold() {
  static std::atomic<log_level> level{log_level::info};
  return level;
}

/// The logger of the audit file; null until `open_audit_file` has succeeded.
std::atomic<spdlog::logger*>& audit_file() {
  static std::atomic<spdlog::logger*> logger{nullptr};
  return logger;
}

// A line shows the time in UTC with milliseconds, the level, the channel and
// the text.
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

/// Returns the logger that writes the lines of a channel.
spdlog::logger& logger_of(log_channel channel) {
  if (channel == log_channel::audit)
    if (spdlog::logger* file = audit_file().load(std::memory_order_acquire))
      return *file;
  // Never destroyed, because a thread may log while the process ends.
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
  return *(*loggers)[static_cast<std::size_t>(channel)];
}

/// Replaces control characters, line separators and characters that change the
/// direction of text by escape sequences.
std::string escaped(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = terminal_escape_size(text, at);
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
        line += "\\x";
        append_hex(line, static_cast<unsigned char>(part));
      }
    at += size == 0 ? 1 : size;
  }
  return line;
}

/// The line that `newest_error` returns.
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
  // The file is created here, because the sink would create it with permissions
  // that let other users read it.
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
    // Each line is flushed, so that a crash of the process loses none.
    logger->flush_on(spdlog::level::info);
    // A logger that is replaced is never destroyed, because other threads may
    // be using it.
    audit_file().store(logger.release(), std::memory_order_release);
  } catch (const spdlog::spdlog_ex&) {
    return failure;
  }
  return {};
}

bool is_logged(log_channel channel, log_level level) {
  if (channel == log_channel::audit
      && audit_file().load(std::memory_order_acquire) != nullptr)
    return level >= log_level::info;
  return level >= threshold().load(std::memory_order_relaxed);
}

void log(log_channel channel, log_level level, std::string_view text) {
  if (level == log_level::error) {
    const std::lock_guard lock(newest().mutex);
    newest().error = {system_clock().now(), escaped(text)};
  }
  if (level != log_level::off && is_logged(channel, level))
    logger_of(channel).log(to_spdlog(level), "{}", escaped(text));
}

void log_last_line(std::string_view text) {
  spdlog::logger& logger = logger_of(log_channel::persistence);
  logger.log(spdlog::level::critical, "{}", escaped(text));
  logger.flush();
}

} // namespace perdura::persistence
