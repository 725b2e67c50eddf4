/* dev.h - a cluster of real brokers on this machine, for a terminal or somebody's test suite: its
 * processes, and the words by which another process makes them fail. */
#ifndef KILN_CLI_DEV_H
#define KILN_CLI_DEV_H

#include <sys/types.h>
#include "cli/cli.h"

#define DEV_NODES_MAX 9
#define DEV_VOTERS_MAX 3 /* the first nodes; all others are brokers alone */
#define DEV_KEYS_MAX 64  /* --KEY VALUE, passed on to each broker */
#define DEV_PATH_MAX 400
#define DEV_LINE_MAX 1024
#define DEV_ID_SIZE 23 /* a UUID in base64, as Kafka writes it */
#define DEV_ADDRESSES_MAX (DEV_NODES_MAX * 24)

enum dev_state {
    DEV_DOWN,     /* never started, killed or stopped, as somebody wanted */
    DEV_STARTING, /* until it says that it is ready */
    DEV_READY,
    DEV_STOPPING, /* was told to */
    DEV_DIED,     /* and nobody wanted it */
};

/* A broker, and its process while it has one. */
struct dev_node {
    int id;
    enum dev_state state;
    bool paused;
    pid_t pid; /* 0: none */
    int said;  /* its stderr; -1: none */
    int log;   /* the file into which all of that goes */
    uint16_t port, controller_port, broker_port;
    int held[3];             /* sockets that keep the ports while nobody listens there */
    char line[DEV_LINE_MAX]; /* that is not whole yet */
    size_t line_size;
    char last[DEV_LINE_MAX]; /* error or warning */
    int asker;               /* waits for it to be ready, or gone; -1: nobody */
};

struct dev_cluster {
    int node_count, voter_count;
    uint16_t port; /* of the first broker; 0: any that are free */
    char dir[DEV_PATH_MAX];
    char id[DEV_ID_SIZE]; /* cluster.id */
    bool temporary, verbose;
    struct {
        char name[CONFIG_STRING_SIZE]; /* "--num.partitions" */
        const char *value;
    } keys[DEV_KEYS_MAX];
    int key_count;
    struct dev_node nodes[DEV_NODES_MAX];
};

/* dev_nodes.c: processes. Errors are told on stderr. */
/* Takes the ports. False: somebody else has one. */
bool dev_nodes_take_ports(struct dev_cluster *c);
/* "127.0.0.1:9092,127.0.0.1:9093" */
void dev_nodes_addresses(const struct dev_cluster *c, char out[DEV_ADDRESSES_MAX]);
bool dev_node_start(struct dev_cluster *c, struct dev_node *node);
/* What it has said, as far as it is there. */
void dev_node_listen(struct dev_cluster *c, struct dev_node *node);
/* Its process has ended so. */
void dev_node_ended(struct dev_cluster *c, struct dev_node *node, int status);
/* Ends its process, paused or not: in good order, or at once. */
void dev_node_end(struct dev_node *node, int signal);
/* All that run. */
void dev_nodes_end(struct dev_cluster *c, int signal);
const char *dev_state_name(const struct dev_node *node);

/* dev_control.c: the words of other processes, over a socket in the cluster's directory. */
struct dev_control;
/* NULL: told on stderr. */
struct dev_control *dev_control_open(struct dev_cluster *c);
void dev_control_close(struct dev_control *control);
#define DEV_ASKERS_MAX 16
struct pollfd;
/* Puts what is to be waited for at fds, of at least 1 + DEV_ASKERS_MAX, and says how much. */
int dev_control_wait(const struct dev_control *control, struct pollfd *fds);
void dev_control_go_on(struct dev_control *control, const struct pollfd *fds, int count);
/* A node is ready, or gone: whoever waits for it is answered. */
void dev_control_tell(struct dev_control *control, struct dev_node *node);
/* The other end: says the line to the cluster of that directory (NULL: the newest of this user),
 * prints what it answers. The exit code. */
int dev_control_ask(const char *dir, const char *line);
/* `fault N POINT HOW`. */
int dev_control_fault(const char *dir, int node, const char *point, const char *how);

#endif
