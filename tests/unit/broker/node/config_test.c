/* config_test.c - the broker's configuration: Kafka's spelling, addresses, and sentences that help.
 */
#include "node/internal.h"
#include "support/test.h"

static struct broker_config defaults(void)
{
    struct broker_config config;
    config_defaults(&broker_config_table, &config);
    return config;
}

static enum err set(struct broker_config *config, const char *key, const char *value,
                    struct errmsg *msg)
{
    return config_set(&broker_config_table, config, key, bytes_text(value), msg);
}

TEST(the_defaults_are_a_good_configuration)
{
    struct broker_config config = defaults();
    struct errmsg msg = {{0}};
    assert_ok(broker_config_check(&config, &msg));
    assert_int_equal(config.flush_policy, LOG_FLUSH_ACK);
}

TEST(a_wrong_key_names_the_nearest_one)
{
    struct broker_config config = defaults();
    struct errmsg msg = {{0}};
    assert_int_equal(set(&config, "log.segmnt.bytes", "1", &msg), ERR_NOTFOUND);
    assert_non_null(strstr(msg.text, "log.segment.bytes"));
}

TEST(a_value_out_of_range_names_key_value_and_range)
{
    struct broker_config config = defaults();
    struct errmsg msg = {{0}};
    assert_int_equal(set(&config, "log.segment.bytes", "1", &msg), ERR_RANGE);
    assert_non_null(strstr(msg.text, "log.segment.bytes"));
    assert_non_null(strstr(msg.text, "1024"));
}

TEST(older_names_set_the_same_field)
{
    struct broker_config config = defaults();
    assert_ok(set(&config, "broker.id", "7", NULL));
    assert_ok(set(&config, "log.dir", "elsewhere", NULL));
    assert_int_equal(config.node_id, 7);
    assert_string_equal(config.log_dirs, "elsewhere");
}

TEST(retention_takes_milliseconds_before_minutes_before_hours)
{
    struct broker_config config = defaults();
    assert_int_equal(broker_config_retention_ms(&config), 336ll * 3600 * 1000);
    assert_ok(set(&config, "log.retention.minutes", "2", NULL));
    assert_int_equal(broker_config_retention_ms(&config), 120000);
    assert_ok(set(&config, "log.retention.ms", "-1", NULL));
    assert_int_equal(broker_config_retention_ms(&config), -1);
}

/* What a file's keys without a row were judged to be. */
static int foreign_count, unknown_count;
static char last_said[ERRMSG_SIZE];

static enum err judge(const char *key, struct bytes value, struct errmsg *msg)
{
    struct errmsg said = {{0}};
    switch (broker_config_judge(key, value, &said)) {
    case BROKER_CONFIG_WEAKENS:
        return errmsg_set(msg, ERR_INVALID, "%s", said.text);
    case BROKER_CONFIG_FOREIGN:
        foreign_count++;
        break;
    case BROKER_CONFIG_UNKNOWN:
        unknown_count++;
        break;
    }
    memcpy(last_said, said.text, sizeof last_said);
    return ERR_NONE;
}

static enum err read_file(struct broker_config *config, const char *file, struct errmsg *msg)
{
    *config = defaults();
    *msg = (struct errmsg){{0}};
    foreign_count = unknown_count = 0;
    enum err e = config_parse(&broker_config_table, config, bytes_text(file), "server.properties",
                              judge, msg);
    return e == ERR_NONE ? broker_config_check(config, msg) : e;
}

static struct listener_list listeners_of(const char *file)
{
    struct broker_config config;
    struct listener_list list;
    struct errmsg msg;
    enum err e = read_file(&config, file, &msg);
    assert_string_equal(msg.text, "");
    assert_ok(e);
    assert_ok(broker_listeners_parse(&config, false, &list, &msg));
    return list;
}

static void assert_listener(const struct listener_address *l, const char *name, const char *host,
                            int port, const char *told_host, int told_port)
{
    assert_string_equal(l->name, name);
    assert_string_equal(l->at.host, host);
    assert_int_equal(l->at.port, port);
    assert_string_equal(l->advertised.host, told_host);
    assert_int_equal(l->advertised.port, told_port);
}

