/* SPDX-License-Identifier: Apache-2.0
 *
 * The state directory of a broker, of whatever format its records are.
 */
#ifndef BELT_BROKER_STATE_H
#define BELT_BROKER_STATE_H

#include "broker/store/store.h"

/** Opens the store in `directory` as store_sqlite_open() does; the records of an older format are brought forward
 * first. NULL with the reason in `error`. */
struct store *state_open(const char *directory, char *error, uint32_t size);

#endif
