/* topic_value.c - values of topic settings as Kafka reads them (ConfigDef.java, LogConfig.java of
 * 4.3.1): what is accepted there is accepted here, what is refused is refused in the same words,
 * because tools and people search for them. Pure; no locale, no floating point. */
#include "metadata/internal.h"

/* String.trim(): everything up to the blank goes. */
static struct bytes trim(struct bytes s)
{
    while (s.size > 0 && s.data[0] <= ' ')
        s = bytes_of(s.data + 1, s.size - 1);
    while (s.size > 0 && s.data[s.size - 1] <= ' ')
        s.size--;
    return s;
}

static bool equal_ignoring_case(struct bytes s, const char *word)
{
    if (s.size != strlen(word))
        return false;
    for (size_t i = 0; i < s.size; i++) {
        uint8_t c = s.data[i];
        if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != (uint8_t)word[i])
            return false;
    }
    return true;
}

static enum err refuse(const struct metadata_key *key, struct bytes value, struct errmsg *msg,
                       const char *why)
{
    return errmsg_set(msg, ERR_INVALID, "Invalid value %.*s for configuration %s: %s",
                      (int)value.size, (const char *)value.data, key->name, why);
}

/* ---- numbers ---- */

static enum err refuse_number(const struct metadata_key *key, int64_t value, struct errmsg *msg,
                              const char *why)
{
    return errmsg_set(msg, ERR_INVALID, "Invalid value %lld for configuration %s: %s",
                      (long long)value, key->name, why);
}

/* One level means "as the codec likes it", and lies outside of the range. */
#define GZIP_LEVEL "compression.gzip.level"
#define GZIP_LEVEL_OWN (-1)

static enum err read_number(const struct metadata_key *key, struct bytes value, int64_t *out,
                            struct errmsg *msg)
{
    bool is_int = key->type == METADATA_KEY_INT;
    struct bytes digits = trim(value);
    if (digits.size > 1 && digits.data[0] == '+' && digits.data[1] != '-')
        digits = bytes_of(digits.data + 1, digits.size - 1);
    if (text_parse_int(digits, out) != ERR_NONE || (is_int && *out != (int32_t)*out))
        return refuse(key, value, msg,
                      is_int ? "Not a number of type INT" : "Not a number of type LONG");
    char why[64];
    struct errmsg range = {0};
    if (strcmp(key->name, GZIP_LEVEL) == 0) {
        if ((*out < key->min || *out > key->max) && *out != GZIP_LEVEL_OWN)
            return refuse_number(key, *out, msg, "Value must be between 1 and 9 or equal to -1");
        return ERR_NONE;
    }
    if (*out >= key->min && *out <= key->max)
        return ERR_NONE;
    if (*out < key->min)
        errmsg_set(&range, ERR_RANGE, "Value must be at least %lld", (long long)key->min);
    else
        errmsg_set(&range, ERR_RANGE, "Value must be no more than %lld", (long long)key->max);
    memcpy(why, range.text, sizeof why);
    return refuse_number(key, *out, msg, why);
}

/* A number of Java's Double.parseDouble: digits with a point, an exponent and a suffix. */
struct real {
    bool sound, negative, zero;
    bool above_one;
};

static size_t count_digits(struct bytes s, size_t at, bool *nonzero)
{
    size_t count = 0;
    for (; at + count < s.size && s.data[at + count] >= '0' && s.data[at + count] <= '9'; count++)
        *nonzero |= s.data[at + count] != '0';
    return count;
}

/* Whether digits * 10^exponent is above one: place is the power of the first digit that is none of
 * the leading zeros, in 1 = 10^0. */