TEST(kafkas_own_server_properties_is_read)
{
    static const char file[] =
        "# KRaft\n"
        "process.roles=broker,controller\n"
        "node.id=3\n"
        "controller.quorum.bootstrap.servers=localhost:9093\n"
        "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
        "inter.broker.listener.name=PLAINTEXT\n"
        "advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n"
        "controller.listener.names=CONTROLLER\n"
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,"
        "SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\n"
        "num.network.threads=3\n"
        "socket.send.buffer.bytes=102400\n"
        "log.dirs=/tmp/kraft-combined-logs\n"
        "num.partitions=4\n"
        "num.recovery.threads.per.data.dir=2\n"
        "offsets.topic.replication.factor=1\n"
        "share.coordinator.state.topic.min.isr=1\n"
        "log.retention.hours=168\n"
        "log.segment.bytes=1073741824\n";
    struct broker_config config;
    struct errmsg msg;
    assert_ok(read_file(&config, file, &msg));
    assert_int_equal(config.node_id, 3);
    assert_int_equal(config.num_partitions, 4);
    assert_int_equal(unknown_count, 0);
    struct listener_list list = listeners_of(file);
    assert_int_equal(list.count, 1);
    assert_listener(&list.at[0], "PLAINTEXT", "0.0.0.0", 9092, "localhost", 9092);
}

/* As Kafka shipped it up to 3.9. */
TEST(a_file_of_the_zookeeper_days_is_read)
{
    static const char file[] = "broker.id=4\n"
                               "#listeners=PLAINTEXT://:9092\n"
                               "num.network.threads=3\nnum.io.threads=8\n"
                               "socket.receive.buffer.bytes=102400\n"
                               "socket.request.max.bytes=104857600\n"
                               "log.dirs=/tmp/kafka-logs\n"
                               "transaction.state.log.min.isr=1\n"
                               "log.retention.check.interval.ms=300000\n"
                               "zookeeper.connect=localhost:2181\n"
                               "zookeeper.connection.timeout.ms=18000\n"
                               "group.initial.rebalance.delay.ms=0\n";
    struct broker_config config;
    struct errmsg msg;
    assert_ok(read_file(&config, file, &msg));
    assert_int_equal(config.node_id, 4);
    assert_int_equal(unknown_count, 0);
    assert_int_equal(foreign_count, 7);
}

TEST(a_key_that_nobody_knows_is_passed_over_and_named)
{
    struct broker_config config;
    struct errmsg msg;
    assert_ok(read_file(&config,
                        "confluent.license.topic=x\n"
                        "allow.everyone.if.no.acl.found=true\n"
                        "my.plugin.class=com.example.Plugin\n"
                        "log.segmnt.bytes=4096\n",
                        &msg));
    assert_int_equal(unknown_count, 4);
    assert_int_equal(config.log_segment_bytes, 1 << 30);
    assert_non_null(strstr(last_said, "log.segmnt.bytes"));
    assert_non_null(strstr(last_said, "Did you mean \"log.segment.bytes\""));
}

TEST(what_would_protect_is_refused_as_long_as_it_is_not_served)
{
    static const char *const refused[] = {
        "authorizer.class.name=org.example.Authorizer",
        "super.users=User:root",
        "sasl.enabled.mechanisms=SCRAM-SHA-512",
        "sasl.jaas.config=x",
        "ssl.keystore.location=/etc/key",
        "ssl.truststore.password=secret",
        "ssl.client.auth=required",
        "security.inter.broker.protocol=SSL",
        "listener.name.outside.ssl.keystore.location=/etc/key",
        "listener.name.outside.plain.sasl.jaas.config=x",
    };
    static const char *const harmless[] = {
        "authorizer.class.name=", "super.users = ",
        "ssl.client.auth=none",   "security.inter.broker.protocol=PLAINTEXT",
        "sasl.jaas.config",       "listener.name.outside.max.connections=5",
    };
    struct broker_config config;
    struct errmsg msg;
    for (int i = 0; i < COUNT_OF(refused); i++) {
        assert_int_equal(read_file(&config, refused[i], &msg), ERR_INVALID);
        assert_memory_equal(strchr(msg.text, ' ') + 1, refused[i], strcspn(refused[i], "="));
        assert_non_null(strstr(msg.text, "does not serve yet"));
    }
    for (int i = 0; i < COUNT_OF(harmless); i++) {
        assert_ok(read_file(&config, harmless[i], &msg));
        assert_int_equal(foreign_count, 1);
    }
}

