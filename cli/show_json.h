/* SPDX-License-Identifier: Apache-2.0
 *
 * What a broker says of itself, as JSON. Pure. A schema's fields keep their
 * meaning; new ones may come without a new number.
 */
#ifndef BELT_CLI_SHOW_JSON_H
#define BELT_CLI_SHOW_JSON_H

#include "cli/bytes.h"

#include <belt/belt.h>
#include <jansson.h>

/** *Gives* an array of rows (an object for BELT_STATUS_BROKER). */
json_t *show_json_rows(const belt_status *status);
/** One line: *takes* `object`. */
void show_json_write(json_t *object, struct bytes *out);
/** An object with its schema. */
json_t *show_json_object(const char *schema);

#endif
