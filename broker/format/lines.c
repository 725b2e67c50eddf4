/* lines.c - what the small text files have in common: lines, and the head of Kafka's checkpoints.
 */
#include "format/internal.h"

bool format_next_line(struct bytes *rest, struct bytes *line)
{
    if (rest->size == 0)
        return false;
    const uint8_t *end = memchr(rest->data, '\n', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    size_t step = end == NULL ? size : size + 1;
    *line = bytes_of(rest->data, size);
    *rest = bytes_of(rest->data + step, rest->size - step);
    return true;
}

bool format_split_last(struct bytes line, struct bytes *before, int64_t *number)
{
    size_t at = line.size;
    while (at > 0 && line.data[at - 1] != ' ')
        at--;
    if (at < 2)
        return false;
    *before = bytes_of(line.data, at - 1);
    return text_parse_int(bytes_of(line.data + at, line.size - at), number) == ERR_NONE;
}

enum err format_parse_head(struct bytes *rest, int64_t *count, struct errmsg *msg)
{
    struct bytes line;
    int64_t version = -1;
    if (!format_next_line(rest, &line) || text_parse_int(line, &version) != ERR_NONE ||
        version != 0)
        return errmsg_set(msg, ERR_CORRUPT, "line 1 is no version 0");
    if (!format_next_line(rest, &line) || text_parse_int(line, count) != ERR_NONE || *count < 0)
        return errmsg_set(msg, ERR_CORRUPT, "line 2 is no count");
    /* The shortest line is "a 0 0". */
    if ((uint64_t)*count > rest->size)
        return errmsg_set(msg, ERR_CORRUPT, "line 2 promises more lines than there are bytes");
    return ERR_NONE;
}