TEST(a_listener_has_a_name_and_the_map_says_what_it_speaks)
{
    struct listener_list list = listeners_of("listeners=inside://10.0.0.5:9092\n"
                                             "listener.security.protocol.map=Inside:plaintext\n");
    assert_int_equal(list.count, 1);
    assert_listener(&list.at[0], "INSIDE", "10.0.0.5", 9092, "10.0.0.5", 9092);
    list = listeners_of("listeners=A://:1, B://[::1]:2\n"
                        "advertised.listeners=B://b.example:20,A://a.example:0\n"
                        "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\n"
                        "inter.broker.listener.name=b\n");
    assert_int_equal(list.count, 2);
    assert_listener(&list.at[0], "A", "0.0.0.0", 1, "a.example", 0);
    assert_listener(&list.at[1], "B", "::1", 2, "b.example", 20);
    /* A name of the default map's own. */
    list = listeners_of("listeners=PLAINTEXT://127.0.0.1:9092,QUORUM://:9093\n"
                        "controller.listener.names=QUORUM\n");
    assert_int_equal(list.count, 1);
}

/* --listen gives an address without a name, whatever the file says of others. */
TEST(an_address_without_a_name_takes_what_is_advertised_for_plaintext)
{
    struct listener_list list = listeners_of("listeners=0.0.0.0:9092\n"
                                             "advertised.listeners=PLAINTEXT://a:1,DOCKER://b:2\n"
                                             "inter.broker.listener.name=DOCKER\n");
    assert_int_equal(list.count, 1);
    assert_listener(&list.at[0], "PLAINTEXT", "0.0.0.0", 9092, "a", 1);
}

TEST(listeners_that_cannot_be_are_refused_with_a_sentence)
{
    static const struct {
        const char *file, *says;
    } cases[] = {
        {"listeners=localhost", "NAME://HOST:PORT"},
        {"listeners=a:65536", "NAME://HOST:PORT"},
        {"listeners=a b://x:1", "NAME://HOST:PORT"},
        {"listeners=", "names no"},
        {"listeners=CONTROLLER://:9093", "names no"},
        {"listeners=a:1,b:2", "two are named PLAINTEXT"},
        {"listeners=PLAINTEXT://a:1,plaintext://b:2", "two are named PLAINTEXT"},
        {"listeners=SSL://a:1", "SSL is to speak SSL, which is not served yet"},
        {"listeners=PLAINTEXT://a:1,SASL_SSL://a:2", "SASL_SSL is to speak SASL_SSL"},
        {"listeners=X://a:1\nlistener.security.protocol.map=X:SASL_PLAINTEXT",
         "X is to speak SASL_PLAINTEXT"},
        {"listeners=X://a:1", "add X:PLAINTEXT to listener.security.protocol.map"},
        {"listeners=PLAINTEXT://a:1\nlistener.security.protocol.map=X:PLAINTEXT",
         "add PLAINTEXT:PLAINTEXT"},
        {"listeners=PLAINTEXT://a:1\nadvertised.listeners=PLAINTEXT://a:1,Y://b:2",
         "advertised.listeners: Y is none of listeners"},
        {"listeners=PLAINTEXT://0.0.0.0:9092", "set advertised.listeners to PLAINTEXT://"},
        {"listeners=PLAINTEXT://a:1,X://:2\nadvertised.listeners=PLAINTEXT://a:1\n"
         "listener.security.protocol.map=X:PLAINTEXT,PLAINTEXT:PLAINTEXT",
         "set advertised.listeners to X://"},
        {"listeners=PLAINTEXT://a:1\ninter.broker.listener.name=Z",
         "inter.broker.listener.name: Z is none of listeners"},
        {"log.dirs=/a,/b", "must be one directory"},
    };
    struct broker_config config;
    struct errmsg msg;
    for (int i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(read_file(&config, cases[i].file, &msg), ERR_INVALID);
        if (strstr(msg.text, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].file, msg.text);
    }
}

#define THREE_VOTERS "controller.quorum.voters=1@a:1, 2@[::1]:2 ,3@c:3\n"

static struct quorum_members members_of(const char *file)
{
    struct broker_config config = defaults();
    struct quorum_members members;
    struct errmsg msg = {{0}};
    assert_ok(config_parse(&broker_config_table, &config, bytes_text(file), "server.properties",
                           judge, &msg));
    assert_ok(broker_members_parse(&config, &members, &msg));
    return members;
}

