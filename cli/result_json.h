/* SPDX-License-Identifier: Apache-2.0
 *
 * One result as one line of JSON (belt map --results-json). Pure.
 */
#ifndef BELT_CLI_RESULT_JSON_H
#define BELT_CLI_RESULT_JSON_H

#include "cli/bytes.h"
#include "cli/labels.h"

#include <belt/belt.h>
#include <jansson.h>

/** A text, or, when the bytes are no UTF-8, base64 under KEY_base64. */
void result_json_bytes(json_t *object, const char *key, const void *data, size_t len);

/** Bytes that are no UTF-8 come as base64 in "payload_base64" and the like. `label` may be NULL. */
void result_json_add(const belt_result *result, uint64_t index, const struct label *label, struct bytes *out);

#endif
