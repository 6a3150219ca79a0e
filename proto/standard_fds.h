/* SPDX-License-Identifier: Apache-2.0
 *
 * The numbers 0, 1 and 2, which are for standard input, output and error alone, also in a program that was started
 * without those.
 */
#ifndef BELT_PROTO_STANDARD_FDS_H
#define BELT_PROTO_STANDARD_FDS_H

/** *Takes* a descriptor and *gives* one like it that is not 0, 1 or 2, for a program that was started without those.
 * -1 stays -1. */
int standard_fd_above(int fd);
/** Opens /dev/null as 0, 1 and 2 where they are closed: nothing else must ever get those numbers. */
void standard_fds_fill(void);
/** A pipe whose ends are none of the three. 0, or -1 with errno; an end that could not be made is -1. */
int standard_pipe(int ends[2]);

#endif
