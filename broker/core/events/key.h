/* SPDX-License-Identifier: Apache-2.0
 *
 * What a job's key stands for. Private to broker/core.
 */
#ifndef BELT_CORE_KEY_H
#define BELT_CORE_KEY_H

#include "broker/core/model/state.h"

/* True when `job` has the key of `msg`, but not its function and options; the refusal is sent. */
bool key_refused(struct core *core, struct session *from, const struct belt_msg_open *msg, const struct job *job);

#endif
