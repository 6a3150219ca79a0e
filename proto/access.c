/* SPDX-License-Identifier: Apache-2.0
 *
 * Parser and writer of access files. Pure and bounded: see access.h.
 */
#include "proto/access.h"
#include "proto/base64url.h"

#include <stdio.h>
#include <string.h>

struct reader {
    struct belt_access *access;
    unsigned line;
    bool has_public, has_secret;
    char *error;
    size_t size;
};

struct word {
    const char *at;
    size_t len;
};

void belt_key_write(char text[BELT_KEY_TEXT], const uint8_t key[BELT_KEY_BYTES])
{
    base64url_write(text, key, BELT_KEY_BYTES);
}

bool belt_key_read(const char *text, size_t len, uint8_t key[BELT_KEY_BYTES])
{
    size_t got = 0;
    return len == BELT_KEY_TEXT - 1 && base64url_read(text, len, key, BELT_KEY_BYTES, &got) && got == BELT_KEY_BYTES;
}

static bool name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

bool belt_access_name_valid(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > BELT_MAX_NAME || *name == '-' || *name == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!name_character(name[i]))
            return false;
    return true;
}

static bool fail(struct reader *reader, const char *what)
{
    if (reader->line)
        snprintf(reader->error, reader->size, "line %u: %s", reader->line, what);
    else
        snprintf(reader->error, reader->size, "%s", what);
    return false;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct word trimmed(const char *from, const char *to)
{
    while (from < to && blank(*from))
        from++;
    while (to > from && blank(to[-1]))
        to--;
    return (struct word){from, (size_t)(to - from)};
}

/* Cuts the first word off. */
static struct word next_word(struct word *rest)
{
    const char *end = rest->at + rest->len, *stop = rest->at;
    while (stop < end && !blank(*stop))
        stop++;
    struct word word = {rest->at, (size_t)(stop - rest->at)};
    *rest = trimmed(stop, end);
    return word;
}

static bool is(struct word word, const char *text)
{
    return word.len == strlen(text) && memcmp(word.at, text, word.len) == 0;
}

static bool copy(struct word word, char *out, size_t room)
{
    if (word.len == 0 || word.len >= room)
        return false;
    for (size_t i = 0; i < word.len; i++)
        if (word.at[i] <= ' ' || word.at[i] > '~')
            return false;
    memcpy(out, word.at, word.len);
    out[word.len] = '\0';
    return true;
}

static bool read_broker(struct reader *reader, struct word value, bool workers)
{
    struct belt_access *access = reader->access;
    if (access->broker_count == BELT_ACCESS_BROKERS)
        return fail(reader, "more than 16 addresses");
    struct belt_access_broker *broker = &access->brokers[access->broker_count];
    struct word address = next_word(&value), key = next_word(&value), next = next_word(&value);
    *broker = (struct belt_access_broker){.workers = workers};
    if (address.len < 7 || memcmp(address.at, "tcp://", 6) != 0 ||
        !copy(address, broker->address, sizeof(broker->address)))
        return fail(reader, "expected tcp://HOST:PORT and the key of the broker");
    if (!belt_key_read(key.at, key.len, broker->key))
        return fail(reader, "the key of the broker is no key, which is 43 letters, digits, '-' and '_'");
    broker->has_next = next.len > 0;
    if ((next.len && !belt_key_read(next.at, next.len, broker->next)) || value.len)
        return fail(reader, "what follows the key of the broker is not its next key");
    access->broker_count++;
    return true;
}

static bool read_key(struct reader *reader, struct word value, uint8_t *key, bool *has)
{
    if (*has)
        return fail(reader, "the key is given twice");
    *has = belt_key_read(value.at, value.len, key);
    return *has || fail(reader, "this is no key, which is 43 letters, digits, '-' and '_'");
}

static bool read_setting(struct reader *reader, struct word name, struct word value)
{
    struct belt_access *access = reader->access;
    if (is(name, "broker") || is(name, "workers"))
        return read_broker(reader, value, is(name, "workers"));
    if (is(name, "public"))
        return read_key(reader, value, access->public_key, &reader->has_public);
    if (is(name, "secret"))
        return read_key(reader, value, access->secret_key, &reader->has_secret);
    if (is(name, "role"))
        return copy(value, access->role, sizeof(access->role)) || fail(reader, "a role is one word");
    if (!is(name, "name"))
        return fail(reader, "an access file has name, role, broker, workers, public and secret, and nothing else");
    return (copy(value, access->name, sizeof(access->name)) && belt_access_name_valid(access->name)) ||
           fail(reader, "a name has letters, digits, '.', '_' and '-', and begins with neither '.' nor '-'");
}

static bool read_line(struct reader *reader, struct word line)
{
    if (line.len == 0 || *line.at == '#' || *line.at == ';')
        return true;
    const char *equals = memchr(line.at, '=', line.len);
    if (!equals)
        return fail(reader, "expected 'name = value'");
    return read_setting(reader, trimmed(line.at, equals), trimmed(equals + 1, line.at + line.len));
}

static bool read_lines(struct reader *reader, const char *text, const char *end)
{
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        stop = stop ? stop : end;
        reader->line++;
        if (!read_line(reader, trimmed(text, stop)))
            return false;
        text = stop + 1;
    }
    reader->line = 0;
    if (!*reader->access->name)
        return fail(reader, "the line 'name = …' is missing");
    if (!reader->has_public || !reader->has_secret)
        return fail(reader, "the line 'public = …' or 'secret = …' is missing");
    return reader->access->broker_count > 0 || fail(reader, "the line 'broker = ADDRESS KEY' is missing");
}

