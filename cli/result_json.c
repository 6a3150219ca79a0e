/* SPDX-License-Identifier: Apache-2.0
 *
 * One result as one line of JSON. Pure.
 */
#include "cli/result_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *base64(const unsigned char *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t room = (len + 2) / 3 * 4, at = 0;
    char *text = malloc(room + 1);
    json_t *value;

    for (size_t i = 0; text && i < len; i += 3) {
        size_t left = len - i;
        unsigned bits =
            (unsigned)data[i] << 16 | (left > 1 ? (unsigned)data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0u);
        text[at++] = digits[bits >> 18];
        text[at++] = digits[bits >> 12 & 63];
        text[at++] = left > 1 ? digits[bits >> 6 & 63] : '=';
        text[at++] = left > 2 ? digits[bits & 63] : '=';
    }
    value = text ? json_stringn(text, at) : NULL;
    free(text);
    return value;
}

void result_json_bytes(json_t *object, const char *key, const void *data, size_t len)
{
    char other[64];
    json_t *text = json_stringn(len ? data : "", len);

    if (text) {
        json_object_set_new(object, key, text);
        return;
    }
    snprintf(other, sizeof(other), "%s_base64", key);
    json_object_set_new(object, other, base64(data, len));
}

void result_json_add(const belt_result *result, uint64_t index, const struct label *label, struct bytes *out)
{
    json_t *object = json_object();
    char *text;

    json_object_set_new(object, "schema", json_string("belt.result/1"));
    json_object_set_new(object, "index", json_integer((json_int_t)index));
    json_object_set_new(object, "ok", json_boolean(result->code == BELT_OK));
    json_object_set_new(object, "code", json_integer(result->code));
    json_object_set_new(object, "code_name", json_string(belt_code_name(result->code)));
    json_object_set_new(object, "exit_status",
                        result->exit_status >= 0 ? json_integer(result->exit_status) : json_null());
    json_object_set_new(object, "signal", result->term_signal ? json_integer(result->term_signal) : json_null());
    result_json_bytes(object, "text", result->text, result->code == BELT_OK ? 0 : strlen(result->text));
    json_object_set_new(object, "attempt", json_integer(result->attempt));
    json_object_set_new(object, "service_us", json_integer((json_int_t)result->service_us));
    result_json_bytes(object, "host", result->host, strlen(result->host));
    json_object_set_new(object, "started_ms",
                        result->started_at ? json_integer((json_int_t)result->started_at) : json_null());
    json_object_set_new(object, "number", json_integer((json_int_t)result->number));
    if (label)
        result_json_bytes(object, "input", label->data, label->len);
    result_json_bytes(object, "payload", result->data, result->len);
    result_json_bytes(object, "log", result->log, result->log_len);
    text = json_dumps(object, JSON_COMPACT);
    if (text) {
        bytes_json(out, text);
        bytes_text(out, "\n");
    }
    out->failed |= !text;
    free(text);
    json_decref(object);
}
