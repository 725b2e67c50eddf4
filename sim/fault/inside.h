/* inside.h - what the files of this folder share. */
#ifndef KILN_FAULT_INSIDE_H
#define KILN_FAULT_INSIDE_H

#include "fault/fault.h"

/* Keys and how often each was asked: open, with linear probing. A place's key stands where its tag
 * says that there is one, and its count where the tag says that it is not 1 (dice.c). */
struct fault_table {
    uint64_t *keys, *counts;
    uint8_t *tags;
    uint32_t cap, used; /* cap is a power of two */
    uint64_t data[];
};

/* What a site gives when the line does not say otherwise. */
enum err fault_site_error(enum fault_site site);
/* Counts the attempt, decides, and records what it decides against. */
enum err fault_points_decide(struct fault_points *points, enum fault_site site, uint64_t key);

/* Registers the site with libfiu, by its exact name. */
void fault_fiu_bind(enum fault_site site);
/* Asks libfiu, which asks fault_points_decide. */
enum err fault_fiu_ask(struct fault_points *points, enum fault_site site, uint64_t key);

#endif
