/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk that fails on demand, under SQLite: it counts the operations that
 * change files, fails one of them or all from one on, and after a power cut
 * forgets a random part of what was written and not yet synced, down to
 * single sectors. Deterministic: one seed, one run.
 */
#ifndef BELT_TEST_FAULTY_VFS_H
#define BELT_TEST_FAULTY_VFS_H

#include <stdbool.h>
#include <stdint.h>

struct faults {
    uint64_t fail_at;  /* the operation with this number (from 1) fails; 0: none */
    uint64_t fail_for; /* and so many after it */
    int code;          /* with this SQLite code */
    bool cut;          /* instead: power is cut there, nothing works any more until faulty_restart() */
};

/** Makes it SQLite's default. Once per process. */
void faulty_install(void);
/** Counts from 0 again, with these faults. */
void faulty_arm(struct faults faults);
/** Operations since faulty_arm(). */
uint64_t faulty_operations(void);
/** Whether a fault has struck since faulty_arm(). */
bool faulty_struck(void);
/** Power is back: what was not synced is there, or not, or in part, as `seed` says. All files must be closed. */
void faulty_restart(uint64_t seed);

#endif
