/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies of questions and answers about failed tasks: one block each. See failed.h.
 */
#include "client/failed.h"

#include "client/admin.h"
#include "proto/error.h"

#include <stdlib.h>
#include <string.h>

/* Where the next bytes go; the room was measured before. */
struct walk {
    char *at;
};

static const void *put(struct walk *walk, const void *data, size_t len)
{
    char *start = walk->at;

    if (len == 0)
        return NULL;
    memcpy(start, data, len);
    walk->at += len;
    return start;
}

static void put_bytes(struct walk *walk, struct belt_bytes *bytes)
{
    bytes->data = put(walk, bytes->data, bytes->len);
}

/* What is aligned comes first: the letters, then their extras. */
static void put_all(struct walk *walk, struct belt_letter *letters, struct belt_result_extras *extras, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct belt_letter *letter = &letters[i];

        put_bytes(walk, &letter->function);
        letter->payload.data = put(walk, letter->payload.data, letter->payload.len);
        letter->payload.buf = NULL;
        if (!letter->extras)
            continue;
        extras[i] = *letter->extras;
        put_bytes(walk, &extras[i].text);
        put_bytes(walk, &extras[i].log);
        put_bytes(walk, &extras[i].host);
        letter->extras = &extras[i];
    }
}

static size_t words_of(const struct belt_msg_failures *answer)
{
    size_t len = 0;

    for (uint32_t i = 0; i < answer->letter_count; i++) {
        const struct belt_result_extras *extras = answer->letters[i].extras;

        len += answer->letters[i].function.len + answer->letters[i].payload.len;
        if (extras)
            len += extras->text.len + extras->log.len + extras->host.len;
    }
    return len;
}

struct belt_msg_failures *client_failures_new(const struct belt_msg_failures *answer)
{
    uint32_t count = answer->letter_count;
    struct belt_letter *letters;
    struct belt_result_extras *extras;
    struct belt_msg_failures *copy =
        malloc(sizeof(*copy) + count * (sizeof(*letters) + sizeof(*extras)) + words_of(answer) + 1);

    if (!copy)
        return NULL;
    letters = (struct belt_letter *)(void *)(copy + 1);
    extras = (struct belt_result_extras *)(void *)(letters + count);
    *copy = *answer;
    if (count > 0)
        memcpy(letters, answer->letters, count * sizeof(*letters));
    put_all(&(struct walk){.at = (char *)(extras + count)}, letters, extras, count);
    copy->letters = letters;
    return copy;
}

struct belt_msg_failed *client_failed_copy(const struct belt_msg_failed *query)
{
    struct belt_msg_failed *copy =
        malloc(sizeof(*copy) + query->count * sizeof(*query->indexes) + query->function.len + 1);
    struct walk walk = {.at = (char *)(copy + 1)};

    if (!copy)
        return NULL;
    *copy = *query;
    copy->indexes = put(&walk, query->indexes, query->count * sizeof(*query->indexes));
    put_bytes(&walk, &copy->function);
    return copy;
}

void client_failures_free(struct belt_msg_failures **failures)
{
    free(*failures);
    *failures = NULL;
}

int client_failed_ask(belt_pool *pool, const struct belt_msg_failed *query, int64_t timeout_ms,
                      struct belt_msg_failures **failures)
{
    struct client_request request = {.type = CLIENT_REQUEST_FAILED, .failed = query};
    int rc;

    *failures = NULL;
    if (query->count > BELT_MAX_BATCH || query->function.len > BELT_MAX_NAME)
        return belt_error_set(BELT_INVALID, "at most %u tasks are named at a time", BELT_MAX_BATCH);
    rc = client_admin_ask(pool, &request, timeout_ms);
    if (rc == BELT_OK)
        *failures = request.failures;
    else
        free(request.failures);
    return rc;
}
