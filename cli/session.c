/* session.c - see session.h. */
#include "cli/session.h"
#include <stdarg.h>
#include <stdlib.h>

#define TIMEOUT_NS (10 * 1000000000ll) /* unless --timeout says otherwise */

/* ---- settings ---- */

bool cli_split_settings(const struct cli_settings *settings, struct cli_split *out)
{
    for (int i = 0; i < settings->count; i++) {
        char *copy = strdup(settings->at[i]);
        if (copy == NULL) {
            cli_complain("out of memory");
            return false;
        }
        char *equals = strchr(copy, '=');
        *equals = 0;
        out->at[out->count++] = (struct client_topic_config){.key = copy, .value = equals + 1};
    }
    return true;
}

void cli_split_free(struct cli_split *split)
{
    for (int i = 0; i < split->count; i++)
        free((void *)(uintptr_t)split->at[i].key);
    split->count = 0;
}

const char *cli_source_name(enum client_source source)
{
    static const char *const names[CLIENT_SOURCE_COUNT] = {
        [CLIENT_SOURCE_UNKNOWN] = "unknown", [CLIENT_SOURCE_TOPIC] = "topic",
        [CLIENT_SOURCE_BROKER] = "broker",   [CLIENT_SOURCE_CLUSTER] = "cluster",
        [CLIENT_SOURCE_FILE] = "file",       [CLIENT_SOURCE_DEFAULT] = "default"};
    return names[source];
}

void cli_put_setting(struct json *j, const struct client_setting *setting)
{
    json_put_string(j, "key", setting->key);
    if (setting->value != NULL)
        json_put_string(j, "value", setting->value);
    else
        json_put_null(j, "value");
    json_put_string(j, "source", cli_source_name(setting->source));
}

/* ---- questions ---- */

void cli_session_ask(struct cli_session *s, const struct client_op *op, const char *message,
                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->question.what, sizeof s->question.what, format, args);
    va_end(args);
    s->question.op = op;
    s->question.message = message;
}

static const char *said(const struct cli_session *s)
{
    const char *message = s->question.message;
    return message != NULL && message[0] != 0 ? message : wire_error_text(s->question.op->code);
}

/* Whatever else was said: that was not the one to ask. */
static void tell_controller(const struct cli_session *s)
{
    fprintf(stderr,
            "kiln: %s: a controller listens there, and no broker; name a broker, or ask "
            "controllers with --bootstrap-controller %s\n",
            s->question.what, s->servers);
}

void cli_session_failed(struct cli_session *s)
{
    const struct client_op *op = s->question.op;
    const char *why = op->code != 0                   ? said(s)
                      : op->outcome == CLIENT_UNKNOWN ? "no answer came"
                                                      : err_text(op->err);
    s->exit = EXIT_FAILURE;
    if (s->ending) /* which was told when it began */
        return;
    if (client_met_controller(s->client.core))
        tell_controller(s);
    else
        fprintf(stderr, "kiln: %s: %s%s\n", s->question.what, why,
                op->code == 0 ? "; is a broker there? --bootstrap-server says where to look" : "");
}

void cli_session_go_on(struct cli_session *s)
{
    s->down_count = 0;
    if (!s->ending)
        s->next(s);
}

/* ---- the end ---- */

static void on_closed(struct loop_close *op)
{
    posix_stop(CONTAINER_OF(op, struct cli_session, closing)->door);
}

void cli_session_end(struct cli_session *s)
{
    if (s->ending)
        return;
    s->ending = true;
    s->closing.done = on_closed;
    env_disarm(&s->door->env, &s->giving_up);
    loop_close(&s->client, &s->closing);
}

void cli_session_more_time(struct cli_session *s)
{
    if (!s->ending)
        env_arm(&s->door->env, &s->giving_up, env_now(&s->door->env) + s->timeout_ns);
}

/* ---- when nobody is there ---- */

/* Each server was tried, and a second try would end the same way, but for a broker that is starting
 * at this moment. */
static bool nobody_there(const struct cli_session *s)
{
    int servers = 1;
    for (const char *c = s->servers; *c != 0; c++)
        servers += *c == ',';
    bool for_good = s->down == ERR_UNREACHABLE || (s->down == ERR_REFUSED && !s->patient);
    return for_good && s->down_count >= servers;
}

static void tell_down(const struct cli_session *s, const char *before)
{
    switch (s->down) {
    case ERR_REFUSED:
        fprintf(stderr,
                "kiln: nobody listens on %s (connection refused); %sstart a broker there, or "
                "name another with --bootstrap-server\n",
                s->servers, before);
        return;
    case ERR_UNREACHABLE:
        fprintf(stderr,
                "kiln: there is no host %s, or no way to it; check the name, or name another with "
                "--bootstrap-server\n",
                s->servers);
        return;
    default:
        fprintf(stderr, "kiln: %s: %s; is that a broker?\n", s->servers, err_text(s->down));
        return;
    }
}