static bool above_one(struct bytes s, size_t from, size_t upto, int64_t exponent)
{
    int64_t place = 0;
    bool seen_point = false, leading = true, more = false;
    uint8_t first = 0;
    for (size_t i = from; i < upto; i++) {
        uint8_t c = s.data[i];
        if (c == '.') {
            seen_point = true;
        } else if (leading && c == '0') {
            place -= seen_point ? 1 : 0;
        } else if (leading) {
            leading = false;
            first = c;
            place -= seen_point ? 1 : 0;
        } else {
            place += seen_point ? 0 : 1;
            more |= c != '0';
        }
    }
    place += exponent;
    return !leading && (place > 0 || (place == 0 && (first > '1' || more)));
}

#define EXPONENT_MAX 100000 /* further ones change nothing */

/* Takes "e-3"; false: there is no number behind the letter. */
static bool take_exponent(struct bytes s, size_t *at, int64_t *exponent)
{
    bool negative = false, any = false;
    *exponent = 0;
    if (*at >= s.size || (s.data[*at] | 0x20) != 'e')
        return true;
    (*at)++;
    if (*at < s.size && (s.data[*at] == '-' || s.data[*at] == '+'))
        negative = s.data[(*at)++] == '-';
    for (; *at < s.size && s.data[*at] >= '0' && s.data[*at] <= '9'; (*at)++, any = true)
        *exponent = MIN(*exponent * 10 + (s.data[*at] - '0'), EXPONENT_MAX);
    if (negative)
        *exponent = -*exponent;
    return any;
}

static struct real read_real(struct bytes s)
{
    struct real r = {.zero = true};
    size_t at = 0;
    int64_t exponent;
    bool nonzero = false;
    if (s.size > 0 && (s.data[0] == '-' || s.data[0] == '+'))
        r.negative = s.data[at++] == '-';
    struct bytes rest = bytes_of(s.data + at, s.size - at);
    if (bytes_equal(rest, bytes_text("NaN"))) {
        r.sound = true;
        r.negative = false;
        return r;
    }
    if (bytes_equal(rest, bytes_text("Infinity"))) {
        r.sound = r.above_one = true;
        r.zero = false;
        return r;
    }
    size_t from = at;
    size_t count = count_digits(s, at, &nonzero);
    at += count;
    if (at < s.size && s.data[at] == '.') {
        size_t behind = count_digits(s, at + 1, &nonzero);
        at += 1 + behind;
        count += behind;
    }
    size_t upto = at;
    if (count == 0 || !take_exponent(s, &at, &exponent))
        return r;
    if (at < s.size && strchr("fFdD", s.data[at]) != NULL)
        at++;
    r.sound = at == s.size;
    r.zero = !nonzero;
    r.above_one = above_one(s, from, upto, exponent);
    return r;
}

static enum err read_double(const struct metadata_key *key, struct bytes value, struct errmsg *msg)
{
    struct bytes s = trim(value);
    struct real r = read_real(s);
    if (!r.sound)
        return refuse(key, value, msg, "Not a number of type DOUBLE");
    if (r.negative && !r.zero)
        return refuse(key, s, msg, "Value must be at least 0");
    return r.above_one ? refuse(key, s, msg, "Value must be no more than 1") : ERR_NONE;
}

/* ---- words ---- */

static enum err read_bool(const struct metadata_key *key, struct bytes value, int64_t *out,
                          struct errmsg *msg)
{
    struct bytes s = trim(value);
    *out = equal_ignoring_case(s, "true");
    if (*out != 0 || equal_ignoring_case(s, "false"))
        return ERR_NONE;
    return refuse(key, value, msg, "Expected value to be either true or false");
}

static enum err read_word(const struct metadata_key *key, struct bytes value, int64_t *out,
                          struct errmsg *msg)
{
    struct bytes s = trim(value);
    struct errmsg why = {0};
    const char *at = key->words;
    for (*out = 0; *at != 0; ++*out) {
        size_t size = strcspn(at, "|");
        if (bytes_equal(s, bytes_of(at, size)))
            return ERR_NONE;
        struct errmsg before = why;
        errmsg_set(&why, ERR_INVALID, "%s%s%.*s", before.text, before.text[0] == 0 ? "" : ", ",
                   (int)size, at);
        at += size + (at[size] == '|' ? 1 : 0);
    }
    errmsg_wrap(&why, ERR_INVALID, "String must be one of");
    return refuse(key, s, msg, why.text);
}

