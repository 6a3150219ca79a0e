/* SPDX-License-Identifier: Apache-2.0
 *
 * What the library has once in a process: one lock, the mark by which a process knows its own pools again after a fork,
 * and the descriptors that no forked process may hold on to. (A copy of a lifeline in some fork of the user's program
 * would keep a private pool's processes from seeing that their owner is gone.)
 *
 * A forked process has nothing of this: no pool is open in it, the lock is free, those descriptors are closed.
 */
#ifndef BELT_LOCAL_PROCESS_H
#define BELT_LOCAL_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/** The mark of this process, not 0: another one than its parent's. */
uint64_t local_process_mark(void);
/** Whether a thing that was made under this mark belongs to this process. Cheap; async-signal-safe. */
bool local_process_is(uint64_t mark);

/** One lock for the process, recursive, which fork() waits for: what is locked is whole in a forked process. */
void local_process_lock(void);
void local_process_unlock(void);
/** With the lock: waits until local_process_tell(). */
void local_process_wait(void);
void local_process_tell(void);

/** A descriptor that forked processes close. In them `*fd` is -1. Call with the lock, and keep `fd` where it is. */
struct local_own_fd {
    int fd;
    struct local_own_fd *next;
};
void local_process_own(struct local_own_fd *own);
/** Closes it. Accepts -1. */
void local_process_close(struct local_own_fd *own);

#endif
