/* err.c - the texts of errors and of messages to a person. */
#include <stdio.h>
#include <string.h>
#include "base/err.h"
#include "base/text.h"

static const struct {
    const char *name, *text;
} errors[ERR_COUNT] = {
#define X(name, text) [ERR_##name] = {#name, text},
    ERR_TABLE(X)
#undef X
};

const char *err_text(enum err e)
{
    ASSERT(e >= 0);
    ASSERT(e < ERR_COUNT);
    return errors[e].text;
}

const char *err_name(enum err e)
{
    ASSERT(e >= 0);
    ASSERT(e < ERR_COUNT);
    return errors[e].name;
}

bool err_parse(const char *name, enum err *out)
{
    for (int i = 0; i < ERR_COUNT; i++) {
        if (strcmp(errors[i].name, name) == 0) {
            *out = (enum err)i;
            return true;
        }
    }
    return false;
}

void errmsg_vset(struct errmsg *msg, const char *format, va_list args)
{
    text_format(msg->text, sizeof msg->text, format, args);
}

enum err errmsg_set(struct errmsg *msg, enum err e, const char *format, ...)
{
    if (msg == NULL)
        return e;
    va_list args;
    va_start(args, format);
    text_format(msg->text, sizeof msg->text, format, args);
    va_end(args);
    return e;
}

enum err errmsg_wrap(struct errmsg *msg, enum err e, const char *format, ...)
{
    if (msg == NULL)
        return e;
    char inner[ERRMSG_SIZE];
    snprintf(inner, sizeof inner, "%s", msg->text[0] != 0 ? msg->text : err_text(e));
    va_list args;
    va_start(args, format);
    text_format(msg->text, sizeof msg->text, format, args);
    va_end(args);
    size_t at = strlen(msg->text);
    int size = snprintf(msg->text + at, sizeof msg->text - at, ": %s", inner);
    ASSERT(size > 0); /* that it was cut is no fault */
    return e;
}
