// SPDX-License-Identifier: Apache-2.0
// Verbs that keep printing: history --follow, get --watch and list --watch.
#include "client/cli/follow_verbs.hpp"
#include "tests/client/cli_fixture.hpp"
#include "tests/support/patience.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <istream>
#include <mutex>
#include <ostream>
#include <streambuf>

using namespace perdura::client;
using namespace perdura::tests;

namespace {

/// An output stream buffer that a test reads while a command writes to it.
class observable_output : public std::streambuf {
public:
  /// Waits until the output contains `text`; returns false after `patience`.
  bool wait_for(const std::string& text) {
    std::unique_lock lock(mutex_);
    return grown_.wait_for(
      lock, patience, [&] { return text_.find(text) != std::string::npos; });
  }

  /// Makes all later writes fail, like writes to a pipe that its reader has
  /// closed.
  void close_reader() {
    const std::lock_guard lock(mutex_);
    reader_closed_ = true;
  }

  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

protected:
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    const std::lock_guard lock(mutex_);
    if (reader_closed_)
      return 0;
    text_.append(text, static_cast<std::size_t>(size));
    grown_.notify_all();
    return size;
  }

  int_type overflow(int_type next) override {
    const char c = traits_type::to_char_type(next);
    return xsputn(&c, 1) == 1 ? next : traits_type::eof();
  }

private:
  std::mutex mutex_;
  std::condition_variable grown_;
  std::string text_;
  bool reader_closed_ = false;
};

/// Runs a verb while the test changes the watched instance.
struct follow_fixture : cli_fixture {
  /// Runs the verb on another thread; the result is its exit code.
  template <class F>
  std::future<int> run_async(F verb) {
    return std::async(std::launch::async, [this, verb] {
      std::ostream out(&output);
      terminal io{in, out, err};
      io.can_redraw = redraws;
      if (redraws)
        io.size = [] { return screen_size{60, 8}; };
      node_connection node(*parse_url(host->url()));
      return verb(node, io);
    });
  }

