/* SPDX-License-Identifier: Apache-2.0
 *
 * A machine, or a limit of it, that has no more descriptors, processes or threads to give: looking for them before a
 * library that would abort takes them, and what somebody can do about it.
 */
#ifndef BELT_PROTO_SHORTAGE_H
#define BELT_PROTO_SHORTAGE_H

/** The advice to an errno that names a shortage, as "raise the limit of open files (ulimit -n)". NULL: it names none.
 */
const char *belt_shortage_advice(int error);
/** strerror(), and the advice if there is one: "Too many open files; raise …". Good until this thread's next call. */
const char *belt_shortage_text(int error);

/**
 * Whether so many threads, at most BELT_SHORTAGE_THREADS, can run at a time beside those that do: starts them, ends
 * them, and returns when the kernel counts them no more. 0, or the errno of the first that could not be started.
 * Signals of the process do not reach them. Another process of the user may take the room at any time.
 */
int belt_shortage_threads(unsigned count);
/**
 * How many of so many processes or threads, which the kernel counts alike, can run at a time beside those that do. When
 * it is fewer, *error is the errno of the first that could not be started, otherwise 0. The calling process gets no
 * thread for it: it forks one process, which tries and ends. Not for a process that waits for any child of its.
 */
unsigned belt_shortage_processes(unsigned wanted, int *error);
/** Whether so many descriptors, at most BELT_SHORTAGE_DESCRIPTORS, can be open beside those that are. 0, or an errno.
 */
int belt_shortage_descriptors(unsigned count);

/* More than any caller asks for. */
#define BELT_SHORTAGE_THREADS     8u
#define BELT_SHORTAGE_DESCRIPTORS 32u

#endif
