/* access_admin.h - the usual questions of administrators, and the code of each answer. */
#ifndef KILN_TEST_ACCESS_ADMIN_H
#define KILN_TEST_ACCESS_ADMIN_H

#include "support/broker/help.h"

/* Each asks, as help_call does. */
int access_page(struct help *h, const char *topic, struct wire_uuid id);
int access_look_at_dirs(struct help *h, const char *topic, struct wire_uuid id);
int access_look_at_quorum(struct help *h, const char *topic, struct wire_uuid id);
int access_list_resources(struct help *h, const char *topic, struct wire_uuid id);
int access_raise_feature(struct help *h, const char *topic, struct wire_uuid id);
int access_unregister(struct help *h, const char *topic, struct wire_uuid id);
int access_elect(struct help *h, const char *topic, struct wire_uuid id);
/* In version 0, which has no code but the partitions'. */
int access_elect_at_first(struct help *h, const char *topic, struct wire_uuid id);
/* The code of what came back. */
int16_t access_paged(struct help *h, int call);
int16_t access_dirs_seen(struct help *h, int call);
int16_t access_quorum_seen(struct help *h, int call);
int16_t access_resources_seen(struct help *h, int call);
int16_t access_feature_raised(struct help *h, int call);
int16_t access_unregistered(struct help *h, int call);
int16_t access_elected(struct help *h, int call);
int16_t access_elected_at_first(struct help *h, int call);

#endif
