/* filtering.c - kiln-filtered's script_filtering: what its simulated nodes say to each other passes
 * through the filter of tests/support. */
#include "script/script.h"
#include "support/filter/filter.h"

const struct conn_filtering *script_filtering(void)
{
    return &test_filtering;
}
