/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of the store's format 1, which Belt 0.1 wrote, as records of the present one (proto/STORE.md). Pure.
 *
 * In format 1 a record was a message of the protocol: its frames one after the other, each behind its length, and the
 * job's id had bit 63 set for failed tasks and bit 62 for the history.
 */
#ifndef BELT_RECORD_FORMAT_1_H
#define BELT_RECORD_FORMAT_1_H

#include "broker/store/store.h"

/** To be handed to store_sqlite_open_older(). NULL when out of memory. */
struct store_upgrade *format_1_new(void);
/** Accepts NULL. */
void format_1_free(struct store_upgrade *upgrade);

#endif
