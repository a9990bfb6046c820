// SPDX-License-Identifier: Apache-2.0
#include "client/load/bench_plot.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

namespace perdura::client {

namespace {

// Sizes are in pixels. `left`, `right`, `top` and `bottom` are the margins of a
// panel around the area with the lines.
constexpr double panel_width = 720;
constexpr double panel_height = 320;
constexpr double left = 70;
constexpr double right = 90; // Space for the names of the lines.
constexpr double top = 40;
constexpr double bottom = 50;
constexpr double name_height = 13;

/// A percentile that is drawn as a line.
struct drawn_line {
  std::string_view figure; ///< The name in the report.
  std::string_view name;   ///< The name in the drawing.
  std::string_view color;
};

constexpr std::array<drawn_line, 4> lines{{{"p50_ms", "p50", "#1b7837"},
                                           {"p90_ms", "p90", "#2166ac"},
                                           {"p99_ms", "p99", "#b35806"},
                                           {"max_ms", "max", "#b2182b"}}};

/// One load of a scenario.
struct point {
  double rate = 0;
  const bench_figures* figures = nullptr;
};

/// The drawing of one scenario.
struct panel {
  std::string scenario;
  std::vector<point> points; ///< In ascending order of the rate.
};

/// The text with `<` and `&` escaped, as XML requires.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text)
    switch (c) {
    case '<':
      out += "&lt;";
      break;
    case '&':
      out += "&amp;";
      break;
    default:
      out += c;
    }
  return out;
}

/// One panel for each scenario. If the report has an open loop, closed loops
/// are left out, because the rate of a closed loop depends on its latency.
std::vector<panel> panels_of(const bench_report& report) {
  const bool any_open
    = std::any_of(report.results.begin(), report.results.end(),
                  [](const bench_result& each) { return each.rate_asked > 0; });
  std::vector<panel> all;
  for (const bench_result& each : report.results) {
    const double* reached = find_figure(each.figures, "rate_per_s");
    if (reached == nullptr || (any_open && each.rate_asked == 0))
      continue;
    auto found = std::find_if(all.begin(), all.end(), [&](const panel& one) {
      return one.scenario == each.scenario;
    });
    if (found == all.end())
      found = all.insert(all.end(), {each.scenario, {}});
    found->points.push_back(
      {each.rate_asked > 0 ? each.rate_asked : *reached, &each.figures});
  }
  for (panel& each : all)
    std::sort(each.points.begin(), each.points.end(),
              [](const point& a, const point& b) { return a.rate < b.rate; });
  return all;
}

/// The distance of the grid lines: 1, 2 or 5 times a power of ten, chosen so
/// that an axis from 0 to `whole` has about five grid lines.
double grid_step(double whole) {
  const double rough = whole / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double each : {1.0, 2.0, 5.0})
    if (rough <= each * power)
      return each * power;
  return 10 * power;
}

/// Maps rates and latencies to coordinates within one panel. The latency axis
/// is logarithmic; it begins and ends at a power of ten.
class axes {
public:
  /// `y` is the top of the panel.
  axes(const panel& what, double y) : y_(y) {
    for (const point& each : what.points) {
      rate_max_ = std::max(rate_max_, each.rate * 1.05);
      for (const drawn_line& line : lines)
        if (const double* value = find_figure(*each.figures, line.figure)) {
          // Values below 10 µs are drawn as 10 µs: 0 has no logarithm.
          const double power = std::log10(std::max(*value, 0.01));
          least_ = std::min(least_, std::floor(power));
          most_ = std::max(most_, std::ceil(power));
        }
    }
    if (most_ <= least_)
      most_ = least_ + 1;
  }

  double x(double rate) const {
    return left + rate / rate_max_ * (panel_width - left - right);
  }

  double y(double ms) const {
    const double share
      = (std::log10(std::max(ms, 0.01)) - least_) / (most_ - least_);
    return y_ + panel_height - bottom - share * (panel_height - top - bottom);
  }

  /// Draws the grid and its labels.
  void draw(std::ostream& out) const {
    for (double power = least_; power <= most_; power += 1) {
      const double ms = std::pow(10, power);
      out << "<path class=\"grid\" d=\"M" << left << ' ' << y(ms) << "H"
          << panel_width - right << "\"/>\n<text x=\"" << left - 8 << "\" y=\""
          << y(ms) + 4 << "\" text-anchor=\"end\">" << ms << " ms</text>\n";
    }
    const double axis_y = y_ + panel_height - bottom;
    const double step = grid_step(rate_max_);
    for (double rate = 0; rate <= rate_max_; rate += step)
      out << "<path class=\"grid\" d=\"M" << x(rate) << ' ' << axis_y << "V"
          << y_ + top << "\"/>\n<text x=\"" << x(rate) << "\" y=\""
          << axis_y + 18 << "\" text-anchor=\"middle\">" << rate
          << " /s</text>\n";
  }

private:
  double y_;
  double rate_max_ = 1; ///< The rate at the right end of the axis.
  double least_ = 0;    ///< The latency axis begins at 10^least_ ms.
  double most_ = 0;     ///< The latency axis ends at 10^most_ ms.
};

/// Draws one percentile and its name. The y coordinate of the name is at most
/// `name_y_max`, so that the names of lines that meet do not overlap. Returns
/// the y coordinate of the name.
double draw_line(std::ostream& out, const panel& what, const axes& at,
                 const drawn_line& line, double name_y_max) {
  std::ostringstream path;
  double last_y = 0;
  double last_x = 0;
  char move = 'M';
  for (const point& each : what.points) {
    const double* value = find_figure(*each.figures, line.figure);
    if (value == nullptr)
      continue;
    last_x = at.x(each.rate);
    last_y = at.y(*value);
    path << move << last_x << ' ' << last_y;
    move = 'L';
    out << "<circle cx=\"" << last_x << "\" cy=\"" << last_y
        << "\" r=\"3\" fill=\"" << line.color << "\"><title>" << line.name
        << ' ' << figure_text(*value) << " ms at " << figure_text(each.rate)
        << " /s</title></circle>\n";
  }
  if (move == 'M')
    return name_y_max;
  constexpr double half_letter_height = 4;
  const double name_y = std::min(last_y + half_letter_height, name_y_max);
  out << "<path class=\"line\" stroke=\"" << line.color << "\" d=\""
      << path.str() << "\"/>\n<text x=\"" << last_x + 10 << "\" y=\"" << name_y
      << "\" fill=\"" << line.color << "\">" << line.name << "</text>\n";
  return name_y;
}

} // namespace

std::string to_svg(const bench_report& report) {
  const std::vector<panel> all = panels_of(report);
  const double height
    = std::max<double>(1, static_cast<double>(all.size())) * panel_height;
  std::ostringstream out;
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << panel_width
      << "\" height=\"" << height << "\" viewBox=\"0 0 " << panel_width << ' '
      << height
      << "\">\n<style>text{font:12px sans-serif}.grid{stroke:#ddd;fill:none}"
         ".line{fill:none;stroke-width:2}</style>\n"
         "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n";
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double y = static_cast<double>(i) * panel_height;
    const axes at(all[i], y);
    out << "<text x=\"" << left << "\" y=\"" << y + 24
        << "\" font-weight=\"bold\">" << escaped(all[i].scenario)
        << ": latency over rate</text>\n";
    at.draw(out);
    double name_y_max = y + panel_height;
    // `lines` begins with the lowest percentile.
    for (const drawn_line& line : lines)
      name_y_max = draw_line(out, all[i], at, line, name_y_max) - name_height;
  }
  out << "</svg>\n";
  return out.str();
}

} // namespace perdura::client
