/* SPDX-License-Identifier: Apache-2.0
 *
 * The manual says what the program does: each option, argument, default, environment variable and exit code of the
 * tables (cli/commands*.c, cli/option_rows.h, cli/exit.h) stands in the manual pages, and nothing else does. Help and
 * completion are made from the same tables.
 */
#include "cli/commands.h"
#include "cli/exit.h"
#include "tests/unit/manual.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* What the program reads beside the variables of options, and what it sets for a command (proto/shell_line.h). */
static const char *const other_variables[] = {"BELT_CONFIG", "BELT_INPUT"};

static struct manual page;
static int faults;

#define fault(...)                                                                                                     \
    do {                                                                                                               \
        fprintf(stderr, __VA_ARGS__);                                                                                  \
        fputc('\n', stderr);                                                                                           \
        faults++;                                                                                                      \
    } while (0)

static void read_of(const struct command *command)
{
    char name[64];

    snprintf(name, sizeof(name), "belt-%s.1", command->name);
    manual_read(&page, name);
}

static bool documents(const struct manual_option *option, const struct option_def *def)
{
    if (!strcmp(option->name, def->name))
        return true;
    return def->type == OPTION_FLAG && !strncmp(option->name, "no-", 3) && !strcmp(option->name + 3, def->name);
}

/* The entry of an option of a command, in its page. */
static const struct manual_item *find_item(const struct command *command, const struct option_def *def,
                                           const struct manual_option **option)
{
    for (uint32_t i = 0; i < page.count; i++)
        for (uint32_t j = 0; j < page.items[i].count; j++)
            if (documents(&page.items[i].options[j], def) && manual_in_list(page.items[i].scope, command->name)) {
                *option = &page.items[i].options[j];
                return &page.items[i];
            }
    return NULL;
}

/* "… (16M, as the broker's)." tells a default: "16M". */
static bool read_default(const char *help, char out[64])
{
    const char *open = strrchr(help, '(');

    if (!open || open[-1] != ' ' || !strchr(open, ')') ||
        (!isdigit((unsigned char)open[1]) && strncmp(open + 1, "auto", 4) != 0))
        return false;
    snprintf(out, 64, "%.*s", (int)strcspn(open + 1, ",:;) "), open + 1);
    return true;
}

static void check_option(const struct command *command, const struct option_def *def)
{
    const struct manual_option *option = NULL;
    const struct manual_item *item = find_item(command, def, &option);
    char value[64];

    if (!item) {
        fault("%s: 'belt %s' has the option --%s, which is not there: add '.It Fl %s%s%s%s' to the list in OPTIONS%s",
              page.file, command->name, def->name, def->letter ? (char[]){def->letter, ' ', ',', ' ', 0} : "", "-",
              def->name, options_takes_argument(def) ? " Ar …" : "",
              ", and a line '.Pq COMMAND, …' behind it where not all commands of the page have it");
        return;
    }
    if (option->letter != def->letter)
        fault("%s:%u: --%s of 'belt %s' has the letter '%c', the page says '%c'", page.file, (unsigned)item->line,
              def->name, command->name, def->letter ? def->letter : ' ', option->letter ? option->letter : ' ');
    if (option->argument != options_takes_argument(def))
        fault("%s:%u: --%s of 'belt %s' takes %s argument, the page says otherwise", page.file, (unsigned)item->line,
              def->name, command->name, options_takes_argument(def) ? "an" : "no");
    if (read_default(def->help, value) && !manual_has_word(item->text, value) && strncmp(item->text, "As ", 3) != 0)
        fault("%s:%u: help of 'belt %s --%s' says (%s), the page does not", page.file, (unsigned)item->line,
              command->name, def->name, value);
}

Test(manual, has_each_option_of_each_command)
{
    for (int i = 0; commands_all[i]; i++) {
        read_of(commands_all[i]);
        for (uint32_t j = 0; j < commands_all[i]->option_count; j++)
            if (strcmp(commands_all[i]->options[j].name, "help") != 0) /* in belt.1, for all */
                check_option(commands_all[i], &commands_all[i]->options[j]);
        manual_free(&page);
    }
    cr_assert_eq(faults, 0, "%d differences between the tables of options and the manual: see above", faults);
}

static bool command_has(const struct command *command, const struct manual_option *option)
{
    for (uint32_t i = 0; i < command->option_count; i++)
        if (documents(option, &command->options[i]))
            return true;
    return false;
}

/* The commands that share a page: those whose own names are links to it, and the one that it is called by. */
static void check_page(const struct manual *from, const struct manual_item *item, const struct manual_option *option)
{
    for (int i = 0; commands_all[i]; i++) {
        struct manual other;
        char name[64];
        snprintf(name, sizeof(name), "belt-%s.1", commands_all[i]->name);
        manual_read(&other, name);
        bool same = !strcmp(other.file, from->file);
        manual_free(&other);
        if (same && manual_in_list(item->scope, commands_all[i]->name) && !command_has(commands_all[i], option))
            fault("%s:%u: '%s%s' is no option of 'belt %s': take it out%s", from->file, (unsigned)item->line,
                  option->name[0] ? "--" : "-", option->name[0] ? option->name : (const char[]){option->letter, 0},
                  commands_all[i]->name, ", or say behind it which commands have it: '.Pq jobs, cancel'");
    }
}

