/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames -> struct belt_msg (codec.h). One function per message, in the order
 * of PROTOCOL.md §5. Whatever the bytes are, it reads only them and allocates
 * only its scratch.
 */
#include "proto/codec_read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How deep values of properties that we do not know may nest: they stand in message > props. */
#define PROP_DEPTH (BELT_MAX_DEPTH - 2)

struct belt_decoder *belt_decoder_new(uint32_t max_payload)
{
    struct belt_decoder *d = calloc(1, sizeof(*d));
    if (d)
        d->max_payload = max_payload;
    return d;
}

void belt_decoder_free(struct belt_decoder *decoder)
{
    if (!decoder)
        return;
    free(decoder->items.data);
    free(decoder->extras.data);
    free(decoder);
}

void belt_decoder_limit(struct belt_decoder *decoder, uint32_t max_payload)
{
    decoder->max_payload = max_payload;
}

const char *belt_decoder_error(const struct belt_decoder *decoder)
{
    return decoder->s.error;
}

void *reader_room(struct belt_decoder *d, struct scratch *scratch, uint32_t count, size_t size)
{
    size_t bytes = (count ? count : 1) * size;
    if (bytes <= scratch->bytes)
        return scratch->data;
    free(scratch->data);
    scratch->data = malloc(bytes);
    scratch->bytes = scratch->data ? bytes : 0;
    if (!scratch->data)
        scan_fail(&d->s, BELT_NO_MEMORY, NULL, "no memory for %" PRIu32 " elements", count);
    return scratch->data;
}

bool reader_bad(struct belt_decoder *d, const char *field, const char *why)
{
    return scan_fail(&d->s, BELT_BAD_MESSAGE, field, "%s", why);
}

