/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a broker cannot be reached: libzmq tries again and again and does not say. A thread tries once by itself, for
 * names are resolved without a bound on time.
 */
#ifndef BELT_WORKER_AGENT_REACH_H
#define BELT_WORKER_AGENT_REACH_H

#include <stddef.h>

#define REACH_TEXT 300u

/** Tries the endpoint once, which may take long. Writes the reason, a part of a sentence. 0: it takes connections. */
int reach_try(const char *endpoint, char text[REACH_TEXT]);
/** The same in a thread. Gives a descriptor that holds the text when it is there; -1 with errno. */
int reach_start(const char *endpoint);

#endif
