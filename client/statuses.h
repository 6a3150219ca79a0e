/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of exit statuses: "2,64-78". Pure.
 */
#ifndef BELT_CLIENT_STATUSES_H
#define BELT_CLIENT_STATUSES_H

#include "proto/limits.h"

#include <stdbool.h>
#include <stdint.h>

/** Sets the bits of the statuses that `text` lists, numbers from 1 to 255 and ranges of them. False: it is no such
 * list. */
bool client_statuses_parse(const char *text, uint8_t bits[BELT_STATUS_BYTES]);

#endif
