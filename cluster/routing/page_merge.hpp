// SPDX-License-Identifier: Apache-2.0
/// Merges the pages of several nodes into one page.
#pragma once

#include "persistence/views/queries.hpp"

#include <vector>

namespace perdura::cluster {

/// `pages` are the answers of different nodes to the same query. The merged
/// page has at most `top` rows in the order (created_at, id), and a
/// continuation token that is valid on every node.
///
/// A node may stop before the end of its rows. Rows after the first position at
/// which any node stopped are left out of this page and appear in a later one,
/// so that a walk over all pages skips no row and repeats none.
persistence::instance_page
merge_pages(std::vector<persistence::instance_page> pages, std::size_t top);

} // namespace perdura::cluster