bool belt_access_parse(struct belt_access *access, const char *text, size_t len, char *error, size_t size)
{
    struct reader reader = {.access = access, .error = error, .size = size};
    *access = (struct belt_access){.broker_count = 0};
    if (len > BELT_ACCESS_BYTES)
        fail(&reader, "the file is larger than 16 KiB");
    else if (read_lines(&reader, text, text + len))
        return true;
    belt_access_wipe(access);
    return false;
}

size_t belt_access_format(const struct belt_access *access, char *text, size_t size)
{
    char key[BELT_KEY_TEXT], next[BELT_KEY_TEXT];
    size_t len = 0;
#define ADD(...) len += (size_t)snprintf(len < size ? text + len : NULL, len < size ? size - len : 0, __VA_ARGS__)
    ADD("# The access of %s to a Belt broker. Whoever can read this file is %s: keep it to yourself (mode 0600).\n",
        access->name, access->name);
    ADD("name = %s\n", access->name);
    if (*access->role)
        ADD("role = %s\n", access->role);
    for (uint32_t i = 0; i < access->broker_count; i++) {
        const struct belt_access_broker *broker = &access->brokers[i];
        belt_key_write(key, broker->key);
        belt_key_write(next, broker->next);
        ADD("%s = %s %s%s%s\n", broker->workers ? "workers" : "broker", broker->address, key,
            broker->has_next ? " " : "", broker->has_next ? next : "");
    }
    belt_key_write(key, access->public_key);
    ADD("public = %s\n", key);
    belt_key_write(key, access->secret_key);
    ADD("secret = %s\n", key);
    explicit_bzero(key, sizeof(key));
#undef ADD
    return len;
}

const struct belt_access_broker *belt_access_first(const struct belt_access *access, bool workers)
{
    for (uint32_t i = 0; i < access->broker_count; i++)
        if (access->brokers[i].workers == workers)
            return &access->brokers[i];
    return NULL;
}

const struct belt_access_broker *belt_access_find(const struct belt_access *access, const char *address, bool workers)
{
    for (uint32_t i = 0; i < access->broker_count; i++)
        if (strcmp(access->brokers[i].address, address) == 0)
            return &access->brokers[i];
    const struct belt_access_broker *first = belt_access_first(access, workers);
    return first || access->broker_count == 0 ? first : &access->brokers[0];
}

void belt_access_wipe(struct belt_access *access)
{
    explicit_bzero(access, sizeof(*access));
}