  observable_output output;
  bool redraws = false;
  std::istringstream in;
  std::ostringstream err;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(cli_follow, follow_fixture)

BOOST_AUTO_TEST_CASE(start_follow_prints_the_history_and_the_result) {
  const outcome ran
    = perdura({"start", "HelloSequence", "--id", "a", "--follow"});
  BOOST_TEST(ran.code == 0);
  BOOST_TEST(ran.out.starts_with("a\n"));
  for (const char* event :
       {"ExecutionStarted", "TaskCompleted", "ExecutionCompleted"})
    BOOST_TEST(ran.out_contains(event), event);
  BOOST_TEST(ran.out_contains("\nStatus   Completed\n"));
  BOOST_TEST(perdura({"start", "Fails", "--follow"}).code == 1);
  BOOST_TEST(perdura({"start", "Echo", "--follow", "--wait"}).code == 2);
}

BOOST_AUTO_TEST_CASE(history_follow_prints_new_events) {
  start("Approval", "a");
  auto followed = run_async([](node_connection& node, terminal& io) {
    return follow_history_verb(node, "a", output_format::table, io);
  });
  BOOST_TEST(output.wait_for("ExecutionStarted"));
  perdura({"raise-event", "a", "Approval", "--data", "7"});
  BOOST_TEST(followed.get() == 0);
  const std::string text = output.text();
  BOOST_TEST(text.find("EventRaised") < text.find("ExecutionCompleted"));
  // Each event is printed once.
  BOOST_TEST(text.find("ExecutionStarted") == text.rfind("ExecutionStarted"));
}

BOOST_AUTO_TEST_CASE(history_follow_continues_after_continue_as_new) {
  start("Counter", "a", "0");
  auto followed = run_async([](node_connection& node, terminal& io) {
    return follow_history_verb(node, "a", output_format::jsonl, io);
  });
  BOOST_TEST(output.wait_for("ExecutionStarted"));
  perdura({"raise-event", "a", "Add", "--data", "1"});
  perdura({"raise-event", "a", "Stop"});
  BOOST_TEST(followed.get() == 0);
  BOOST_TEST(output.text().find("ExecutionCompleted") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(get_watch_prints_one_line_for_each_change) {
  start("SetStatus", "a");
  auto watched = run_async([](node_connection& node, terminal& io) {
    return watch_instance_verb(node, "a", output_format::table, io);
  });
  BOOST_TEST(output.wait_for("Running"));
  perdura({"raise-event", "a", "Go"});
  BOOST_TEST(watched.get() == 0);
  const std::string text = output.text();
  BOOST_TEST(text.find("\"stage\"") != std::string::npos);
  BOOST_TEST(text.ends_with("Completed  \"ok\"\n"), text);
  BOOST_TEST(text.find('\x1b') == std::string::npos);
}

// The output begins with the sequences "cursor home" and "clear screen".
BOOST_AUTO_TEST_CASE(watch_on_a_terminal_redraws_the_screen) {
  redraws = true;
  start("Echo", "a", "1");
  ended("a");
  auto watched = run_async([](node_connection& node, terminal& io) {
    return watch_instance_verb(node, "a", output_format::table, io);
  });
  BOOST_TEST(watched.get() == 0);
  BOOST_TEST(output.text().starts_with("\x1b[H\x1b[2JID"));
}

BOOST_AUTO_TEST_CASE(list_watch_prints_changes_until_its_output_is_closed) {
  start("Approval", "a");
  auto watched = run_async([](node_connection& node, terminal& io) {
    return watch_list_verb(node, {}, output_format::table, io);
  });
  BOOST_TEST(output.wait_for("a  Approval  Running"));
  perdura({"raise-event", "a", "Approval"});
  BOOST_TEST(output.wait_for("a  Approval  Completed"));
  perdura({"purge", "a"});
  BOOST_TEST(output.wait_for("a  no longer in the list"));
  output.close_reader();
  start("Approval", "b");
  BOOST_TEST(watched.get() == exit_interrupted);
}

BOOST_AUTO_TEST_CASE(watched_lists_begin_with_the_titles_of_their_columns) {
  start("Approval", "a");
  auto watched = run_async([](node_connection& node, terminal& io) {
    return watch_list_verb(node, {}, output_format::table, io);
  });
  BOOST_TEST(output.wait_for("a  Approval"));
  BOOST_TEST(output.text().starts_with("ID  NAME  STATUS  CREATED  UPDATED\n"));
  output.close_reader();
  start("Approval", "b");
  BOOST_TEST(watched.get() == exit_interrupted);
}

// A list with more lines than the screen would move the titles off the screen.
BOOST_AUTO_TEST_CASE(titles_of_a_watched_list_stay_on_the_screen) {
  redraws = true;
  for (const char* id : {"a", "b", "c", "d", "e", "f", "g", "h", "i"})
    start("Approval", id);
  auto watched = run_async([](node_connection& node, terminal& io) {
    return watch_list_verb(node, {}, output_format::table, io);
  });
  BOOST_TEST(output.wait_for("more and older instances.\n"));
  const std::string text = output.text();
  BOOST_TEST(text.starts_with("\x1b[H\x1b[2JID  NAME"));
  const std::string page = text.substr(0, text.find("instances.\n") + 11);
  BOOST_TEST(std::count(page.begin(), page.end(), '\n') == 7);
  BOOST_TEST(page.find("\ni   Approval") != page.npos);
  BOOST_TEST(page.find("\na   Approval") == page.npos);
  output.close_reader();
  BOOST_TEST(watched.get() == exit_interrupted);
}

BOOST_AUTO_TEST_CASE(followed_histories_begin_with_the_titles) {
  start("Echo", "a", "1");
  ended("a");
  const outcome followed = perdura({"history", "a", "--follow"});
  BOOST_TEST(followed.out.starts_with("TIME "));
  BOOST_TEST(
    perdura({"get", "a", "--watch"}).out.starts_with("UPDATED  STATUS"));
  BOOST_TEST(
    perdura({"history", "a", "--follow", "-o", "jsonl"}).out.starts_with("{"));
}

BOOST_AUTO_TEST_CASE(unknown_instances_and_contradictory_options_are_refused) {
  BOOST_TEST(perdura({"get", "nope", "--watch"}).code == 3);
  BOOST_TEST(perdura({"history", "nope", "--follow"}).code == 3);
  BOOST_TEST(perdura({"list", "--watch", "--status", "done"}).code == 2);
  BOOST_TEST(perdura({"list", "--watch", "--stuck"}).code == 2);
  BOOST_TEST(perdura({"get", "a", "--watch", "--history"}).code == 2);
}

BOOST_AUTO_TEST_SUITE_END()