static void on_giving_up(struct env_timer *timer)
{
    struct cli_session *s = CONTAINER_OF(timer, struct cli_session, giving_up);
    double seconds = (double)s->timeout_ns / 1e9;
    s->exit = EXIT_FAILURE;
    if (nobody_there(s))
        tell_down(s, "");
    else if (client_met_controller(s->client.core))
        tell_controller(s);
    else if (s->question.op != NULL && s->question.op->code != 0)
        fprintf(stderr,
                "kiln: %s: for %.3g s %s has answered: %s; look at what the broker says on its "
                "stderr\n",
                s->question.what, seconds, s->servers, said(s));
    else if (s->down == ERR_CORRUPT)
        fprintf(stderr,
                "kiln: what answers on %s does not speak Kafka's protocol in the clear; check the "
                "port, or name another with --bootstrap-server\n",
                s->servers);
    else
        fprintf(stderr,
                "kiln: no answer from %s within %.3g s%s%s%s; is that a broker? --timeout gives "
                "it more time\n",
                s->servers, seconds, s->down != ERR_NONE ? " (" : "",
                s->down != ERR_NONE ? err_text(s->down) : "", s->down != ERR_NONE ? ")" : "");
    cli_session_end(s);
}

/* The client goes on trying for as long as it is let. */
static void on_client_row(struct cli_session *s, const struct trace_row *row)
{
    if (row->kind != TRACE_CLIENT_ERROR || s->ending)
        return;
    const struct trace_CLIENT_ERROR *is = TRACE_AS(row, CLIENT_ERROR);
    if (is->code != 0 || is->err >= ERR_COUNT)
        return;
    uint64_t answers = client_answer_count(s->client.core);
    if (answers != s->answer_count) /* somebody is there */
        s->down_count = 0;
    s->answer_count = answers;
    s->down = (enum err)is->err;
    s->down_count++;
    if (nobody_there(s)) {
        env_arm(&s->door->env, &s->giving_up, env_now(&s->door->env));
    } else if (s->patient && !s->told_down && s->down == ERR_REFUSED) {
        s->told_down = true;
        tell_down(s, "it may be starting, so it is asked again until --timeout; else ");
    }
}

/* ---- the process ---- */

static void after_event(struct posix_hook *hook)
{
    struct cli_session *s = CONTAINER_OF(hook, struct cli_session, hook);
    for (struct trace_row *row = trace_take(&s->trace); row != NULL; row = trace_take(&s->trace))
        on_client_row(s, row);
}

void cli_session_options(struct cli_session *s, struct cli_option options[CLI_SESSION_OPTIONS])
{
    s->servers = "127.0.0.1:9092";
    s->timeout_ns = TIMEOUT_NS;
    options[0] = (struct cli_option){"--bootstrap-server",
                                     CLI_TEXT,
                                     &s->servers,
                                     0,
                                     0,
                                     NULL,
                                     "HOST:PORT of a broker: 127.0.0.1:9092"};
    options[1] = (struct cli_option){"--bootstrap-controller",
                                     CLI_TEXT,
                                     &s->controllers,
                                     0,
                                     0,
                                     NULL,
                                     "HOST:PORT of a controller, which is asked instead"};
    options[2] = (struct cli_option){
        "--timeout",
        CLI_TEXT,
        &s->timeout,
        0,
        0,
        NULL,
        "how long all of it may take, as 30s (10s); given, it also waits for a broker that starts"};
    options[3] = (struct cli_option){"--json", CLI_FLAG, &s->json, 0, 0, NULL, "one object a line"};
}

static enum err configure(const struct cli_session *s, struct client_config *config,
                          struct errmsg *msg)
{
    config_defaults(&client_config_table, config);
    const char *key = s->controllers != NULL ? "bootstrap.controllers" : "bootstrap.servers";
    enum err e = config_set(&client_config_table, config, key, bytes_text(s->servers), msg);
    config->api_timeout_ms = MAX(s->timeout_ns / 1000000, 1);
    return e == ERR_NONE ? client_config_check(config, msg) : e;
}

int cli_session_run(struct cli_session *s)
{
    struct errmsg msg = {{0}};
    struct client_config config;
    if (!cli_parse_time("--timeout", s->timeout, &s->timeout_ns))
        return CLI_USAGE;
    s->patient = s->timeout != NULL;
    if (s->controllers != NULL)
        s->servers = s->controllers;
    if (configure(s, &config, &msg) != ERR_NONE)
        return cli_complain(
            "%s takes HOST:PORT, as 127.0.0.1:9092, or several with commas between "
            "them, not \"%s\"",
            s->controllers != NULL ? "--bootstrap-controller" : "--bootstrap-server", s->servers);
    mem_system(&s->mem);
    trace_init(&s->trace, s->rows, CLI_SESSION_TRACE_WORDS, false);
    s->hook.after_event = after_event;
    s->giving_up.fire = on_giving_up;
    if (posix_new(&s->door, &s->mem, NULL, &s->hook, &msg) != ERR_NONE)
        return cli_complain("%s", msg.text), EXIT_FAILURE;
    enum err e = loop_start(&s->client, &s->door->env, &s->mem, &s->trace, &config, &msg);
    if (e == ERR_NONE) {
        env_arm(&s->door->env, &s->giving_up, env_now(&s->door->env) + s->timeout_ns);
        s->next(s);
        posix_run(s->door);
    } else {
        s->exit = cli_complain("%s", msg.text);
    }
    posix_free(s->door);
    return s->exit;
}
