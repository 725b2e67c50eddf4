/* fuzz_config.c - bytes as a broker's server.properties. What was set must be what its rows allow,
 * print as text that sets the same, and survive a file that spells every value with escapes. */
#include "node/node.h"
#include "fuzz.h"

/* Every field is in its range, whatever the file held and wherever it ended in an error. */
static void check_field(const struct config_row *row, const struct broker_config *config)
{
    const void *field = (const uint8_t *)config + row->offset;
    int64_t number;
    switch (row->type) {
    case CONFIG_BOOL:
        ASSERT(*(const uint8_t *)field <= 1);
        return;
    case CONFIG_INT:
        memcpy(&number, field, sizeof number);
        ASSERT(number >= row->min);
        ASSERT(number <= row->max);
        return;
    case CONFIG_ENUM:
        return; /* config_print asserts it */
    case CONFIG_STRING:
        ASSERT(memchr(field, 0, CONFIG_STRING_SIZE) != NULL);
        return;
    }
    UNREACHABLE();
}

/* As Java would write it, with nothing left to chance at the ends of a value. */
static void add_escaped(struct text *file, struct bytes value)
{
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.data[i];
        if (c == '\n')
            text_add(file, "\\n", 2);
        else if (c == '\r')
            text_add(file, "\\r", 2);
        else if (c == ' ' || c == '\t' || c == '\f' || c == '\\')
            text_printf(file, "\\%c", c == '\t' ? 't' : c == '\f' ? 'f' : c);
        else
            text_add(file, &c, 1);
    }
}

static void check_again(const struct broker_config *config, struct mem *mem)
{
    const struct config_table *table = &broker_config_table;
    struct broker_config by_set, by_file;
    struct text file;
    text_init(&file, mem);
    memset(&by_set, 0, sizeof by_set);
    config_defaults(table, &by_set);
    by_file = by_set;
    for (int i = 0; i < table->count; i++) {
        const struct config_row *row = &table->rows[i];
        struct text value;
        text_init(&value, mem);
        check_field(row, config);
        config_print(row, config, &value);
        struct bytes printed = bytes_of(value.data, value.size);
        enum err e = config_set(table, &by_set, row->key, printed, NULL);
        ASSERT(e == ERR_NONE);
        text_printf(&file, "%s=", row->key);
        add_escaped(&file, printed);
        text_add(&file, "\n", 1);
        text_free(&value);
    }
    enum err e = config_parse(table, &by_file, bytes_of(file.data, file.size), "again", NULL, NULL);
    ASSERT(e == ERR_NONE);
    by_set.given = by_file.given =
        config->given; /* of a value that is a default nobody knows any more */
    ASSERT(memcmp(&by_set, config, sizeof by_set) == 0);
    ASSERT(memcmp(&by_file, config, sizeof by_file) == 0);
    text_free(&file);
}

static enum err judge(const char *key, struct bytes value, struct errmsg *msg)
{
    struct errmsg said = {{0}};
    bool weakens = broker_config_judge(key, value, &said) == BROKER_CONFIG_WEAKENS;
    ASSERT(said.text[0] != 0);
    return weakens ? errmsg_set(msg, ERR_INVALID, "%s", said.text) : ERR_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mem mem;
    struct broker_config config;
    struct errmsg msg = {{0}};
    mem_system(&mem);
    memset(&config, 0, sizeof config); /* the gaps between fields are compared, too */
    config_defaults(&broker_config_table, &config);
    enum err e =
        config_parse(&broker_config_table, &config, bytes_of(data, size), "fuzz", judge, &msg);
    ASSERT(e == ERR_NONE || e == ERR_INVALID || e == ERR_RANGE || e == ERR_NOTFOUND);
    ASSERT((e == ERR_NONE) == (msg.text[0] == 0));
    check_again(&config, &mem);
    msg = (struct errmsg){{0}};
    e = broker_config_check(&config, &msg);
    ASSERT(e == ERR_NONE || e == ERR_INVALID);
    ASSERT((e == ERR_NONE) == (msg.text[0] == 0));
    ASSERT(mem.live_count == 0);
    return 0;
}
