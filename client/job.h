/* SPDX-License-Identifier: Apache-2.0
 *
 * What a stream is made of, for the streams that single calls share (shared.h).
 */
#ifndef BELT_CLIENT_JOB_H
#define BELT_CLIENT_JOB_H

#include "client/pool.h"

/** Whether a job of this function with these options may be opened, and the options with their defaults. BELT_OK or a
 * code. */
int client_job_check(const belt_pool *pool, const char *function, const belt_job_options *given,
                     belt_job_options *complete);
/** A stream for calls that share a job. Takes nothing; NULL: out of memory. */
struct belt_stream *client_job_stream_shared(belt_pool *pool, const char *function, const belt_job_options *complete);
/** The same stream with another job of the same kind. False: out of memory, and nothing has changed. */
bool client_job_renew(struct belt_stream *stream, const char *function, const belt_job_options *complete);

#endif
