/* SPDX-License-Identifier: Apache-2.0
 *
 * What a broker says of itself, as tables for people. Pure.
 */
#ifndef BELT_CLI_SHOW_H
#define BELT_CLI_SHOW_H

#include "cli/bytes.h"

#include <belt/belt.h>

void show_broker(const belt_broker_status *broker, bool colours, struct bytes *out);
/** With a sentence for each queue that waits and has no worker. */
void show_queues(const belt_status *status, bool colours, struct bytes *out);
void show_workers(const belt_status *status, bool colours, struct bytes *out);
/** With a sentence for each job that does not move. */
void show_jobs(const belt_status *status, bool colours, struct bytes *out);
/** A line that says how many there are: "20000 jobs". */
void show_count(const belt_status *status, const char *what, struct bytes *out);
/** Of all jobs, or of the one that was asked for. */
void show_all_readers(const belt_status *status, bool colours, struct bytes *out);
/** Those of one job, below it; nothing when there are none. */
void show_readers(const belt_status *status, bool colours, struct bytes *out);

#endif
