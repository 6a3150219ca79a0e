/* SPDX-License-Identifier: Apache-2.0
 *
 * See zap_answer.h.
 */
#include "broker/zap_answer.h"

#include "proto/link.h"

#include <string.h>

enum { VERSION, ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIALS };

static bool is(struct zap_frame frame, const char *text)
{
    return frame.len == strlen(text) && memcmp(frame.data, text, frame.len) == 0;
}

static bool is_local(const struct zap_frame *frames, size_t count)
{
    static const char process[] = "localhost:";
    return count == ZAP_FRAMES - 1 && is(frames[DOMAIN], BELT_LINK_DOMAIN_LOCAL) && is(frames[MECHANISM], "NULL") &&
           frames[ADDRESS].len >= sizeof(process) && memcmp(frames[ADDRESS].data, process, sizeof(process) - 1) == 0;
}

enum zap_question zap_question(const struct zap_frame *frames, size_t count, uint8_t key[BELT_KEY_BYTES])
{
    if (count < ZAP_FRAMES - 1 || count > ZAP_FRAMES || !is(frames[VERSION], "1.0"))
        return ZAP_NO;
    if (is_local(frames, count))
        return ZAP_LOCAL;
    if (count != ZAP_FRAMES || !is(frames[DOMAIN], BELT_LINK_DOMAIN) || !is(frames[MECHANISM], "CURVE") ||
        frames[CREDENTIALS].len != BELT_KEY_BYTES)
        return ZAP_NO;
    memcpy(key, frames[CREDENTIALS].data, BELT_KEY_BYTES);
    return ZAP_KEY;
}
