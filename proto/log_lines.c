/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of lines. Pure. See log_lines.h.
 */
#include "proto/log_lines.h"

#include "proto/text_cut.h"

#include <assert.h>
#include <string.h>

/* What stands before the lines of a record. */
struct head {
    uint64_t index;
    uint32_t len;
};

static_assert(sizeof(struct head) <= sizeof(struct log_record), "LOG_PART_MAX leaves room for the head");

size_t log_lines_part(const uint8_t *data, size_t len, bool end)
{
    size_t most = len < LOG_PART_MAX ? len : LOG_PART_MAX;

    for (size_t at = most; at > 0; at--)
        if (data[at - 1] == '\n')
            return at;
    if (len >= LOG_PART_MAX)
        return text_cut_at(data, len, LOG_LINE_MAX);
    return end ? len : 0;
}

size_t log_lines_write(uint8_t *to, uint64_t index, const uint8_t *part, size_t len)
{
    struct head head = {.index = index, .len = (uint32_t)len};

    assert(len > 0 && len <= LOG_PART_MAX);
    memcpy(to, &head, sizeof(head));
    memcpy(to + sizeof(head), part, len);
    return sizeof(head) + len;
}

size_t log_lines_read(const uint8_t *from, size_t len, struct log_record *record)
{
    struct head head;

    if (len < sizeof(head))
        return 0;
    memcpy(&head, from, sizeof(head));
    assert(head.len > 0 && head.len <= LOG_PART_MAX);
    if (len - sizeof(head) < head.len)
        return 0;
    *record = (struct log_record){head.index, head.len, from + sizeof(head)};
    return sizeof(head) + head.len;
}
