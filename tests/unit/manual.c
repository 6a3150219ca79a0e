/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads manual pages (manual.h).
 */
#include "tests/unit/manual.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_page(struct manual *page, const char *name)
{
    char *text = NULL;
    size_t room = 0;

    snprintf(page->file, sizeof(page->file), "%s/%s", BELT_MANUAL, name);
    FILE *file = fopen(page->file, "r");
    cr_assert(file, "there is no manual page docs/man/%s: write one, or a line '.so man1/PAGE' to another", name);
    cr_assert_gt(getdelim(&text, &room, '\0', file), 0);
    fclose(file);
    return text;
}

static struct manual_option *add_option(struct manual_item *item)
{
    cr_assert_lt(item->count, MANUAL_NAMES);
    return &item->options[item->count++];
}

/* "b , -broker Ar address , Fl -x": a letter and the name behind it are one option. */
static void read_options(struct manual_item *item, char *line)
{
    struct manual_option *option = NULL;
    bool flag = false;

    for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
        if (!strcmp(word, "Fl"))
            flag = true;
        else if (!strcmp(word, "Ar") || !strcmp(word, "Op")) {
            for (uint32_t i = 0; option && i < item->count; i++)
                item->options[i].argument |= &item->options[i] == option;
            flag = false;
        } else if (flag && *word == '-') {
            if (!option || !option->letter || *option->name || option->argument)
                option = add_option(item);
            snprintf(option->name, sizeof(option->name), "%s", word + 1);
        } else if (flag && isalnum((unsigned char)*word) && !word[1]) {
            option = add_option(item);
            option->letter = *word;
        }
    }
}

static void take_line(struct manual_item *item, const char *line)
{
    size_t len = strlen(item->text);

    if (!strncmp(line, ".Pq ", 4) && !len && islower((unsigned char)line[4]) && !item->scope[0])
        snprintf(item->scope, sizeof(item->scope), "%s", line + 4);
    else
        snprintf(item->text + len, sizeof(item->text) - len, "%s ", line);
}

void manual_read(struct manual *page, const char *name)
{
    char target[128], *copy, *rest;
    struct manual_item *item = NULL;
    uint32_t number = 0;

    *page = (struct manual){0};
    page->source = read_page(page, name);
    if (sscanf(page->source, ".so man1/%127s", target) == 1) {
        free(page->source);
        page->source = read_page(page, target);
    }
    rest = copy = strdup(page->source);
    for (char *line; (line = strsep(&rest, "\n"));) {
        number++;
        if (!strncmp(line, ".Sh ", 4) || !strncmp(line, ".El", 3)) {
            item = NULL;
        } else if (!strncmp(line, ".It Fl ", 7)) {
            cr_assert_lt(page->count, MANUAL_ITEMS);
            item = &page->items[page->count++];
            item->line = number;
            read_options(item, line + 4);
        } else if (item) {
            take_line(item, line);
        }
    }
    free(copy);
}

void manual_free(struct manual *page)
{
    free(page->source);
}

bool manual_has_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = text; (at = strstr(at, word)); at++)
        if ((at == text || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[len]))
            return true;
    return false;
}

bool manual_in_list(const char *list, const char *word)
{
    return !*list || manual_has_word(list, word);
}
