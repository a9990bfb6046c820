/// Holds JSON to schemas as they stand in an OpenAPI document: the words that
/// ours uses, and no others.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace perdura::tests {

class json_schema {
public:
  using json = nlohmann::json;

  /// `document`: what a "$ref" leads into. It must live as long.
  explicit json_schema(const json& document) : document_(document) {}

  /// Follows "$ref" until there is none.
  /// @throws std::runtime_error  It leads nowhere.
  const json& resolved(const json& place) const;

  /// A sentence for each thing that does not fit; none: it is as promised.
  /// A word of the schema that is not known counts as one, so that nothing is
  /// promised unseen.
  std::vector<std::string> violations(const json& schema,
                                      const json& value) const;

private:
  struct finder;
  const json& document_;
};

} // namespace perdura::tests
