/* terminal.c - what the terminal can show. */
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "cli/cli.h"

#define COLUMNS_MIN 40
#define COLUMNS_MAX 500
#define COLUMNS_USUAL 80

bool cli_colours(int fd)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool dumb = term == NULL || term[0] == 0 || strcmp(term, "dumb") == 0;
    return isatty(fd) && (no == NULL || no[0] == 0) && !dumb;
}

int cli_columns(FILE *out)
{
    struct winsize size;
    int64_t columns;
    const char *said = getenv("COLUMNS");
    if (said == NULL || text_parse_int(bytes_text(said), &columns) != ERR_NONE) {
        bool terminal = ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
        columns = terminal ? size.ws_col : COLUMNS_USUAL;
    }
    return (int)MIN(MAX(columns, COLUMNS_MIN), COLUMNS_MAX);
}

void cli_outlive_readers(void)
{
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    ASSERT(before != SIG_ERR);
}
