/* shm.h - nodes of a simulated world that live elsewhere than in its own thread: each in a process
 * or in a thread of its own, handed one event at a time, so that what happens is the same. */
#ifndef KILN_SHM_H
#define KILN_SHM_H

#include "base/base.h"

struct half_host;

#define SHM_HANDLER_MS_MAX 60000 /* until a handler counts as one that never returns */

/* Each life is a process: forked as it begins, ended by SIGKILL. What it says comes through memory
 * that both share, and is looked at before it is believed; a crash, a handler that does not return
 * within handler_ms_max of the machine's time (unless a debugger holds it; 0: SHM_HANDLER_MS_MAX)
 * and what nobody can say are told as the end of that node (world_break). The caller must have no
 * other thread. *out is a host for one world at a time, and must outlive it. ERR_NOMEM: no memory,
 * or no address range. */
enum err shm_processes_new(struct half_host **out, struct mem *mem,
                           int64_t handler_ms_max) MUST_USE;

/* Each node is a thread of its own, with its name. Its crash is the process's. The same otherwise.
 */
enum err shm_threads_new(struct half_host **out, struct mem *mem) MUST_USE;

/* Either of them; NULL is harmless. */
void shm_free(struct half_host *host);

#endif
