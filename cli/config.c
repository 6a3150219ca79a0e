/* SPDX-License-Identifier: Apache-2.0
 *
 * Parser of configuration files. Pure and bounded: see config.h.
 */
#include "cli/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct config *config;
    uint32_t line, room, section_line;
    char *section;
    char *error;
    size_t size;
};

static int fail(struct reader *reader, const char *what)
{
    snprintf(reader->error, reader->size, "line %u: %s", (unsigned)reader->line, what);
    return -1;
}

static int blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static char *trim(char *text)
{
    char *end = text + strlen(text);

    while (end > text && blank(end[-1]))
        *--end = '\0';
    while (blank(*text))
        text++;
    return text;
}

static int add_entry(struct reader *reader, char *key, char *value)
{
    struct config *config = reader->config;

    if (config->count == CONFIG_MAX_ENTRIES)
        return fail(reader, "more than 4096 settings");
    if (config->count == reader->room) {
        uint32_t room = reader->room ? reader->room * 2 : 16;
        struct config_entry *grown = realloc(config->entries, room * sizeof(*grown));
        if (!grown)
            return fail(reader, "out of memory");
        config->entries = grown;
        reader->room = room;
    }
    config->entries[config->count++] = (struct config_entry){.section = reader->section,
                                                             .key = key,
                                                             .value = value,
                                                             .line = reader->line,
                                                             .section_line = reader->section_line};
    return 0;
}

static int read_heading(struct reader *reader, char *text)
{
    char *end = strchr(text, ']');

    if (!end || end[1])
        return fail(reader, "a heading is written [section]");
    *end = '\0';
    reader->section = trim(text + 1);
    reader->section_line = reader->line;
    return *reader->section ? 0 : fail(reader, "a heading is written [section]");
}

static int read_line(struct reader *reader, char *text)
{
    char *equals;

    text = trim(text);
    if (!*text || *text == '#' || *text == ';')
        return 0;
    if (*text == '[')
        return read_heading(reader, text);
    equals = strchr(text, '=');
    if (!equals)
        return fail(reader, "expected 'key = value' or '[section]'");
    *equals = '\0';
    text = trim(text);
    return *text ? add_entry(reader, text, trim(equals + 1)) : fail(reader, "a key is missing before '='");
}

static int read_all(struct reader *reader, char *text, char *end)
{
    while (text < end) {
        char *stop = memchr(text, '\n', (size_t)(end - text));
        stop = stop ? stop : end;
        reader->line++;
        if (stop - text > (ptrdiff_t)CONFIG_MAX_LINE)
            return fail(reader, "the line is longer than 8192 bytes");
        if (memchr(text, '\0', (size_t)(stop - text)))
            return fail(reader, "the line holds a NUL byte: is this a text file?");
        *stop = '\0';
        if (read_line(reader, text))
            return -1;
        text = stop + 1;
    }
    return 0;
}

/* Some editors begin a file of UTF-8 with a mark that is no part of the text. */
static size_t mark_len(const char *text, size_t len)
{
    static const char mark[] = {'\xef', '\xbb', '\xbf'};

    return len >= sizeof(mark) && !memcmp(text, mark, sizeof(mark)) ? sizeof(mark) : 0;
}

int config_parse(struct config *config, const char *data, size_t len, char *error, size_t size)
{
    static char no_section[1];
    struct reader reader = {.config = config, .section = no_section, .error = error, .size = size};

    *config = (struct config){0};
    if (len > CONFIG_MAX_BYTES) {
        snprintf(error, size, "the file is larger than 1 MiB");
        return -1;
    }
    config->text = malloc(len + 1);
    if (!config->text) {
        snprintf(error, size, "out of memory");
        return -1;
    }
    if (len)
        memcpy(config->text, data, len);
    config->text[len] = '\0';
    if (read_all(&reader, config->text + mark_len(config->text, len), config->text + len) == 0)
        return 0;
    config_free(config);
    return -1;
}

void config_free(struct config *config)
{
    free(config->entries);
    free(config->text);
    *config = (struct config){0};
}