/* ---- lists ---- */

/* Takes the text up to the next comma off *list, without blanks; false: there is no more. "a," has
 * two entries. */
static bool next_entry(struct bytes *list, struct bytes *entry)
{
    if (list->data == NULL)
        return false;
    size_t size = 0;
    while (size < list->size && list->data[size] != ',')
        size++;
    *entry = trim(bytes_of(list->data, size));
    *list = size < list->size ? bytes_of(list->data + size + 1, list->size - size - 1)
                              : bytes_of(NULL, 0);
    return true;
}

static enum err read_policy(const struct metadata_key *key, struct bytes value, int64_t *out,
                            struct errmsg *msg)
{
    struct bytes list = trim(value);
    struct bytes entry, wrong = bytes_of(NULL, 0);
    bool empty = false;
    *out = 0;
    if (list.size == 0)
        return ERR_NONE;
    while (next_entry(&list, &entry)) {
        empty |= entry.size == 0;
        if (bytes_equal(entry, bytes_text("delete")))
            *out |= METADATA_POLICY_DELETE;
        else if (bytes_equal(entry, bytes_text("compact")))
            *out |= METADATA_POLICY_COMPACT;
        else if (wrong.size == 0)
            wrong = entry;
    }
    if (empty)
        return errmsg_set(msg, ERR_INVALID, "Configuration '%s' values must not be empty.",
                          key->name);
    return wrong.size > 0 ? refuse(key, wrong, msg, "String must be one of: compact, delete")
                          : ERR_NONE;
}

/* "0:1" */
static bool is_replica(struct bytes s)
{
    bool unused = false;
    size_t before = count_digits(s, 0, &unused);
    if (before == 0 || before >= s.size || s.data[before] != ':')
        return false;
    size_t behind = count_digits(s, before + 1, &unused);
    return behind > 0 && before + 1 + behind == s.size;
}

static enum err read_replicas(const struct metadata_key *key, struct bytes value,
                              struct errmsg *msg)
{
    struct bytes all = trim(value);
    struct bytes list = all;
    struct bytes entry;
    bool sound = true;
    struct errmsg shown = {0};
    if (all.size == 0 || bytes_equal(all, bytes_text("*")))
        return ERR_NONE;
    for (int i = 0; next_entry(&list, &entry); i++) {
        sound &= is_replica(entry);
        struct errmsg before = shown;
        errmsg_set(&shown, ERR_INVALID, "%s%s%.*s", before.text, i > 0 ? ", " : "",
                   (int)MIN(entry.size, 64u), (const char *)entry.data);
    }
    if (sound)
        return ERR_NONE;
    return errmsg_set(
        msg, ERR_INVALID,
        "Invalid value [%.128s] for configuration %s: %s must be the literal '*' or a "
        "list of replicas in the following format: "
        "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
        shown.text, key->name, key->name);
}

enum err metadata_topic_value(const struct metadata_key *key, struct bytes value, int64_t *out,
                              struct errmsg *msg)
{
    *out = 0;
    switch (key->type) {
    case METADATA_KEY_INT:
    case METADATA_KEY_LONG:
        return read_number(key, value, out, msg);
    case METADATA_KEY_BOOL:
        return read_bool(key, value, out, msg);
    case METADATA_KEY_DOUBLE:
        return read_double(key, value, msg);
    case METADATA_KEY_WORD:
        return read_word(key, value, out, msg);
    case METADATA_KEY_POLICY:
        return read_policy(key, value, out, msg);
    case METADATA_KEY_REPLICAS:
        return read_replicas(key, value, msg);
    case METADATA_KEY_TEXT:
    case METADATA_KEY_LIST:
        break;
    }
    UNREACHABLE();
}
