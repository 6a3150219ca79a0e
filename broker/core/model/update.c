/* SPDX-License-Identifier: Apache-2.0
 *
 * What a step asks the shell to do: a list of messages, and the memory they
 * borrow from, which is given back all at once.
 */
#include "broker/core/model/update.h"
#include "broker/core/model/refusal.h"
#include "proto/terminal_text.h"
#include "proto/text_cut.h"

#include <stdio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_CHUNK (256u << 10)

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, room;
    _Alignas(16) unsigned char bytes[];
};

struct core_update_arena {
    struct arena_chunk *chunks; /* the first is the one in use */
    uint32_t send_room, drop_room, record_room;
    struct core_send scratch; /* written instead of a message to a peer that is not connected */
    char *trace;
    size_t trace_len, trace_room;
};

static void *must(void *memory)
{
    if (!memory)
        abort(); /* core.h: the supervisor restarts us */
    return memory;
}

struct core_update *core_update_new(void)
{
    struct core_update *update = calloc(1, sizeof(*update));
    struct core_update_arena *arena = calloc(1, sizeof(*arena));
    if (!update || !arena) {
        free(update);
        free(arena);
        return NULL;
    }
    update->arena = arena;
    return update;
}

void core_update_clear(struct core_update *update)
{
    struct core_update_arena *arena = update->arena;
    struct arena_chunk *keep = NULL;
    while (arena->chunks) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        if (!keep && chunk->room == ARENA_CHUNK) {
            keep = chunk;
            keep->next = NULL;
            keep->used = 0;
        } else {
            free(chunk);
        }
    }
    arena->chunks = keep;
    arena->trace_len = 0;
    update->trace = NULL;
    update->notice = NULL;
    update->send_count = 0;
    update->record_count = 0;
    update->drop_count = 0;
}

void core_update_free(struct core_update *update)
{
    if (!update)
        return;
    core_update_clear(update);
    free(update->arena->chunks);
    free(update->arena->trace);
    free(update->arena);
    free(update->sends);
    free(update->drops);
    free(update->records);
    free(update);
}

void *update_alloc(struct core *core, size_t size)
{
    struct core_update_arena *arena = core->out->arena;
    struct arena_chunk *chunk = arena->chunks;
    size = (size + 15u) & ~(size_t)15u;
    if (!chunk || chunk->room - chunk->used < size) {
        size_t room = size > ARENA_CHUNK ? size : ARENA_CHUNK;
        chunk = must(malloc(sizeof(*chunk) + room));
        chunk->used = 0;
        chunk->room = room;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    void *memory = chunk->bytes + chunk->used;
    chunk->used += size;
    return memory;
}

static struct core_send *send_add(struct core *core, uint64_t peer, enum belt_msg_type type)
{
    struct core_update *update = core->out;
    if (update->send_count == update->arena->send_room) {
        uint32_t room = update->send_count ? update->send_count * 2 : 64;
        update->sends = must(realloc(update->sends, room * sizeof(*update->sends)));
        update->arena->send_room = room;
    }
    struct core_send *out = &update->sends[update->send_count++];
    memset(out, 0, sizeof(*out));
    out->peer = peer;
    out->msg.type = (uint8_t)type;
    return out;
}

struct belt_msg *update_send(struct core *core, struct session *to, enum belt_msg_type type)
{
    if (!to || !to->peer) {
        memset(&core->out->arena->scratch, 0, sizeof(core->out->arena->scratch));
        return &core->out->arena->scratch.msg;
    }
    return &send_add(core, to->peer, type)->msg;
}

struct belt_msg *update_send_kept(struct core *core, struct session *to, const struct job *job, enum belt_msg_type type)
{
    struct belt_msg *msg = update_send(core, to, type);
    if (to && to->peer && job->options.durable)
        core->out->sends[core->out->send_count - 1].held = true;
    return msg;
}

struct core_record *update_record(struct core *core)
{
    struct core_update *update = core->out;
    if (update->record_count == update->arena->record_room) {
        uint32_t room = update->record_count ? update->record_count * 2 : 16;
        update->records = must(realloc(update->records, room * sizeof(*update->records)));
        update->arena->record_room = room;
    }
    return &update->records[update->record_count++];
}

struct belt_msg *update_send_stranger(struct core *core, uint64_t peer, enum belt_msg_type type)
{
    return &send_add(core, peer, type)->msg;
}

struct belt_bytes update_text(struct core *core, const char *format, ...)
{
    char text[BELT_MAX_TEXT];
    va_list args;
    va_start(args, format);
    size_t size = text_format(text, sizeof(text), format, args);
    va_end(args);
    uint8_t *copy = update_alloc(core, size + 1);
    memcpy(copy, text, size);
    return (struct belt_bytes){copy, size};
}

void update_notice(struct core *core, const char *format, ...)
{
    char *text = update_alloc(core, BELT_MAX_TEXT);
    va_list args;
    va_start(args, format);
    text_format(text, BELT_MAX_TEXT, format, args);
    va_end(args);
    core->out->notice = text;
}

void update_drop(struct core *core, uint64_t peer)
{
    struct core_update *update = core->out;
    if (update->drop_count == update->arena->drop_room) {
        uint32_t room = update->drop_count ? update->drop_count * 2 : 16;
        update->drops = must(realloc(update->drops, room * sizeof(*update->drops)));
        update->arena->drop_room = room;
    }
    update->drops[update->drop_count++] = peer;
}

void update_error(struct core *core, struct session *to, uint64_t ref, uint64_t job, unsigned code,
                  struct belt_bytes text)
{
    struct belt_msg *msg = update_send(core, to, BELT_MSG_ERROR);
    refusal_note(core, to ? to->name : "nobody", code, text);
    msg->u.error = (struct belt_msg_error){.ref = ref, .job = job, .code = code, .text = text};
}

void update_trace(struct core *core, const char *format, ...)
{
    if (!core->config.trace || !core->out) /* nothing is told while the core is built anew */
        return;
    struct core_update_arena *arena = core->out->arena;
    char text[480], line[32 + TERMINAL_TEXT_ROOM(sizeof(text))];
    size_t size = (size_t)snprintf(line, sizeof(line), "[%5llu] ", (unsigned long long)core->now);
    va_list args;
    va_start(args, format);
    size_t len = text_format(text, sizeof(text), format, args);
    va_end(args);
    size += terminal_text(line + size, sizeof(line) - size - 1, text, len, 0);
    line[size++] = '\n';
    if (arena->trace_room - arena->trace_len < size + 1) {
        size_t room = (arena->trace_room + size) * 2;
        arena->trace = must(realloc(arena->trace, room));
        arena->trace_room = room;
    }
    memcpy(arena->trace + arena->trace_len, line, size);
    arena->trace_len += size;
    arena->trace[arena->trace_len] = 0;
    core->out->trace = arena->trace;
}

void update_unknown_job(struct core *core, struct session *to, uint64_t ref, uint64_t job)
{
    update_error(core, to, ref, job, BELT_UNKNOWN_JOB,
                 update_text(core, "there is no job %llu: it ended, or never was", (unsigned long long)job));
}
