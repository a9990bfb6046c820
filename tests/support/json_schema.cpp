// SPDX-License-Identifier: Apache-2.0
#include "tests/support/json_schema.hpp"

#include <algorithm>
#include <regex>
#include <set>
#include <stdexcept>

namespace perdura::tests {

using nlohmann::json;

namespace {

/// Schema keywords that do not restrict a value.
const std::set<std::string> remarks{"description", "default", "format",
                                    "discriminator"};

bool is_of_type(const json& value, const std::string& type) {
  if (type == "null")
    return value.is_null();
  if (type == "boolean")
    return value.is_boolean();
  if (type == "integer")
    return value.is_number_integer();
  if (type == "number")
    return value.is_number();
  if (type == "string")
    return value.is_string();
  if (type == "array")
    return value.is_array();
  return type == "object" && value.is_object();
}

/// `types` is one type name or a list of alternatives, as in OpenAPI 3.1.
bool has_type(const json& value, const json& types) {
  if (types.is_string())
    return is_of_type(value, types);
  return std::any_of(types.begin(), types.end(),
                     [&](const json& type) { return is_of_type(value, type); });
}

} // namespace

/// Walks through a value and its schema and collects the violations.
struct json_schema::finder {
  const json_schema& schemas;
  std::vector<std::string> found;

  void look(const json& unresolved, const json& value,
            const std::string& place) {
    const json& schema = schemas.resolved(unresolved);
    for (const auto& [word, says] : schema.items())
      if (!remarks.contains(word))
        look_at(word, says, schema, value, place);
  }

  void expect(bool holds, const std::string& place,
              const std::string& sentence) {
    if (!holds)
      found.push_back((place.empty() ? "the value" : place) + " " + sentence);
  }

  void look_at(const std::string& word, const json& says, const json& schema,
               const json& value, const std::string& place) {
    if (word == "type")
      expect(has_type(value, says), place, "is not of type " + says.dump());
    else if (word == "enum")
      expect(std::find(says.begin(), says.end(), value) != says.end(), place,
             "is none of " + says.dump());
    else if (word == "pattern")
      expect(!value.is_string()
               || std::regex_search(value.get<std::string>(),
                                    std::regex(says.get<std::string>())),
             place, "is not like " + says.dump());
    else if (word == "minimum")
      expect(!value.is_number() || value >= says, place,
             "is less than " + says.dump());
    else if (word == "maximum")
      expect(!value.is_number() || value <= says, place,
             "is more than " + says.dump());
    else if (word == "maxLength")
      expect(!value.is_string() || value.get<std::string>().size() <= says,
             place, "is longer than " + says.dump());
    else if (word == "required")
      for (const json& name : says)
        expect(!value.is_object() || value.contains(name.get<std::string>()),
               place, "has no " + name.dump());
    else if (word == "properties")
      look_at_members(says, value, place);
    else if (word == "additionalProperties")
      look_at_others(says, schema, value, place);
    else if (word == "items")
      look_at_items(says, value, place);
    else if (word == "oneOf")
      look_at_choices(says, value, place);
    else
      expect(false, place,
             "has a schema with the unsupported keyword \"" + word + "\"");
  }

  void look_at_members(const json& properties, const json& value,
                       const std::string& place) {
    if (!value.is_object())
      return;
    for (const auto& [name, schema] : properties.items())
      if (value.contains(name))
        look(schema, value.at(name), place + "/" + name);
  }

  void look_at_others(const json& says, const json& schema, const json& value,
                      const std::string& place) {
    if (!value.is_object())
      return;
    const json known = schema.value("properties", json::object());
    for (const auto& [name, other] : value.items()) {
      if (known.contains(name))
        continue;
      if (says.is_object())
        look(says, other, place + "/" + name);
      else
        expect(says == true, place,
               "has a member \"" + name + "\", which is not allowed");
    }
  }

  void look_at_items(const json& says, const json& value,
                     const std::string& place) {
    if (!value.is_array())
      return;
    for (std::size_t i = 0; i < value.size(); ++i)
      look(says, value[i], place + "/" + std::to_string(i));
  }

  void look_at_choices(const json& choices, const json& value,
                       const std::string& place) {
    std::size_t fitting = 0;
    std::string why;
    for (const json& choice : choices) {
      const auto against = schemas.violations(choice, value);
      fitting += against.empty() ? 1 : 0;
      if (!against.empty())
        why += "; " + against.front();
    }
    expect(fitting == 1, place,
           "fits " + std::to_string(fitting) + " of the choices" + why);
  }
};

const json& json_schema::resolved(const json& place) const {
  const json* at = &place;
  while (at->contains("$ref")) {
    const std::string target = at->at("$ref");
    if (!target.starts_with("#/"))
      throw std::runtime_error("not in this document: " + target);
    const json::json_pointer where(target.substr(1));
    if (!document_.contains(where))
      throw std::runtime_error("points to nothing: " + target);
    at = &document_.at(where);
  }
  return *at;
}

std::vector<std::string> json_schema::violations(const json& schema,
                                                 const json& value) const {
  finder walk{*this, {}};
  walk.look(schema, value, "");
  return walk.found;
}

} // namespace perdura::tests
