/// Pages of several nodes made one.
#pragma once

#include "persistence/views/queries.hpp"

#include <vector>

namespace perdura::cluster {

/// Each page is a node's answer to the same query. Rows keep their order
/// (created_at, id), at most `top` of them; the token is good on every node.
/// What a node has not looked at yet is not overtaken: rows behind the place
/// where the first of them stopped come with a later page.
persistence::instance_page
merge_pages(std::vector<persistence::instance_page> pages, std::size_t top);

} // namespace perdura::cluster
