/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets the values of options: defaults, file, environment, flags. Pure.
 */
#include "cli/option_values.h"

#include "cli/suggest.h"
#include "cli/units.h"
#include "proto/text_cut.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An environment variable may hold several values of a list, one per line. */
#define LIST_SEPARATOR '\n'

static const char *keep_text(struct options *options, const char *text, size_t len)
{
    struct option_text *kept = malloc(sizeof(*kept) + len + 1);

    if (!kept)
        return NULL;
    memcpy(kept->data, text, len);
    kept->data[len] = '\0';
    kept->next = options->texts;
    options->texts = kept;
    return kept->data;
}

static bool parse_flag(const char *text, int *value)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};

    for (int i = 0; i < 4; i++)
        if (!strcmp(text, yes[i]) || !strcmp(text, no[i])) {
            *value = !strcmp(text, yes[i]);
            return true;
        }
    return false;
}

static bool parse_signed(const char *text, int64_t *value)
{
    uint64_t magnitude;
    bool negative = *text == '-';

    if (!units_count(text + (negative || *text == '+'), &magnitude) || magnitude > INT64_MAX)
        return false;
    *value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

static bool within(const struct option_def *def, int64_t value)
{
    return (!def->min && !def->max) || (value >= def->min && value <= def->max);
}

static int64_t bounded(uint64_t value)
{
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static bool set_list(struct options *options, struct option_list *list, const char *value)
{
    const char **grown = realloc(list->items, (list->count + 1) * sizeof(*grown));
    const char *kept = keep_text(options, value, strlen(value));

    if (grown)
        list->items = grown;
    if (!grown || !kept)
        return false;
    list->items[list->count++] = kept;
    return true;
}

static bool set_count(const struct option_def *def, const char *value, uint64_t *out)
{
    uint64_t count;

    if (def->type == OPTION_AUTO && !strcmp(value, "auto")) {
        *out = 0;
        return true;
    }
    if (!units_count(value, &count) || !within(def, bounded(count)))
        return false;
    *out = count;
    return true;
}

static bool set_const(struct options *options, const struct option_def *def, const char *value, void *at)
{
    int on = 0;
    bool good = parse_flag(value, &on);

    (void)options;
    if (good && on)
        *(const char **)at = def->preset;
    return good;
}

/* True when `value` is good and was set. */
static bool set_value(struct options *options, const struct option_def *def, const char *value)
{
    void *at = (char *)options->values + def->offset;
    int64_t number;

    switch (def->type) {
    case OPTION_FLAG:
        return parse_flag(value, at);
    case OPTION_TEXT:
        if (def->check && !def->check(value))
            return false;
        return (*(const char **)at = keep_text(options, value, strlen(value))) != NULL;
    case OPTION_LIST:
        return set_list(options, at, value);
    case OPTION_COUNT:
    case OPTION_AUTO:
        return set_count(def, value, at);
    case OPTION_SIGNED:
        if (!parse_signed(value, &number) || !within(def, number))
            return false;
        *(int64_t *)at = number;
        return true;
    case OPTION_SIZE:
        return units_size(value, at) && within(def, bounded(*(uint64_t *)at));
    case OPTION_DURATION:
        return units_duration(value, at) && within(def, bounded(*(uint64_t *)at));
    case OPTION_CONST:
        return set_const(options, def, value, at);
    }
    return false;
}

static const char *expected(const struct option_def *def, char *out, size_t size)
{
    if (def->expects)
        return def->expects;
    if ((def->type == OPTION_COUNT || def->type == OPTION_AUTO || def->type == OPTION_SIGNED) &&
        (def->min || def->max)) {
        snprintf(out, size, "%sa whole number from %lld to %lld", def->type == OPTION_AUTO ? "'auto' or " : "",
                 (long long)def->min, (long long)def->max);
        return out;
    }
    switch (def->type) {
    case OPTION_FLAG:
    case OPTION_CONST:
        return "true or false";
    case OPTION_COUNT:
    case OPTION_SIGNED:
        return "a whole number";
    case OPTION_AUTO:
        return "'auto' or a whole number";
    case OPTION_SIZE:
        return def->min ? "a size, more than 0: 4096, 64k, 16M" : "a size: 4096, 64k, 16M";
    case OPTION_DURATION:
        return def->min ? "a duration, more than 0: 1.5 (seconds), 500ms, 2m, 1h"
                        : "a duration of 0, or of 1 ms and more: 1.5 (seconds), 500ms, 2m, 1h";
    default:
        return "a text";
    }
}

int option_set(struct options *options, const struct option_def *def, const char *value, enum option_origin origin,
               const char *where)
{
    uint32_t index = (uint32_t)(def - options->command->options);
    char text[128];

    /* A list that a stronger source gives replaces that of a weaker one. */
    if (def->type == OPTION_LIST && options->origin[index] != origin)
        ((struct option_list *)(void *)((char *)options->values + def->offset))->count = 0;
    if ((def->type == OPTION_TEXT || def->type == OPTION_LIST) && !*value && !def->expects) {
        text_print(options->error, sizeof(options->error), "%s: it is empty (an unset variable?)", where);
        return -1;
    }
    if (!set_value(options, def, value)) {
        text_print(options->error, sizeof(options->error), "%s: '%.*s' is not valid: expected %s", where,
                   TEXT_UP_TO(value, 200), expected(def, text, sizeof(text)));
        return -1;
    }
    options->origin[index] = origin;
    return 0;
}

static const struct command *find_section(const struct command *const *all, const char *name)
{
    for (; *all; all++)
        if ((*all)->option_count && !strcmp((*all)->name, name))
            return *all;
    return NULL;
}

/* The option that a key names, in a section (`command`) or, with NULL, before the first one. */
static const struct option_def *find_key(const struct command *const *all, const struct command *command,
                                         const char *key, struct suggest *suggest)
{
    for (; *all; all++) {
        if (command && *all != command)
            continue;
        for (uint32_t i = 0; i < (*all)->option_count; i++) {
            const struct option_def *def = &(*all)->options[i];
            if (def->scope == OPTION_FLAG_ONLY || (!command && def->scope != OPTION_GLOBAL))
                continue;
            if (!strcmp(def->name, key))
                return def;
            suggest_offer(suggest, def->name);
        }
    }
    return NULL;
}

static int unknown(struct options *options, const char *what, const char *name, const char *file, uint32_t line,
                   const struct suggest *suggest)
{
    text_print(options->error, sizeof(options->error), "unknown %s '%.*s' in %s:%u%s%s%s", what, TEXT_UP_TO(name, 100),
               file, (unsigned)line, suggest->best ? "; did you mean '" : "", suggest->best ? suggest->best : "",
               suggest->best ? "'?" : "");
    return -1;
}

/* A key that stands twice in a section: one of the two would be ignored. Only a list may be given again. */
static int check_repeated(struct options *options, const struct config *file, uint32_t index, const char *name)
{
    const struct config_entry *entry = &file->entries[index];

    for (uint32_t i = 0; i < index; i++)
        if (!strcmp(file->entries[i].section, entry->section) && !strcmp(file->entries[i].key, entry->key)) {
            text_print(options->error, sizeof(options->error),
                       "%.*s:%u: '%.*s' is set in line %u already: remove one of the two", TEXT_UP_TO(name, 300),
                       (unsigned)entry->line, TEXT_UP_TO(entry->key, 100), (unsigned)file->entries[i].line);
            return -1;
        }
    return 0;
}

static int apply_entry(struct options *options, const struct command *const *all, const struct config *config,
                       uint32_t position, const char *file)
{
    const struct config_entry *entry = &config->entries[position];
    const struct option_def *def;
    const struct command *section = *entry->section ? find_section(all, entry->section) : NULL;
    struct suggest suggest;
    char where[512];
    int index;

    if (*entry->section && !section) {
        suggest_init(&suggest, entry->section);
        for (const struct command *const *at = all; *at; at++)
            if ((*at)->option_count)
                suggest_offer(&suggest, (*at)->name);
        return unknown(options, "section", entry->section, file, entry->section_line, &suggest);
    }
    suggest_init(&suggest, entry->key);
    def = find_key(all, section, entry->key, &suggest);
    if (!def)
        return unknown(options, "key", entry->key, file, entry->line, &suggest);
    if (def->type != OPTION_LIST && check_repeated(options, config, position, file))
        return -1;
    index = options_find(options->command, entry->key);
    if ((section && section != options->command) || index < 0 ||
        (!section && options->command->options[index].scope != OPTION_GLOBAL))
        return 0;
    text_print(where, sizeof(where), "%.*s:%u: %s", TEXT_UP_TO(file, 300), (unsigned)entry->line, entry->key);
    return option_set(options, &options->command->options[index], entry->value, ORIGIN_FILE, where);
}

/* The keys before the first section speak for all commands, so a section's own key wins over them. */
static int apply_file(struct options *options, const struct command *const *all, const struct config *file,
                      const char *name)
{
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < file->count; i++)
            if ((*file->entries[i].section != '\0') == pass && apply_entry(options, all, file, i, name))
                return -1;
    return 0;
}

static const char *environment_value(char *const *environment, const char *name)
{
    size_t len = strlen(name);

    for (; environment && *environment; environment++)
        if (!strncmp(*environment, name, len) && (*environment)[len] == '=')
            return *environment + len + 1;
    return NULL;
}

static int apply_variable(struct options *options, const struct option_def *def, const char *name, const char *value)
{
    char where[192];
    int rc = 0;

    text_print(where, sizeof(where), "environment variable %s", name);
    if (def->type != OPTION_LIST)
        return option_set(options, def, value, ORIGIN_ENVIRONMENT, where);
    while (rc == 0 && *value) {
        size_t len = strcspn(value, (char[]){LIST_SEPARATOR, '\0'});
        const char *item = keep_text(options, value, len);
        rc = item && len ? option_set(options, def, item, ORIGIN_ENVIRONMENT, where) : 0;
        value += len + (value[len] == LIST_SEPARATOR);
    }
    return rc;
}

/* A variable with the command's prefix that names no option is a slip of the pen, and would be ignored in silence. */
static int check_environment(struct options *options, char *const *environment)
{
    char prefix[128], name[128], known[128];
    size_t len;

    options_env_name(options->command->name, "", prefix);
    len = strlen(prefix);
    for (; environment && *environment; environment++) {
        struct suggest suggest;
        bool found = false;
        if (strncmp(*environment, prefix, len))
            continue;
        text_print(name, sizeof(name), "%.*s", (int)strcspn(*environment, "="), *environment);
        suggest_init(&suggest, name + len);
        for (uint32_t i = 0; i < options->command->option_count && !found; i++) {
            if (options->command->options[i].scope == OPTION_FLAG_ONLY)
                continue;
            options_env_name(options->command->name, options->command->options[i].name, known);
            found = !strcmp(known, name);
            /* suggest borrows, so it is offered the upper-case copy that lives on */
            if (!found)
                suggest_offer(&suggest, keep_text(options, known + len, strlen(known + len)));
        }
        if (!found) {
            text_print(options->error, sizeof(options->error), "unknown environment variable %s%s%s%s%s", name,
                       suggest.best ? "; did you mean " : "", suggest.best ? prefix : "",
                       suggest.best ? suggest.best : "", suggest.best ? "?" : "");
            return -1;
        }
    }
    return 0;
}

static int apply_environment(struct options *options, char *const *environment)
{
    char name[128];

    for (uint32_t i = 0; i < options->command->option_count; i++) {
        const struct option_def *def = &options->command->options[i];
        const char *value;
        if (def->scope == OPTION_FLAG_ONLY)
            continue;
        value = environment_value(environment, options_env_name(options->command->name, def->name, name));
        if (!value && def->scope == OPTION_GLOBAL)
            value = environment_value(environment, options_env_name(NULL, def->name, name));
        /* Set but empty is how a compose file or a script says "not set". */
        if (value && *value && apply_variable(options, def, name, value))
            return -1;
    }
    return check_environment(options, environment);
}

int options_apply(struct options *options, const struct command *const *all, const struct config *file,
                  const char *file_name, char *const *environment)
{
    char where[80];

    if (options->command->defaults)
        options->command->defaults(options->values);
    if (file && apply_file(options, all, file, file_name))
        return -1;
    if (apply_environment(options, environment))
        return -1;
    for (uint32_t i = 0; i < options->setting_count; i++) {
        const struct option_setting *setting = &options->settings[i];
        snprintf(where, sizeof(where), "option '--%s'", setting->def->name);
        if (option_set(options, setting->def, setting->value, ORIGIN_FLAG, where))
            return -1;
    }
    return 0;
}

void options_free(struct options *options)
{
    for (uint32_t i = 0; options->values && i < options->command->option_count; i++)
        if (options->command->options[i].type == OPTION_LIST)
            free(
                ((struct option_list *)(void *)((char *)options->values + options->command->options[i].offset))->items);
    while (options->texts) {
        struct option_text *next = options->texts->next;
        free(options->texts);
        options->texts = next;
    }
    free(options->words);
    free(options->rest);
    free(options->inputs);
    free(options->settings);
    free(options->values);
    *options = (struct options){0};
}
