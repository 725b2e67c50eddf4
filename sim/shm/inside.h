/* inside.h - what the hosts of this folder share. */
#ifndef KILN_SHM_INSIDE_H
#define KILN_SHM_INSIDE_H

#include "shm/shm.h"
#include "world/half.h"

/* A host of this folder, by its impl. */
struct shm_impl {
    struct half_host_impl half;
    void (*free)(struct half_host *host);
};

#endif
