/* SPDX-License-Identifier: Apache-2.0
 *
 * The state of one `belt map`.
 */
#ifndef BELT_CLI_MAP_H
#define BELT_CLI_MAP_H

#include "cli/halt.h"
#include "cli/labels.h"
#include "cli/live_log.h"
#include "cli/map_input.h"
#include "cli/map_output.h"
#include "cli/map_progress.h"

#include <belt/belt.h>

/* How often a parent that is gone and a standard output that is closed are looked for. */
#define MAP_CHECK_MS 1000
/* How often the broker is asked how many results it has, while --halt waits for some that are not due to be printed. */
#define MAP_ARRIVED_MS 20

enum { MAP_READY = -1 };

struct map {
    const struct options *options;
    const struct map_values *values;
    const char *function;
    char broker[512]; /* "": a private pool */
    char known[512];  /* the access file's broker */
    struct map_input input;
    struct labels labels;
    struct map_output output;
    struct live_log live; /* of a private pool */
    struct map_progress progress;
    struct halt halt;
    bool halted, complete;
    uint64_t unbegun;                      /* inputs that were read and not started, for --halt soon */
    uint64_t arrived_done, arrived_failed; /* results that the broker has, printed or not */
    uint64_t arrived_at;                   /* when to ask it again; UINT64_MAX: never */
    uint64_t check_at;
    belt_pool *pool;
    belt_stream *stream;
};

/** Checks the command line, opens everything and starts the job: MAP_READY, or an exit code, with a message said. */
int map_open(struct map *map, const struct options *options);
void map_close(struct map *map);

#endif
