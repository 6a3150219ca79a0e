/* SPDX-License-Identifier: Apache-2.0
 *
 * Hash tables (uthash) and lists (utlist) as the core uses them: the members carry their links, and a core without
 * memory aborts, so that its supervisor starts it again. Private to broker/core.
 */
#ifndef BELT_CORE_HASH_H
#define BELT_CORE_HASH_H

#include <stdlib.h>
#define HASH_FUNCTION     HASH_JEN
#define uthash_fatal(msg) abort()
#include <uthash.h>
#include <utlist.h>

#endif