TEST(a_node_is_broker_and_controller_and_its_own_quorum)
{
    struct quorum_members members = members_of("");
    assert_true(members.is_broker);
    assert_true(members.is_controller);
    assert_int_equal(members.voter_count, 0);
    assert_int_equal(members.self, -1);
    members = members_of("controller.quorum.voters=1@localhost:9093\n");
    assert_int_equal(members.voter_count, 1);
    assert_int_equal(members.self, 0);
    struct broker_config config;
    struct errmsg msg;
    assert_ok(read_file(&config, "controller.quorum.voters=1@localhost:9093\n", &msg));
}

TEST(voters_have_ids_and_addresses)
{
    struct quorum_members members =
        members_of("node.id=2\nprocess.roles= controller \n" THREE_VOTERS);
    assert_false(members.is_broker);
    assert_true(members.is_controller);
    assert_int_equal(members.voter_count, 3);
    assert_int_equal(members.self, 1);
    assert_int_equal(members.voters[2].id, 3);
    assert_string_equal(members.voters[1].at.host, "::1");
    assert_int_equal(members.voters[1].at.port, 2);
    members = members_of("node.id=9\nprocess.roles=broker\n" THREE_VOTERS);
    assert_int_equal(members.self, -1);
    assert_false(members.is_controller);
}

TEST(a_controllers_listener_needs_no_entry_in_the_map_and_no_address)
{
    struct broker_config config = defaults();
    struct listener_list list;
    struct errmsg msg = {{0}};
    assert_ok(set(&config, "process.roles", "controller", &msg));
    assert_ok(set(&config, "controller.quorum.voters", "1@a:1,2@b:2", &msg));
    assert_ok(set(&config, "listeners", "CONTROLLER://:9093", &msg));
    assert_ok(broker_listeners_parse(&config, false, &list, &msg));
    assert_int_equal(list.count, 1);
    assert_true(list.at[0].of_quorum);
    assert_listener(&list.at[0], "CONTROLLER", "0.0.0.0", 9093, "0.0.0.0", 9093);
}

TEST(a_quorum_that_cannot_be_is_refused_with_a_sentence)
{
    static const struct {
        const char *file, *says;
    } cases[] = {
        {"process.roles=broker,observer", "\"observer\" is neither broker nor controller"},
        {"process.roles=controller,controller", "names controller twice"},
        {"process.roles=", "names nothing"},
        {"controller.quorum.voters=1@a", "is not of the form ID@HOST:PORT"},
        {"controller.quorum.voters=a:9093", "is not of the form ID@HOST:PORT"},
        {"controller.quorum.voters=-1@a:9093", "is not of the form ID@HOST:PORT"},
        {"controller.quorum.voters=1@:9093", "is not of the form ID@HOST:PORT"},
        {"controller.quorum.voters=1@a:0", "is not of the form ID@HOST:PORT"},
        {"controller.quorum.voters=1@a:1,1@b:2", "names 1 twice"},
        {"node.id=4\n" THREE_VOTERS, "does not name this controller, whose node.id is 4"},
        {"process.roles=broker\n" THREE_VOTERS, "names node.id 1, which is no controller"},
        {"controller.quorum.voters=1@a:1,2@a:1,3@a:1,4@a:1,5@a:1,6@a:1,7@a:1,8@a:1,9@a:1,10@a:1,"
         "11@a:1,12@a:1,13@a:1,14@a:1,15@a:1,16@a:1",
         "names more than 15"},
        {THREE_VOTERS, "names none of controller.listener.names (CONTROLLER)"},
        {"process.roles=controller\nlisteners=PLAINTEXT://a:1,CONTROLLER://a:2\n" THREE_VOTERS,
         "a node that is controller alone has no clients"},
        {"node.id=9\nprocess.roles=broker\n", "needs controllers"},
        {"node.id=9\nprocess.roles=broker\nlisteners=PLAINTEXT://a:1,CONTROLLER://"
         "a:2\n" THREE_VOTERS,
         "a node that is broker alone is no controller"},
        {"listeners=CONTROLLER://a:2\n" THREE_VOTERS, "a broker needs one for its clients"},
        {"listeners=PLAINTEXT://a:1,CONTROLLER://"
         "a:2\nbroker.heartbeat.interval.ms=9000\n" THREE_VOTERS,
         "is not less than broker.session.timeout.ms, which is 9000"},
        {"replica.fetch.wait.max.ms=30001\nreplica.lag.time.max.ms=40000\n",
         "is more than replica.socket.timeout.ms, which is 30000"},
        {"replica.lag.time.max.ms=400\n", "is more than replica.lag.time.max.ms, which is 400"},
        {"default.replication.factor=2", "this node is a cluster of its own"},
        {"process.roles=controller\nlisteners=CONTROLLER://a:2\n", "has nobody to serve"},
        {"controller.quorum.bootstrap.servers=a:1,b:1",
         "names none of controller.listener.names (CONTROLLER)"},
        {"controller.quorum.bootstrap.servers=a,b:1", "is not of the form HOST:PORT"},
        {"controller.quorum.bootstrap.servers=a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,"
         "a:1,a:1,a:1",
         "names more than 15"},
    };
    struct broker_config config;
    struct errmsg msg;
    for (int i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(read_file(&config, cases[i].file, &msg), ERR_INVALID);
        if (strstr(msg.text, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].file, msg.text);
    }
}

