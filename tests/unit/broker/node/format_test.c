/* format_test.c - what kiln format is told, beside a configuration: what cannot be gets a sentence.
 */
#include "node/internal.h"
#include "support/test.h"

#define CONTROLLER                                                                                 \
    "process.roles=controller\nnode.id=1\nlisteners=CONTROLLER://a:1\n"                            \
    "controller.quorum.bootstrap.servers=a:1\n"

static enum err check(const char *file, enum broker_format_kind kind, const char *controllers,
                      struct errmsg *msg)
{
    struct broker_config config;
    struct broker_format format = {.kind = kind, .controllers = controllers};
    *msg = (struct errmsg){{0}};
    config_defaults(&broker_config_table, &config);
    assert_ok(config_parse(&broker_config_table, &config, bytes_text(file), "test", NULL, msg));
    return broker_format_check(&format, &config, msg);
}

TEST(what_a_directory_cannot_be_formatted_for_is_said)
{
    static const struct {
        const char *file;
        enum broker_format_kind kind;
        const char *controllers, *says;
    } cases[] = {
        {"controller.quorum.voters=1@a:1,2@a:2,3@a:3", BROKER_FORMAT_STANDALONE, NULL,
         "controller.quorum.voters is set"},
        {"process.roles=broker,controller", BROKER_FORMAT_STANDALONE, NULL,
         "controller.quorum.bootstrap.servers is missing"},
        {"process.roles=broker\ncontroller.quorum.bootstrap.servers=a:1", BROKER_FORMAT_STANDALONE,
         NULL, "--no-initial-controllers"},
        {"listeners=PLAINTEXT://a:1\ncontroller.quorum.bootstrap.servers=a:1",
         BROKER_FORMAT_STANDALONE, NULL, "names none of controller.listener.names"},
        {CONTROLLER, BROKER_FORMAT_INITIAL_CONTROLLERS, "", "names nobody"},
        {CONTROLLER, BROKER_FORMAT_INITIAL_CONTROLLERS, "1@a:1", "is not of the form"},
        {CONTROLLER, BROKER_FORMAT_INITIAL_CONTROLLERS, "1@a:CUhMxGn_Tt2ocfJFBRh7IA",
         "is not of the form"},
        {CONTROLLER, BROKER_FORMAT_INITIAL_CONTROLLERS, "x@a:1:CUhMxGn_Tt2ocfJFBRh7IA",
         "is not of the form"},
        {CONTROLLER, BROKER_FORMAT_INITIAL_CONTROLLERS, "1@a:1:AAAAAAAAAAAAAAAAAAAAAQ",
         "is not of the form"},
        {CONTROLLER, BROKER_FORMAT_INITIAL_CONTROLLERS,
         "1@a:1:CUhMxGn_Tt2ocfJFBRh7IA,1@b:1:3Db5QLSqSZieL3rJBUUegA", "twice"},
        {CONTROLLER, BROKER_FORMAT_INITIAL_CONTROLLERS,
         "1@a:1:CUhMxGn_Tt2ocfJFBRh7IA,2@b:1:CUhMxGn_Tt2ocfJFBRh7IA", "twice"},
        {CONTROLLER, BROKER_FORMAT_INITIAL_CONTROLLERS, "2@a:1:CUhMxGn_Tt2ocfJFBRh7IA",
         "does not name this controller"},
    };
    struct errmsg msg;
    for (int i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(check(cases[i].file, cases[i].kind, cases[i].controllers, &msg),
                         ERR_INVALID);
        if (strstr(msg.text, cases[i].says) == NULL)
            fail_msg("%d: %s", i, msg.text);
    }
    assert_ok(check(CONTROLLER, BROKER_FORMAT_STANDALONE, NULL, &msg));
    assert_ok(check(CONTROLLER, BROKER_FORMAT_NO_INITIAL_CONTROLLERS, NULL, &msg));
    assert_ok(check(CONTROLLER, BROKER_FORMAT_INITIAL_CONTROLLERS,
                    "1@a:1:CUhMxGn_Tt2ocfJFBRh7IA,2@[::1]:1:3Db5QLSqSZieL3rJBUUegA", &msg));
}
