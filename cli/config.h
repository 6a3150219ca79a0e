/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of a configuration file: `key = value` lines, `[section]` headings,
 * `#` and `;` comments. Pure: works on a buffer, knows no option.
 *
 * A value is what stands between the equals sign and the end of the line, without the blanks around it; nothing is
 * quoted or continued, and `#` is a comment only at the start of a line, so that commands can be written as they are.
 */
#ifndef BELT_CLI_CONFIG_H
#define BELT_CLI_CONFIG_H

#include <stddef.h>
#include <stdint.h>

/* A file of settings that a person wrote is smaller than any of these. */
#define CONFIG_MAX_BYTES (1u << 20)
#define CONFIG_MAX_LINE 8192u
#define CONFIG_MAX_ENTRIES 4096u

struct config_entry {
    char *section; /* "" before the first heading */
    char *key;
    char *value;
    uint32_t line, section_line;
};

struct config {
    struct config_entry *entries;
    uint32_t count;
    char *text; /* the entries point into it */
};

/**
 * Reads `len` bytes (*copies*). Returns 0, or -1 with `error` saying "line N: what is wrong"; `config` is
 * then empty. Free with config_free().
 */
int config_parse(struct config *config, const char *data, size_t len, char *error, size_t size);
void config_free(struct config *config);

#endif
