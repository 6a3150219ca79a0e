/* SPDX-License-Identifier: Apache-2.0
 *
 * What a step asks for. Private to broker/core.
 */
#ifndef BELT_CORE_UPDATE_H
#define BELT_CORE_UPDATE_H

#include "broker/core/model/state.h"

struct belt_msg *update_send(struct core *core, struct session *to, enum belt_msg_type type);
/* A message that must not leave before what this turn records of `job` is on disk. */
struct belt_msg *update_send_kept(struct core *core, struct session *to, const struct job *job,
                                  enum belt_msg_type type);
struct core_record *update_record(struct core *core);
struct belt_msg *update_send_stranger(struct core *core, uint64_t peer, enum belt_msg_type type);
void *update_alloc(struct core *core, size_t size);
struct belt_bytes update_text(struct core *core, const char *format, ...) __attribute__((format(printf, 2, 3)));
void update_notice(struct core *core, const char *format, ...) __attribute__((format(printf, 2, 3)));
void update_drop(struct core *core, uint64_t peer);
void update_trace(struct core *core, const char *format, ...) __attribute__((format(printf, 2, 3)));
void update_error(struct core *core, struct session *to, uint64_t ref, uint64_t job, unsigned code,
                  struct belt_bytes text);
/* The same words for every job that `to` cannot have: whether there is one stays hidden. */
void update_unknown_job(struct core *core, struct session *to, uint64_t ref, uint64_t job);

#endif
