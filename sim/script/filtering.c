/* filtering.c - what the bytes of simulated brokers and clients pass through on their way: nothing.
 * A program that is to test it is linked with another script_filtering. */
#include "script/internal.h"

const struct conn_filtering *script_filtering(void)
{
    return NULL;
}
