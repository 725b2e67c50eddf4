/* fiu_remote.c - preloaded into a broker, opens libfiu's remote control as fiu-run does, so that
 * the test needs no fiu-utils. It must call libfiu by name: the broker's own is to answer. */
#define FIU_ENABLE 1
#include <fiu.h>
#include <fiu-control.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((constructor)) static void open_remote(void)
{
    const char *path = getenv("FIU_CTRL_FIFO");
    if (path != NULL && (fiu_init(0) != 0 || fiu_rc_fifo(path) != 0))
        perror("fiu_remote");
}