Test(manual, has_no_option_that_is_not_there)
{
    for (int i = 0; commands_all[i]; i++) {
        read_of(commands_all[i]);
        for (uint32_t j = 0; j < page.count; j++)
            for (uint32_t k = 0; k < page.items[j].count; k++)
                check_page(&page, &page.items[j], &page.items[j].options[k]);
        manual_free(&page);
    }
    cr_assert_eq(faults, 0, "%d differences between the manual and the tables of options: see above", faults);
}

/* `man belt-jobs` and `man -k belt` find it: man-db reads the names at the top, and takes none with a blank. */
Test(manual, is_found_by_the_name_of_each_command)
{
    for (int i = 0; commands_all[i]; i++) {
        char line[64];
        const char *found;
        read_of(commands_all[i]);
        snprintf(line, sizeof(line), "\n.Nm belt-%s", commands_all[i]->name);
        found = strstr(page.source, line);
        if (!found || found > strstr(page.source, "\n.Nd ") || !strchr(" \n", found[strlen(line)]))
            fault("%s: the section NAME lacks the line '%s'", page.file, line + 1);
        if (strstr(page.source, "\n.Nm\n") && !strstr(page.source, ".Dt BELT 1"))
            fault("%s: a bare '.Nm' shows as 'belt-%s': write '.Nm \"belt %s\"'", page.file, commands_all[i]->name,
                  commands_all[i]->name);
        manual_free(&page);
    }
    cr_assert_eq(faults, 0, "%d commands are not found in the manual: see above", faults);
}

static bool variable_exists(const char *variable)
{
    char name[128];

    for (size_t i = 0; i < sizeof(other_variables) / sizeof(*other_variables); i++)
        if (!strcmp(variable, other_variables[i]))
            return true;
    for (int i = 0; commands_all[i]; i++)
        for (uint32_t j = 0; j < commands_all[i]->option_count; j++) {
            const struct option_def *def = &commands_all[i]->options[j];
            if (def->scope == OPTION_FLAG_ONLY)
                continue;
            if (!strcmp(variable, options_env_name(commands_all[i]->name, def->name, name)) ||
                (def->scope == OPTION_GLOBAL && !strcmp(variable, options_env_name(NULL, def->name, name))))
                return true;
        }
    return false;
}

static void check_variables(void)
{
    for (const char *at = page.source; (at = strstr(at, "BELT_")); at++) {
        char name[128];
        snprintf(name, sizeof(name), "%.*s", (int)strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), at);
        if (at[strlen(name)] != '<' && strncmp(at, "BELT_ Ns", 8) != 0 && !variable_exists(name))
            fault("%s: no command reads the environment variable %s", page.file, name);
    }
}

Test(manual, names_the_environment_variables_that_are_read)
{
    char line[160], name[128];

    for (int i = 0; commands_all[i]; i++) {
        read_of(commands_all[i]);
        check_variables();
        manual_free(&page);
    }
    manual_read(&page, "belt.conf.5");
    check_variables();
    manual_free(&page);
    manual_read(&page, "belt.1");
    for (int i = 0; commands_all[i]; i++)
        for (uint32_t j = 0; j < commands_all[i]->option_count; j++) {
            if (commands_all[i]->options[j].scope != OPTION_GLOBAL)
                continue;
            snprintf(line, sizeof(line), "\n.It Ev %s\n",
                     options_env_name(NULL, commands_all[i]->options[j].name, name));
            if (!strstr(page.source, line))
                fault("%s: the section ENVIRONMENT lacks '.It Ev %s'", page.file, name);
        }
    manual_free(&page);
    cr_assert_eq(faults, 0, "%d differences in environment variables: see above", faults);
}

static bool exit_exists(int status)
{
#define EXIT_IS(name, number, text)                                                                                    \
    if (status == (number))                                                                                            \
        return true;
    BELT_EXITS(EXIT_IS)
#undef EXIT_IS
    return status > 128 && status < 160;
}

/* Numbers that begin a sentence of EXIT STATUS are codes: "0 when …; 7: …". */
static void check_exits(const char *section)
{
    for (const char *at = section; at && *at; at = strpbrk(at + 1, "\n;")) {
        const char *word = at + strspn(at, "\n; ");
        if (isdigit((unsigned char)*word) && !exit_exists(atoi(word)))
            fault("%s: EXIT STATUS names %d, which is none of cli/exit.h", page.file, atoi(word));
    }
}

Test(manual, has_the_exit_codes)
{
    static const int codes[] = {
#define EXIT_NUMBER(name, number, text) number,
        BELT_EXITS(EXIT_NUMBER)
#undef EXIT_NUMBER
    };
    char line[32];

    manual_read(&page, "belt.1");
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        snprintf(line, sizeof(line), "\n.It %d\n", codes[i]);
        if (!strstr(page.source, line))
            fault("%s: the section EXIT STATUS lacks '.It %d': add it as cli/exit.h has it", page.file, codes[i]);
    }
    for (const char *at = page.source; (at = strstr(at, "\n.It ")); at++)
        if (isdigit((unsigned char)at[5]) && !exit_exists(atoi(at + 5)))
            fault("%s: '.It %d' is no exit code of cli/exit.h", page.file, atoi(at + 5));
    manual_free(&page);
    for (int i = 0; commands_all[i]; i++) {
        char *section, *end;
        read_of(commands_all[i]);
        section = strstr(page.source, "\n.Sh EXIT STATUS");
        end = section ? strstr(section + 1, "\n.Sh ") : NULL;
        if (end)
            *end = '\0';
        if (section && strcmp(page.file + strlen(page.file) - 6, "belt.1") != 0)
            check_exits(section);
        manual_free(&page);
    }
    cr_assert_eq(faults, 0, "%d differences in exit codes: see above", faults);
}
