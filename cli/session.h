/* session.h - a verb's talk with brokers: it begins, asks one thing after the other, and ends; and
 * what is told when nobody is there. */
#ifndef KILN_CLI_SESSION_H
#define KILN_CLI_SESSION_H

#include "cli/cli.h"
#include "client/loop/loop.h"
#include "posix/posix.h"

#define CLI_SESSION_TRACE_WORDS 8192

/* What is being asked. */
struct cli_question {
    char what[CLIENT_TOPIC_NAME_MAX + 64]; /* "cannot create topic orders" */
    const struct client_op *op;
    const char *message; /* what the broker said; NULL: nothing is kept of that */
};

struct cli_session;
/* Asks the next thing, or ends. */
typedef void cli_session_next(struct cli_session *s);

struct cli_session {
    /* Set by cli_session_options and the verb. */
    const char *servers, *timeout;
    const char *controllers; /* asked instead of servers; NULL: none */
    bool json;
    cli_session_next *next;
    int exit;
    struct loop_client client;
    /* The session's own. */
    int64_t timeout_ns; /* of everything together */
    bool patient;       /* --timeout was given: who refuses may be starting, and is asked again */
    struct cli_question question;
    int down_count;        /* what became of connections since the last answer ... */
    uint64_t answer_count; /* ... which was so many'th */
    enum err down;
    bool told_down, ending;
    struct env_timer giving_up;
    struct mem mem;
    struct posix_env *door;
    struct posix_hook hook;
    struct trace trace;
    uint64_t rows[CLI_SESSION_TRACE_WORDS];
    struct loop_close closing;
};

#define CLI_SESSION_OPTIONS 4
/* The options that every such verb has. */
void cli_session_options(struct cli_session *s, struct cli_option options[CLI_SESSION_OPTIONS]);
/* Runs next until something ends the session. The exit code. */
int cli_session_run(struct cli_session *s);
/* Before each question: format says what cannot be done if it fails. */
void cli_session_ask(struct cli_session *s, const struct client_op *op, const char *message,
                     const char *format, ...) PRINTF_LIKE(4, 5);
/* Tells why the question that has ended failed; the exit code is 1 from now on. */
void cli_session_failed(struct cli_session *s);
/* Goes on with next, unless the session ends already. */
void cli_session_go_on(struct cli_session *s);
void cli_session_end(struct cli_session *s);
/* What comes next may take as long as all of it could (--timeout). */
void cli_session_more_time(struct cli_session *s);

/* Key, value and source of a setting, as fields of the object that is open. */
void cli_put_setting(struct json *j, const struct client_setting *setting);
/* "topic", "broker" ... */
const char *cli_source_name(enum client_source source);

/* --config KEY=VALUE..., split; a value of NULL: KEY is to have its default again. */
struct cli_split {
    struct client_topic_config at[CLI_SETTINGS_MAX];
    int count;
};
/* False: out of memory; told. In either case cli_split_free belongs to it. */
bool cli_split_settings(const struct cli_settings *settings, struct cli_split *out);
void cli_split_free(struct cli_split *split);

#endif