/* Calls `read` for each pair. A key that comes twice is caught by `read` through seen(). */
bool reader_map(struct belt_decoder *d, const char *field, reader_key_fn read, void *into)
{
    uint32_t count = 0;
    if (!scan_map(&d->s, field, BELT_MAX_OPTIONS, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct belt_bytes key;
        if (!scan_bytes(&d->s, field, SCAN_STR, BELT_MAX_NAME, &key) || !read(d, key, into))
            return false;
    }
    return true;
}

bool reader_options(struct belt_decoder *d, reader_key_fn read, void *into)
{
    if (reader_map(d, "options", read, into))
        return true;
    d->s.code = d->s.code == BELT_NO_MEMORY ? BELT_NO_MEMORY : BELT_BAD_OPTION;
    return false;
}

static bool key_is(struct belt_bytes key, const char *name)
{
    return key.len == strlen(name) && memcmp(key.data, name, key.len) == 0;
}

/* Position of `key` in `names`, or `count`. Marks it in `*mask`; -1 if it was there. */
int reader_find_key(struct belt_decoder *d, struct belt_bytes key, const char *const *names, int count, uint32_t *mask)
{
    int i = 0;
    while (i < count && !key_is(key, names[i]))
        i++;
    if (i < count && (*mask & (1u << i))) {
        reader_bad(d, names[i], "is there twice");
        return -1;
    }
    *mask |= 1u << i;
    return i;
}

/* §5: "An unknown key in a reader_map of options is an error". Only printable bytes are repeated. */
bool reader_unknown_option(struct belt_decoder *d, struct belt_bytes key)
{
    char shown[33];
    size_t len = key.len < sizeof(shown) - 1 ? key.len : sizeof(shown) - 1;
    for (size_t i = 0; i < len; i++)
        shown[i] = key.data[i] < 0x20 || key.data[i] > 0x7e ? '?' : (char)key.data[i];
    shown[len] = '\0';
    return scan_fail(&d->s, BELT_BAD_OPTION, "options", "there is no option \"%s\"", shown);
}

static bool read_functions(struct belt_decoder *d, struct belt_worker_props *worker)
{
    if (!scan_array(&d->s, "functions", BELT_MAX_FUNCTIONS, &worker->function_count))
        return false;
    struct belt_bytes *names = reader_room(d, &d->items, worker->function_count, sizeof(*names));
    if (!names)
        return false;
    d->s.list = "functions";
    for (uint32_t i = 0; i < worker->function_count; i++) {
        d->s.item = i;
        if (!scan_name(&d->s, NULL, &names[i]))
            return false;
    }
    d->s.list = NULL;
    worker->functions = names;
    return true;
}

struct hello_props {
    struct belt_msg_hello *hello;
    uint32_t mask;
};

static bool read_hello_prop(struct belt_decoder *d, struct belt_bytes key, void *into)
{
    static const char *const names[] = {"slots", "window_items", "window_bytes", "functions"};
    struct hello_props *props = into;
    struct belt_worker_props *worker = &props->hello->worker;
    uint64_t number = 0;
    bool ok = true;
    if (props->hello->role != BELT_ROLE_WORKER)
        return scan_skip(&d->s, "props", PROP_DEPTH);
    switch (reader_find_key(d, key, names, 4, &props->mask)) {
    case 0:
        ok = scan_uint(&d->s, "slots", BELT_MAX_SLOTS, &number);
        worker->slots = (uint32_t)number;
        return ok;
    case 1:
        ok = scan_uint(&d->s, "window_items", BELT_MAX_HELD, &number);
        worker->window_items = (uint32_t)number;
        return ok;
    case 2:
        return scan_u64(&d->s, "window_bytes", &worker->window_bytes);
    case 3:
        return read_functions(d, worker);
    case 4: /* §5: unknown properties are ignored */
        return scan_skip(&d->s, "props", PROP_DEPTH);
    default:
        return false;
    }
}

static bool read_hello(struct belt_decoder *d, struct belt_msg *msg)
{
    struct scanner *s = &d->s;
    struct belt_msg_hello *m = &msg->u.hello;
    struct hello_props props = {.hello = m, .mask = 0};
    memset(m, 0, sizeof(*m));
    if (!scan_u32(s, "version", &m->version) || !scan_u8(s, "role", BELT_ROLE_ADMIN, &m->role))
        return false;
    if (m->role == 0)
        return reader_bad(d, "role", "is 0, 1 to 3 are allowed");
    if (!scan_bytes(s, "session", SCAN_BIN, BELT_SESSION_LEN, &m->session))
        return false;
    if (m->session.len != BELT_SESSION_LEN)
        return reader_bad(d, "session", "must have 16 bytes");
    if (!scan_text(s, "name", &m->name) || !reader_map(d, "props", read_hello_prop, &props))
        return false;
    m->worker.name = m->name;
    if (m->role == BELT_ROLE_WORKER && m->worker.slots == 0)
        return reader_bad(d, "slots", "a worker has one at least");
    if (m->role == BELT_ROLE_WORKER && m->worker.function_count == 0)
        return reader_bad(d, "functions", "a worker serves one at least");
    return msg->seq == 0 || reader_bad(d, "seq", "must be 0");
}

struct welcome_props {
    struct belt_msg_welcome *welcome;
    uint32_t mask;
};

static bool read_welcome_prop(struct belt_decoder *d, struct belt_bytes key, void *into)
{
    static const char *const names[] = {"heartbeat_ms", "lease_ms", "max_payload", "name", "max_frame", "next_key"};
    struct welcome_props *props = into;
    struct belt_msg_welcome *m = props->welcome;
    switch (reader_find_key(d, key, names, 6, &props->mask)) {
    case 0:
        return scan_u32(&d->s, "heartbeat_ms", &m->heartbeat_ms);
    case 1:
        return scan_u32(&d->s, "lease_ms", &m->lease_ms);
    case 2:
        return scan_u32(&d->s, "max_payload", &m->max_payload);
    case 3:
        return scan_text(&d->s, "name", &m->name);
    case 4:
        return scan_u64(&d->s, "max_frame", &m->max_frame);
    case 5:
        return reader_public_key(d, "next_key", &m->next_key);
    case 6:
        return scan_skip(&d->s, "props", PROP_DEPTH);
    default:
        return false;
    }
}

static bool read_welcome(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_welcome *m = &msg->u.welcome;
    struct welcome_props props = {.welcome = m, .mask = 0};
    memset(m, 0, sizeof(*m));
    if (!scan_u32(&d->s, "version", &m->version) || !scan_u64(&d->s, "epoch", &m->epoch) ||
        !reader_map(d, "props", read_welcome_prop, &props))
        return false;
    if (m->epoch == 0)
        return reader_bad(d, "epoch", "must not be 0");
    if (m->max_payload > BELT_MAX_PAYLOAD_CEILING)
        return reader_bad(d, "max_payload", "is over the ceiling of the protocol");
    return msg->seq == 0 || reader_bad(d, "seq", "must be 0");
}

static bool read_error(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_error *m = &msg->u.error;
    uint64_t code = 0;
    if (!scan_u64(&d->s, "ref", &m->ref) || !scan_u64(&d->s, "job", &m->job) || !scan_uint(&d->s, "code", 63, &code))
        return false;
    m->code = (uint32_t)code;
    if (m->code < 32)
        return reader_bad(d, "code", "is no error of a broker, 32 to 63 are");
    return scan_text(&d->s, "text", &m->text);
}

static bool read_empty(struct belt_decoder *d, struct belt_msg *msg)
{
    (void)d;
    (void)msg;
    return true;
}

static bool read_bye(struct belt_decoder *d, struct belt_msg *msg)
{
    return scan_text(&d->s, "text", &msg->u.bye.text);
}

static bool read_notice(struct belt_decoder *d, struct belt_msg *msg)
{
    uint64_t code = 0;
    if (!scan_u64(&d->s, "job", &msg->u.notice.job) || !scan_uint(&d->s, "code", 63, &code))
        return false;
    msg->u.notice.code = (uint32_t)code;
    return scan_text(&d->s, "text", &msg->u.notice.text);
}

static bool read_recorded(struct belt_decoder *d, struct belt_msg *msg)
{
    return scan_u64(&d->s, "upto", &msg->u.recorded.upto);
}

static bool read_recall(struct belt_decoder *d, struct belt_msg *msg)
{
    return scan_u32(&d->s, "count", &msg->u.recall.count);
}

static bool read_progress(struct belt_decoder *d, struct belt_msg *msg)
{
    struct belt_msg_progress *m = &msg->u.progress;
    return reader_ref(&d->s, &m->task) && scan_u64(&d->s, "done", &m->done) && scan_u64(&d->s, "total", &m->total);
}

/* `optional` fields may follow the `fields` that must be there: all of them, or none. */
struct reader {
    uint8_t fields;
    bool (*read)(struct belt_decoder *d, struct belt_msg *msg);
    uint8_t optional;
};

static const struct reader readers[] = {
    [BELT_MSG_HELLO] = {5, read_hello, 0},
    [BELT_MSG_WELCOME] = {3, read_welcome, 0},
    [BELT_MSG_ERROR] = {4, read_error, 0},
    [BELT_MSG_PING] = {0, read_empty, 0},
    [BELT_MSG_PONG] = {0, read_empty, 0},
    [BELT_MSG_BYE] = {1, read_bye, 0},
    [BELT_MSG_JOIN] = {3, reader_join, 0},
    [BELT_MSG_JOINED] = {2, reader_joined, 0},
    [BELT_MSG_OPEN] = {4, reader_open, 0},
    [BELT_MSG_OPENED] = {7, reader_opened, 1},
    [BELT_MSG_PUSH] = {3, reader_push, 0},
    [BELT_MSG_ACCEPTED] = {4, reader_accepted, 0},
    [BELT_MSG_END] = {2, reader_end, 0},
    [BELT_MSG_ENDED] = {2, reader_end, 0},
    [BELT_MSG_SUBSCRIBE] = {7, reader_subscribe, 1},
    [BELT_MSG_SUBSCRIBED] = {4, reader_subscribed, 0},
    [BELT_MSG_DELIVER] = {3, reader_deliver, 0},
    [BELT_MSG_ACK] = {4, reader_ack, 0},
    [BELT_MSG_DONE] = {3, reader_done, 0},
    [BELT_MSG_DETACH] = {1, reader_detach, 0},
    [BELT_MSG_CANCEL] = {2, reader_cancel, 1},
    [BELT_MSG_CANCELLED] = {2, reader_cancelled, 0},
    [BELT_MSG_NOTICE] = {3, read_notice, 0},
    [BELT_MSG_STATUS] = {3, reader_status, 1},
    [BELT_MSG_REPORT] = {3, reader_report, 1},
    [BELT_MSG_FAILED] = {6, reader_failed, 1},
    [BELT_MSG_FAILURES] = {5, reader_failures, 1},
    [BELT_MSG_SYNC] = {2, reader_sync, 0},
    [BELT_MSG_DISPATCH] = {4, reader_dispatch, 0},
    [BELT_MSG_RESULTS] = {3, reader_results, 0},
    [BELT_MSG_RECORDED] = {1, read_recorded, 0},
    [BELT_MSG_RECALL] = {1, read_recall, 0},
    [BELT_MSG_RETURNED] = {1, reader_refs, 0},
    [BELT_MSG_DROP] = {1, reader_refs, 0},
    [BELT_MSG_LEAVING] = {0, read_empty, 0},
    [BELT_MSG_PROGRESS] = {5, read_progress, 0},
};

static bool read_message(struct belt_decoder *d, struct belt_msg *msg)
{
    struct scanner *s = &d->s;
    uint32_t count = 0;
    uint64_t type = 0;
    if (!scan_array(s, NULL, UINT32_MAX, &count))
        return false;
    if (count < 2)
        return reader_bad(d, NULL, "has no type and seq");
    if (!scan_uint(s, "type", UINT64_MAX, &type))
        return false;
    if (type >= sizeof(readers) / sizeof(readers[0]) || !readers[type].read)
        return scan_fail(s, BELT_BAD_MESSAGE, "type", "there is no message %" PRIu64, type);
    msg->type = (uint8_t)type;
    s->message = belt_msg_name(msg->type);
    if (!scan_u64(s, "seq", &msg->seq))
        return false;
    d->optional = readers[type].optional && count == readers[type].fields + readers[type].optional + 2u;
    if (count != readers[type].fields + 2u && !d->optional)
        return scan_fail(s, BELT_BAD_MESSAGE, NULL, "has %" PRIu32 " fields, %u are expected", count - 2,
                         readers[type].fields);
    if (!readers[type].read(d, msg))
        return false;
    s->list = NULL;
    if (s->at != s->end)
        return scan_fail(s, BELT_BAD_MESSAGE, NULL, "%zu bytes follow its end", (size_t)(s->end - s->at));
    if (d->attachment != d->frames->count)
        return scan_fail(s, BELT_BAD_MESSAGE, NULL, "%" PRIu32 " attachments are named by no payload",
                         d->frames->count - d->attachment);
    return true;
}

int belt_decode(struct belt_decoder *decoder, const struct belt_frames *frames, struct belt_msg *msg)
{
    struct scanner *s = &decoder->s;
    msg->type = 0;
    msg->seq = 0;
    s->message = "message";
    s->list = NULL;
    s->code = BELT_OK;
    s->error[0] = '\0';
    s->at = s->end = NULL;
    decoder->frames = frames;
    decoder->attachment = 1;
    decoder->extra_count = 0;
    if (frames->count == 0 || frames->count > BELT_MAX_FRAMES || frames->cut) {
        scan_fail(s, BELT_BAD_MESSAGE, NULL, "has no frame or more than %u", BELT_MAX_FRAMES);
        return s->code;
    }
    if (frames->frame[0]->len > BELT_MAX_HEADER) {
        scan_fail(s, BELT_BAD_MESSAGE, NULL, "its header has %zu bytes, at most %u are allowed", frames->frame[0]->len,
                  BELT_MAX_HEADER);
        return s->code;
    }
    s->at = frames->frame[0]->data;
    s->end = s->at + frames->frame[0]->len;
    return read_message(decoder, msg) ? BELT_OK : s->code;
}
