#define BOOST_TEST_MODULE tests_persistence
#include <boost/test/unit_test.hpp>
