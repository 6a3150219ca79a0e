/* SPDX-License-Identifier: Apache-2.0
 *
 * How the memory allocator treats large payloads in a process that moves them.
 */
#ifndef BELT_HEAP_H
#define BELT_HEAP_H

/** For a process of our own (a broker, an agent, the program), before it has threads: freed payloads are used again
 *  instead of being given back to the kernel, up to some 64 MiB. */
void belt_heap_keep(void);

#endif