TEST(a_node_of_either_role_or_both_is_served)
{
    static const char *const files[] = {
        "process.roles=controller\nlisteners=CONTROLLER://a:1\n" THREE_VOTERS,
        "listeners=PLAINTEXT://a:2,CONTROLLER://a:1\ndefault.replication.factor=3\n" THREE_VOTERS,
        "process.roles=broker\nnode.id=9\nlisteners=PLAINTEXT://a:1\n" THREE_VOTERS,
        "process.roles=broker\nnode.id=9\nlisteners=PLAINTEXT://a:1\n"
        "controller.quorum.bootstrap.servers=a:2",
        "process.roles=controller\nlisteners=CONTROLLER://a:1\n"
        "controller.quorum.bootstrap.servers=a:1",
    };
    struct broker_config config;
    struct errmsg msg;
    for (int i = 0; i < COUNT_OF(files); i++)
        assert_ok(read_file(&config, files[i], &msg));
}

TEST(addresses_have_many_forms)
{
    struct listener_list list = listeners_of("listeners=127.0.0.1:0");
    assert_listener(&list.at[0], "PLAINTEXT", "127.0.0.1", 0, "127.0.0.1", 0);
    list = listeners_of("listeners = PLAINTEXT://[::1]:19092 ,");
    assert_listener(&list.at[0], "PLAINTEXT", "::1", 19092, "::1", 19092);
    list = listeners_of("listeners=PLAINTEXT://0.0.0.0:9092\n"
                        "advertised.listeners=PLAINTEXT://example.org:9092");
    assert_listener(&list.at[0], "PLAINTEXT", "0.0.0.0", 9092, "example.org", 9092);
}

TEST(more_listeners_than_there_may_be_are_refused)
{
    struct broker_config config;
    struct errmsg msg;
    assert_int_equal(read_file(&config,
                               "listeners=A://a:1,B://a:2,C://a:3,D://a:4,E://a:5,F://a:6,G://a:7,"
                               "H://a:8,I://a:9\n"
                               "listener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT,"
                               "C:PLAINTEXT,D:PLAINTEXT,E:PLAINTEXT,F:PLAINTEXT,G:PLAINTEXT,"
                               "H:PLAINTEXT,I:PLAINTEXT\n",
                               &msg),
                     ERR_INVALID);
    assert_non_null(strstr(msg.text, "more than 8"));
}

/* KafkaConfig.logRetentionTimeMillis: what stands there counts, and below zero is never. */
/* As Kafka: of the three the one that counts must be 1 or more, or -1. */
TEST(no_retention_at_all_is_refused)
{
    static const struct {
        const char *file, *key;
    } refused[] = {
        {"log.retention.hours=0\n", "log.retention.hours"},
        {"log.retention.minutes=0\nlog.retention.hours=5\n", "log.retention.minutes"},
        {"log.retention.ms=0\nlog.retention.hours=5\n", "log.retention.ms"},
    };
    struct broker_config config;
    struct errmsg msg;
    for (int i = 0; i < COUNT_OF(refused); i++) {
        assert_int_equal(read_file(&config, refused[i].file, &msg), ERR_INVALID);
        assert_non_null(strstr(msg.text, refused[i].key));
        assert_non_null(strstr(msg.text, "at once"));
    }
    assert_ok(read_file(&config, "log.retention.ms=-1\nlog.retention.hours=0\n", &msg));
    assert_ok(read_file(&config, "log.retention.ms=1\nlog.retention.minutes=0\n", &msg));
}

TEST(minus_one_minute_of_retention_is_for_ever)
{
    struct broker_config config = defaults();
    assert_ok(set(&config, "log.retention.minutes", "-1", NULL));
    assert_int_equal(broker_config_retention_ms(&config), -1);
}
