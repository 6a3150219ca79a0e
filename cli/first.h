/* SPDX-License-Identifier: Apache-2.0
 *
 * The first process of a container (PID 1) gets every process whose parent has ended, and has to reap it.
 */
#ifndef BELT_FIRST_H
#define BELT_FIRST_H

/**
 * Does nothing unless this is PID 1. Else it returns in a child, which is the program; the first process hands on the
 * signals that it is sent, reaps whatever ends, and exits as the child does. Call before there are threads.
 */
void first_process(void);

#endif
