/* fuzz.h - what every fuzz target is: one function over bytes that nobody chose. */
#ifndef KILN_FUZZ_H
#define KILN_FUZZ_H

#include "base/base.h"

/* Always 0; a finding is a panic, a sanitizer's report or a time-out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
