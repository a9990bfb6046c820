// SPDX-License-Identifier: Apache-2.0
/// Validates JSON values against the schemas of an OpenAPI document. Only the
/// schema keywords that client/http/openapi.json uses are supported.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace perdura::tests {

class json_schema {
public:
  using json = nlohmann::json;

  /// `document` is the OpenAPI document in which a "$ref" is resolved. It must
  /// outlive this object.
  explicit json_schema(const json& document) : document_(document) {}

  /// Follows "$ref" until a schema without "$ref" is reached.
  /// @throws std::runtime_error  A reference points to nothing.
  const json& resolved(const json& place) const;

  /// Returns one sentence for each part of `value` that violates the schema;
  /// an empty list means that the value is valid. An unsupported schema keyword
  /// is also a violation, so that no rule of the schema stays unchecked.
  std::vector<std::string> violations(const json& schema,
                                      const json& value) const;

private:
  struct finder;
  const json& document_;
};

} // namespace perdura::tests
